"""Prompt tuning: prompts of several emotions and of all seeds, trained side by side through one frozen model.

A step is one forward and one backward pass for a batch of every prompt. The sum of the prompts' losses gives
each prompt the gradient of its own loss, and the optimiser works number by number. So each prompt is the one
that training alone would give (dropout off), up to rounding. A prompt's initial values and the order of its
examples depend on its emotion and seed only.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from model_emotion.base.errors import UserError
from model_emotion.model.evaluation import NotFiniteError, evaluate, overall

INIT, ORDER, DROPOUT = range(3)
"""What a stream of random numbers is for."""

AT_ONCE = {"cpu": 1024, "cuda": 2**16}
"""About how many positions of rows go through a model at once."""

SIDE_BY_SIDE = 16
"""Rows of a step up to which emotions are trained side by side. More rows are no faster, and fewer groups leave cores idle."""

INIT_SD = 0.02
CURVE = ["emotion", "seed", "epoch", "examples", "train_loss", "dev_accuracy"]
SCHEDULES = {"constant": lambda done: 1.0, "linear": lambda done: 1.0 - done}
"""Share of the learning rate, by the share of the steps that are done."""


def _normal(backbone, prompt_len, generator):
    return torch.from_numpy(
        generator.normal(0, INIT_SD, (prompt_len, backbone.embedding_width)).astype(np.float32)
    )


def _mask(backbone, prompt_len, generator):
    embeddings = backbone.model.get_input_embeddings().weight
    return embeddings[backbone.tokenizer.mask_token_id].detach().float().cpu().repeat(prompt_len, 1)


INITS = {"normal": _normal, "mask": _mask}
"""What `protocol.prompt_init` can be."""


@dataclass(frozen=True)
class Recipe:
    """How prompts are trained; the defaults are the study's, as far as its code and readme say.

    batch: examples of a seed in a step. correct_bias: AdamW with its correction of the first steps, which the study left out. dropout:
    the backbone's own, on while training. prompt_init: `normal`, N(0, .02), as the study, or `mask`, copies of the
    embedding of `<mask>`, as the comments in its code say. examples: about how many a prompt sees in all, whatever the size of its task: then
    the epochs are equal parts of these, each with its look at dev; None: an epoch is all examples once. eval_rows: of a batch on
    dev, for speed.
    """

    prompt_len: int = 100
    epochs: int = 2
    examples: int | None = None
    batch: int = 16
    lr: float = 2e-3
    weight_decay: float = 0.01
    correct_bias: bool = False
    schedule: str = "constant"
    prompt_init: str = "normal"
    dropout: bool = True
    eval_rows: int = 32

    def steps(self, length):
        """Steps that a prompt is trained, with so many examples to learn from; at least one an epoch."""
        a_pass = -(-length // self.batch)
        return max(
            self.epochs,
            self.epochs * a_pass if self.examples is None else -(-self.examples * a_pass // length),
        )

    def sees(self, length):
        """About how many examples that makes."""
        return self.epochs * length if self.examples is None else self.examples

    def __post_init__(self):
        for key, known in (("training.schedule", SCHEDULES), ("protocol.prompt_init", INITS)):
            value = getattr(self, key.partition(".")[2])
            if value not in known:
                raise UserError(f"{key}: {value!r} is not one of {', '.join(known)}")


@dataclass(frozen=True, eq=False)
class Tuned:
    """The prompts of an emotion, each as it was after its best epoch on dev, the earliest among equals.

    seeds: those that were trained to the end. prompts: float32 [seeds, prompt_len, embedding], on the CPU. best_epoch: [seeds], from
    1. accuracies: [seeds], overall on dev after that epoch. curve: a frame `emotion, seed, epoch, examples, train_loss, dev_accuracy`, a
    row for every epoch that a seed finished; examples: seen up to then. failed: {seed: a sentence on why it was stopped}.
    """

    seeds: tuple
    prompts: torch.Tensor
    best_epoch: np.ndarray
    accuracies: np.ndarray
    curve: pd.DataFrame
    failed: dict


class AdamW:
    """AdamW (Loshchilov and Hutter 2019) on one tensor, as transformers had it when the study was made: weight decay last, eps 1e-6.

    Without `correct_bias` the moments are used as they are, from 0, and the first steps are about 3 times as long.
    """

    BETA1, BETA2, EPS = 0.9, 0.999, 1e-6

    def __init__(self, values, weight_decay, correct_bias):
        self.values, self.weight_decay, self.correct_bias = values, weight_decay, correct_bias
        self.mean, self.square, self.steps = torch.zeros_like(values), torch.zeros_like(values), 0

    def step(self, gradient, lr):
        """Change the values in place."""
        self.steps += 1
        self.mean.mul_(self.BETA1).add_(gradient, alpha=1 - self.BETA1)
        self.square.mul_(self.BETA2).addcmul_(gradient, gradient, value=1 - self.BETA2)
        corrected = (
            (1 - self.BETA2**self.steps) ** 0.5 / (1 - self.BETA1**self.steps) if self.correct_bias else 1.0
        )
        self.values.addcdiv_(self.mean, self.square.sqrt().add_(self.EPS), value=-lr * corrected)
        self.values.mul_(1 - lr * self.weight_decay)


def groups(emotions, rows):
    """Split a list of emotions into groups that are trained side by side: a list of tuples.

    rows: the rows of one emotion's step, which are its seeds times the batch. A group has at most SIDE_BY_SIDE
    rows, or a single emotion. The number of groups is 2, 4, 8 or another power of two, so that processes get
    equal shares; with fewer emotions than that, each is a group. The groups depend on the arguments alone,
    and emotions are dealt out in turn: appending an emotion changes one group, unless their number changes.
    """
    count = 2
    while count < len(emotions) and -(-len(emotions) // count) * rows > SIDE_BY_SIDE:
        count *= 2
    return [tuple(emotions[first::count]) for first in range(min(count, len(emotions)))]


def tune(engine, emotion, seeds, train, dev, recipe=None, progress=None):
    """Tuned prompts of one emotion. train, dev: Examples of each seed; all else as for `tune_together`."""
    return tune_together(engine, {emotion: (train, dev)}, seeds, recipe, progress)[emotion]


def tune_together(engine, tasks, seeds, recipe=None, progress=None):
    """Train the prompts of several emotions side by side: {emotion: Tuned}.

    tasks: {emotion: (train, dev)}, each a list of Examples, one for each seed. The seeds of an emotion need
    equally many examples in train; emotions may differ, and one that has taken its last step leaves the batch.
    progress: called after each step with the number of examples it took. A seed whose loss, or a logit on dev,
    is not finite is stopped and named in `failed`; the others go on. With dropout the whole group shares one
    stream of random numbers, so that prompts then depend on the group.
    """
    recipe, seeds, model = recipe or Recipe(), tuple(seeds), engine.backbone.model
    trainings = [_Training(engine, emotion, seeds, *examples, recipe) for emotion, examples in tasks.items()]
    unmasked = (
        engine.weights() if engine.shares and not recipe.dropout else None
    )  # the way without padding has no dropout
    with _random(engine, trainings[0].emotion, seeds[0]):
        while going := [training for training in trainings if training.goes_on()]:
            model.train(recipe.dropout)
            try:
                examples = _step(engine, going, recipe.prompt_len, unmasked)
            finally:
                model.eval()
            if progress:
                progress(examples)
            for training in going:
                training.look()
    return {training.emotion: training.tuned() for training in trainings}


def _step(engine, trainings, prompt_len, unmasked=None):
    """Take one step of each training and return the number of examples that it took.

    unmasked: `engine.weights()`, for the way without padding; None: with padding.
    """
    drawn, owners, texts, labels, shares, first = (
        [training.draw() for training in trainings],
        [],
        [],
        [],
        [],
        0,
    )
    for training, (own, some, right) in zip(trainings, drawn, strict=True):
        owners.append(first + own)  # places in `prompts` below
        texts += some
        labels.append(right)
        shares.append(
            torch.full_like(right, len(training.alive()) / len(own), dtype=torch.float32)
        )  # 1 / batch
        first += len(training.prompts)
    owners, labels, shares = np.concatenate(owners), torch.cat(labels), torch.cat(shares)
    prompts = torch.cat([training.prompts for training in trainings]).requires_grad_()
    gradient, losses = torch.zeros_like(prompts), torch.empty_like(shares)
    for rows in _parts(texts, prompt_len, AT_ONCE[engine.device.type]):
        batch, some = prompts[owners[rows]], [texts[row] for row in rows]
        if unmasked is not None:
            logits = engine.finish(engine.start(batch, some), unmasked)
        else:
            logits = engine.logits(batch, None, *engine.pad(some))
        found = cross_entropy(logits, labels[rows], reduction="none")
        with engine.computing():
            gradient += torch.autograd.grad((found * shares[rows]).sum(), prompts)[0]
        losses[rows] = found.detach()
    gradients = gradient.split([len(training.prompts) for training in trainings])
    losses = losses.split([len(own) for own, *_ in drawn])
    for training, own, wrong in zip(trainings, gradients, losses, strict=True):
        training.take(own, wrong)
    return len(texts)


def _parts(texts, prompt_len, at_once):
    """Split the rows of these texts into parts that go through the model at once.

    Rows of similar length share a part, so that little is padded; a part has about `at_once` positions, to save memory.
    """
    order = np.argsort([len(text) for text in texts], kind="stable")
    rows = max(1, at_once // (1 + prompt_len + len(texts[order[-1]])))
    return np.array_split(order, -(-len(order) // rows))


class _Training:
    """The prompts of an emotion on their way: [seeds, prompt_len, embedding]."""

    def __init__(self, engine, emotion, seeds, train, dev, recipe):
        self.length = len(train[0])
        if len(train) != len(seeds) or any(len(examples) != self.length for examples in train):
            raise ValueError(f"{len(seeds)} seeds and {[len(examples) for examples in train]} examples")
        if len(dev) != len(seeds):
            raise ValueError(f"{len(seeds)} seeds and {len(dev)} dev sets")
        self.engine, self.emotion, self.seeds, self.train, self.dev, self.recipe = (
            engine,
            emotion,
            seeds,
            train,
            dev,
            recipe,
        )
        self.labels = [torch.from_numpy(examples.labels).to(engine.device) for examples in train]
        make = INITS[recipe.prompt_init]
        made = [make(engine.backbone, recipe.prompt_len, _generator(INIT, emotion, seed)) for seed in seeds]
        self.prompts = torch.stack(made).to(engine.device)
        self.optimiser = AdamW(self.prompts, recipe.weight_decay, recipe.correct_bias)
        self.steps = recipe.steps(self.length)
        self.batches = _batches(
            [_generator(ORDER, emotion, seed) for seed in seeds], self.length, recipe.batch
        )
        self.epoch, self.seen, self.losses, self.best, self.curve, self.failed = 1, 0, [], {}, [], {}

    def alive(self):
        """Places of the seeds that go on."""
        return [place for place, seed in enumerate(self.seeds) if seed not in self.failed]

    def goes_on(self):
        """Whether there are steps left, and seeds to take them."""
        return self.optimiser.steps < self.steps and len(self.failed) < len(self.seeds)

    def draw(self):
        """Draw the next batch of every seed that goes on: (places of the seeds, texts, labels), each [rows]."""
        alive, chosen = self.alive(), next(self.batches)
        owners = np.repeat(alive, len(chosen[0]))
        texts = [self.train[place].texts[i] for place in alive for i in chosen[place]]
        return owners, texts, torch.cat([self.labels[place][chosen[place]] for place in alive])

    def take(self, gradient, losses):
        """Take the optimiser's step: gradient [seeds, prompt_len, embedding] and losses [rows] of the last batch."""
        alive, done = self.alive(), self.optimiser.steps / self.steps
        lr = self.recipe.lr * SCHEDULES[self.recipe.schedule](done)
        self.seen += len(losses) // len(alive)
        losses = losses.view(len(alive), -1).mean(dim=1)
        self.optimiser.step(gradient, lr)
        for place in np.array(alive)[~losses.isfinite().cpu().numpy()]:
            self.failed[self.seeds[place]] = (
                f"{self.emotion}, seed {self.seeds[place]}: the loss is not a finite number at step {self.optimiser.steps} "
                f"of {self.steps}; a learning rate below training.lr {self.recipe.lr:g} may help"
            )
        self.losses.append(np.full(len(self.seeds), np.nan))
        self.losses[-1][alive] = losses.cpu().numpy()

    def look(self):
        """At the end of an epoch evaluate each prompt on dev, and keep its best; elsewhere do nothing."""
        if self.optimiser.steps < round(self.steps * self.epoch / self.recipe.epochs):
            return
        losses, self.losses = np.mean(self.losses, axis=0), []
        for place in self.alive():
            seed, prompt = self.seeds[place], self.prompts[place].clone()
            try:
                correct = evaluate(self.engine, prompt[None], None, self.dev[place], self.recipe.eval_rows)
            except NotFiniteError as error:
                self.failed[seed] = f"{self.emotion}, seed {seed}, on dev after epoch {self.epoch}: {error}"
                continue
            accuracy = float(overall(correct)[0])
            self.curve.append((self.emotion, seed, self.epoch, self.seen, losses[place], accuracy))
            if seed not in self.best or accuracy > self.best[seed][0]:
                self.best[seed] = accuracy, self.epoch, prompt.cpu()
        self.epoch += 1

    def tuned(self):
        """What was found so far."""
        self.curve.sort(key=lambda row: self.seeds.index(row[1]))
        kept = tuple(seed for seed in self.seeds if seed not in self.failed)
        return Tuned(
            seeds=kept,
            prompts=torch.stack([self.best[seed][2] for seed in kept]) if kept else self.prompts[:0].cpu(),
            best_epoch=np.array([self.best[seed][1] for seed in kept], dtype=np.int64),
            accuracies=np.array([self.best[seed][0] for seed in kept]),
            curve=pd.DataFrame(self.curve, columns=CURVE),
            failed=self.failed,
        )


def _batches(orders, length, size):
    """For ever: [seeds] arrays of examples' places, each seed in an order of its own, new after every pass through them all."""
    while True:
        shuffled = [order.permutation(length) for order in orders]
        for start in range(0, length, size):
            yield [own[start : start + size] for own in shuffled]


@contextmanager
def _random(engine, emotion, seed):
    """torch's own random numbers, which dropout takes, seeded inside and as before outside."""
    with torch.random.fork_rng([engine.device] if engine.device.type == "cuda" else []):
        torch.manual_seed(int(_generator(DROPOUT, emotion, seed).integers(2**62)))
        yield


def _generator(stream, emotion, seed):
    return np.random.default_rng([stream, seed, *emotion.encode()])
