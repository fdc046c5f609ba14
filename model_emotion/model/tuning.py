"""Prompt tuning: the prompts of all seeds of an emotion, trained side by side through one frozen model.

A step is one forward and one backward pass for a batch of every seed. The sum of the seeds' losses gives each prompt the gradient
of its own loss, and the optimiser works number by number, so that a seed gets the prompt it would get alone (dropout off). What a
seed draws at random depends on the emotion and the seed only.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from model_emotion.cli import UserError
from model_emotion.model.evaluation import NotFiniteError, evaluate, overall

INIT, ORDER, DROPOUT = range(3)
"""What a stream of random numbers is for."""

AT_ONCE = {"cpu": 1024, "cuda": 2**16}
"""About how many positions of rows go through a model at once."""

INIT_SD = 0.02
CURVE = ["emotion", "seed", "epoch", "examples", "train_loss", "dev_accuracy"]
SCHEDULES = {"constant": lambda done: 1.0, "linear": lambda done: 1.0 - done}
"""Share of the learning rate, by the share of the steps that are done."""


def _normal(backbone, prompt_len, generator):
    return torch.from_numpy(generator.normal(0, INIT_SD, (prompt_len, backbone.embedding_width)).astype(np.float32))


def _mask(backbone, prompt_len, generator):
    embeddings = backbone.model.get_input_embeddings().weight
    return embeddings[backbone.tokenizer.mask_token_id].detach().float().cpu().repeat(prompt_len, 1)


INITS = {"normal": _normal, "mask": _mask}
"""What `protocol.prompt_init` can be."""


@dataclass(frozen=True)
class Recipe:
    """How prompts are trained; the defaults are the study's, as far as its code and readme say.

    batch: examples of a seed in a step. correct_bias: AdamW with its correction of the first steps, which the study left out. dropout:
    the backbone's own, on while training. prompt_init: `normal`, N(0, .02), most likely the study's, or `mask`, copies of the
    embedding of `<mask>`, which its comments tell of. examples: about how many a prompt sees in all, whatever the size of its task: then
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
        return max(self.epochs, self.epochs * a_pass if self.examples is None else -(-self.examples * a_pass // length))

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
        corrected = (1 - self.BETA2**self.steps) ** 0.5 / (1 - self.BETA1**self.steps) if self.correct_bias else 1.0
        self.values.addcdiv_(self.mean, self.square.sqrt().add_(self.EPS), value=-lr * corrected)
        self.values.mul_(1 - lr * self.weight_decay)


def tune(engine, emotion, seeds, train, dev, recipe=None, progress=None):
    """Tuned prompts of an emotion.

    train, dev: Examples of each seed; those of train are equally many. progress: called after each step with the number of
    examples it took. A seed whose loss, or a logit on dev, is not finite is stopped and named in `failed`; the others go on.
    """
    recipe, seeds = recipe or Recipe(), tuple(seeds)
    if len(dev) != len(seeds):
        raise ValueError(f"{len(seeds)} seeds and {len(dev)} dev sets")
    training = _Training(engine, emotion, seeds, train, recipe, progress)
    best, curve = {}, []
    with _random(engine, emotion, seeds[0]):
        for epoch in range(1, recipe.epochs + 1):
            losses = training.epoch(epoch)
            for place in training.alive():
                seed, prompt = seeds[place], training.prompts[place].clone()
                try:
                    accuracy = float(overall(evaluate(engine, prompt[None], None, dev[place], recipe.eval_rows))[0])
                except NotFiniteError as error:
                    training.failed[seed] = f"{emotion}, seed {seed}, on dev after epoch {epoch}: {error}"
                    continue
                curve.append((emotion, seed, epoch, training.seen, losses[place], accuracy))
                if seed not in best or accuracy > best[seed][0]:
                    best[seed] = accuracy, epoch, prompt.cpu()
    curve.sort(key=lambda row: seeds.index(row[1]))
    kept = tuple(seed for seed in seeds if seed not in training.failed)
    return Tuned(
        seeds=kept,
        prompts=torch.stack([best[seed][2] for seed in kept]) if kept else training.prompts[:0].cpu(),
        best_epoch=np.array([best[seed][1] for seed in kept], dtype=np.int64),
        accuracies=np.array([best[seed][0] for seed in kept]),
        curve=pd.DataFrame(curve, columns=CURVE),
        failed=training.failed,
    )


class _Training:
    """Prompts on their way: [seeds, prompt_len, embedding]."""

    def __init__(self, engine, emotion, seeds, train, recipe, progress):
        self.length = len(train[0])
        if len(train) != len(seeds) or any(len(examples) != self.length for examples in train):
            raise ValueError(f"{len(seeds)} seeds and {[len(examples) for examples in train]} examples")
        self.engine, self.emotion, self.seeds, self.train, self.recipe = engine, emotion, seeds, train, recipe
        self.progress = progress or (lambda examples: None)
        self.labels = [torch.from_numpy(examples.labels).to(engine.device) for examples in train]
        make = INITS[recipe.prompt_init]
        made = [make(engine.backbone, recipe.prompt_len, _generator(INIT, emotion, seed)) for seed in seeds]
        self.prompts = torch.stack(made).to(engine.device)
        self.unmasked = engine.weights() if engine.shares and not recipe.dropout else None  # the way without padding has no dropout
        self.optimiser = AdamW(self.prompts, recipe.weight_decay, recipe.correct_bias)
        self.steps = recipe.steps(self.length)
        self.batches = _batches([_generator(ORDER, emotion, seed) for seed in seeds], self.length, recipe.batch)
        self.seen, self.failed = 0, {}

    def alive(self):
        """Places of the seeds that go on."""
        return [place for place, seed in enumerate(self.seeds) if seed not in self.failed]

    def epoch(self, number):
        """Train up to the end of that epoch; [seeds] means of its steps' losses, None where no seed goes on."""
        losses, last = [], round(self.steps * number / self.recipe.epochs)
        self.engine.backbone.model.train(self.recipe.dropout)
        try:
            while self.optimiser.steps < last and (alive := self.alive()):
                chosen = next(self.batches)
                losses.append(self._step(alive, [chosen[place] for place in alive]))
        finally:
            self.engine.backbone.model.eval()
        return np.mean(losses, axis=0) if losses else None

    def _step(self, alive, chosen):
        """One step with those examples of those seeds; [seeds] losses, NaN for the others."""
        lr = self.recipe.lr * SCHEDULES[self.recipe.schedule](self.optimiser.steps / self.steps)
        owners = np.repeat(alive, len(chosen[0]))
        texts = [self.train[owner].texts[i] for owner, i in zip(owners, np.concatenate(chosen), strict=True)]
        labels = torch.cat([self.labels[place][own] for place, own in zip(alive, chosen, strict=True)])
        prompts, gradient, wrong = (
            self.prompts.clone().requires_grad_(),
            torch.zeros_like(self.prompts),
            torch.empty_like(labels, dtype=torch.float32),
        )
        for rows in self._groups(texts):
            batch, some = prompts[owners[rows]], [texts[row] for row in rows]
            if self.unmasked is None:
                logits = self.engine.logits(batch, None, *self.engine.pad(some))
            else:
                logits = self.engine.finish(self.engine.start(batch, some), self.unmasked)
            found = cross_entropy(logits, labels[rows], reduction="none")
            with self.engine.computing():
                gradient += torch.autograd.grad(found.sum() / len(chosen[0]), prompts)[0]
            wrong[rows] = found.detach()
        losses = wrong.view(len(alive), -1).mean(dim=1)
        self.optimiser.step(gradient, lr)
        for place in np.array(alive)[~losses.isfinite().cpu().numpy()]:
            self.failed[self.seeds[place]] = (
                f"{self.emotion}, seed {self.seeds[place]}: the loss is not a finite number at step {self.optimiser.steps} "
                f"of {self.steps}; a learning rate below training.lr {self.recipe.lr:g} may help"
            )
        self.seen += len(chosen[0])
        self.progress(len(labels))
        found = np.full(len(self.seeds), np.nan)
        found[alive] = losses.cpu().numpy()
        return found

    def _groups(self, texts):
        """Rows of these texts, in parts that go through the model at once: by length, so that little is padded, and few, to save memory."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        rows = max(1, AT_ONCE[self.engine.device.type] // (1 + self.recipe.prompt_len + len(texts[order[-1]])))
        return np.array_split(order, -(-len(order) // rows))


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
