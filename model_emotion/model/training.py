"""The prompts of one emotion during training: recipe, first values, batches, and the epoch that is kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from model_emotion.base.errors import UserError
from model_emotion.model.backbone import Backbone
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import NotFiniteError, evaluate, overall
from model_emotion.model.optimiser import SCHEDULES, AdamW, clipped
from model_emotion.model.tasks import Examples

INIT, ORDER, DROPOUT = range(3)
"""The purposes of a stream of random numbers."""
INIT_SD = 0.02
KEEPS = ("best", "last")
CURVE = ["emotion", "seed", "epoch", "examples", "train_loss", "dev_accuracy"]
"""The columns of a learning curve."""


def _normal(backbone: Backbone, prompt_len: int, generator: np.random.Generator) -> torch.Tensor:
    values = generator.normal(0, INIT_SD, (prompt_len, backbone.embedding_width))
    return torch.from_numpy(values.astype(np.float32))


def _mask(backbone: Backbone, prompt_len: int, generator: np.random.Generator) -> torch.Tensor:
    mask_token = backbone.words.weight[backbone.tokenizer.mask_token_id]
    return mask_token.detach().float().cpu().repeat(prompt_len, 1)


INITS: dict[str, Callable[[Backbone, int, np.random.Generator], torch.Tensor]] = {
    "normal": _normal,
    "mask": _mask,
}
"""The values of `protocol.prompt_init`: functions that make float32 [prompt_len, embedding] first values."""


@dataclass(frozen=True)
class Recipe:
    """How prompts are trained; the defaults follow the study's code and readme.

    examples: about how many examples a prompt sees in all, whatever the size of its task. The epochs then are
    equal parts of these, each with an evaluation on dev. None: an epoch is one pass through all examples.
    batch: examples per seed in a step.
    correct_bias: AdamW's bias correction, which the study left out.
    epsilon: AdamW's, added to the root of the second moment.
    max_grad_norm: the largest Euclidean norm of a prompt's gradient; a longer one is scaled down. 0: any.
    keep: `best` keeps the prompt after its best epoch on dev, `last` the one after the last epoch.
    prompt_init: `normal`, N(0, .02), as in the study, or `mask`, copies of the embedding of `<mask>`, as the
    comments in its code say.
    dropout: apply the backbone's own dropout during training.
    eval_rows: rows of a batch on dev; changes speed only.
    Raises UserError for an unknown `schedule`, `keep` or `prompt_init`.
    """

    prompt_len: int = 100
    epochs: int = 2
    examples: int | None = None
    batch: int = 16
    lr: float = 2e-3
    weight_decay: float = 0.01
    correct_bias: bool = False
    epsilon: float = 1e-6
    max_grad_norm: float = 0.0
    keep: str = "best"
    schedule: str = "constant"
    prompt_init: str = "normal"
    dropout: bool = True
    eval_rows: int = 32

    def __post_init__(self) -> None:
        for key, value, known in (
            ("training.schedule", self.schedule, SCHEDULES),
            ("training.keep", self.keep, KEEPS),
            ("protocol.prompt_init", self.prompt_init, INITS),
        ):
            if value not in known:
                raise UserError(f"{key}: {value!r} is not one of {', '.join(known)}")

    def steps(self, length: int) -> int:
        """Return the number of steps on a task of `length` examples; at least one per epoch."""
        one_pass = -(-length // self.batch)
        if self.examples is None:
            return self.epochs * one_pass
        return max(self.epochs, -(-self.examples * one_pass // length))

    def sees(self, length: int) -> int:
        """Return about how many examples a prompt sees on a task of `length` examples."""
        return self.epochs * length if self.examples is None else self.examples


@dataclass(frozen=True, eq=False)
class Tuned:
    """The prompts of an emotion, each after its best epoch on dev; among equally good epochs, the earliest.

    If the recipe keeps the last prompt, the last epoch takes the place of the best one.
    seeds: those that were trained to the end. prompts: float32 [seeds, prompt_len, embedding], on the CPU.
    best_epoch: int64 [seeds], from 1. accuracies: float64 [seeds], overall on dev after that epoch.
    curve: table with columns CURVE, a row per seed and finished epoch; `examples` counts those seen so far.
    failed: a sentence per seed that was stopped, which says why.
    """

    seeds: tuple[int, ...]
    prompts: torch.Tensor
    best_epoch: np.ndarray
    accuracies: np.ndarray
    curve: pd.DataFrame
    failed: dict[int, str]


@dataclass(frozen=True, eq=False)
class Kept:
    """A seed's prompt after the epoch that is kept so far: [prompt_len, embedding], on the CPU."""

    accuracy: float
    epoch: int
    prompt: torch.Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """The next examples of all active seeds of an emotion, seed by seed.

    owners: [rows] place of each row's seed. texts: token ids of each row. labels: int64 [rows].
    """

    owners: np.ndarray
    texts: list[list[int]]
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.texts)


class Training:
    """The prompts [seeds, prompt_len, embedding] of an emotion while they are trained."""

    def __init__(
        self,
        engine: Engine,
        emotion: str,
        seeds: Sequence[int],
        train: Sequence[Examples],
        dev: Sequence[Examples],
        recipe: Recipe,
    ):
        length = len(train[0])
        if len(train) != len(seeds) or any(len(examples) != length for examples in train):
            raise ValueError(f"{len(seeds)} seeds and {[len(examples) for examples in train]} examples")
        if len(dev) != len(seeds):
            raise ValueError(f"{len(seeds)} seeds and {len(dev)} dev sets")
        self.engine, self.emotion, self.seeds, self.recipe = engine, emotion, tuple(seeds), recipe
        self.train, self.dev = train, dev
        self.labels = [torch.from_numpy(examples.labels).to(engine.device) for examples in train]
        make = INITS[recipe.prompt_init]
        made = [
            make(engine.backbone, recipe.prompt_len, random_numbers(INIT, emotion, seed)) for seed in seeds
        ]
        self.prompts = torch.stack(made).to(engine.device)
        self.optimiser = AdamW(self.prompts, recipe.weight_decay, recipe.correct_bias, recipe.epsilon)
        self.steps = recipe.steps(length)
        orders = [random_numbers(ORDER, emotion, seed) for seed in seeds]
        self.batches = _batches(orders, length, recipe.batch)
        self.epoch, self.seen = 1, 0
        self.losses: list[np.ndarray] = []
        self.kept: dict[int, Kept] = {}
        self.curve: list[tuple] = []
        self.failed: dict[int, str] = {}

    def active(self) -> list[int]:
        """Return the places of the seeds that have not failed."""
        return [place for place, seed in enumerate(self.seeds) if seed not in self.failed]

    def unfinished(self) -> bool:
        """Return whether there are steps left, and seeds to take them."""
        return self.optimiser.steps < self.steps and len(self.failed) < len(self.seeds)

    def next_batch(self) -> Batch:
        """Draw the next examples of every active seed."""
        active, chosen = self.active(), next(self.batches)
        owners = np.repeat(active, len(chosen[0]))
        texts = [self.train[place].texts[i] for place in active for i in chosen[place]]
        return Batch(owners, texts, torch.cat([self.labels[place][chosen[place]] for place in active]))

    def step(self, gradient: torch.Tensor, losses: torch.Tensor) -> None:
        """Take a step. gradient [seeds, prompt_len, embedding] and losses [rows] are of the last batch."""
        active, done = self.active(), self.optimiser.steps / self.steps
        lr = self.recipe.lr * SCHEDULES[self.recipe.schedule](done)
        self.seen += len(losses) // len(active)
        losses = losses.view(len(active), -1).mean(dim=1)
        self.optimiser.step(clipped(gradient, self.recipe.max_grad_norm), lr)
        for place in np.array(active)[~losses.isfinite().cpu().numpy()]:
            self.failed[self.seeds[place]] = (
                f"{self.emotion}, seed {self.seeds[place]}: the loss is not a finite number at step "
                f"{self.optimiser.steps} of {self.steps}; a learning rate below training.lr "
                f"{self.recipe.lr:g} may help"
            )
        self.losses.append(np.full(len(self.seeds), np.nan))
        self.losses[-1][active] = losses.cpu().numpy()

    def end_epoch(self) -> None:
        """If the last step ended an epoch, evaluate each prompt on dev and keep what the recipe keeps."""
        if self.optimiser.steps < round(self.steps * self.epoch / self.recipe.epochs):
            return
        losses, self.losses = np.mean(self.losses, axis=0), []
        for place in self.active():
            seed, prompt = self.seeds[place], self.prompts[place].clone()
            try:
                correct = evaluate(self.engine, prompt[None], None, self.dev[place], self.recipe.eval_rows)
            except NotFiniteError as error:
                self.failed[seed] = f"{self.emotion}, seed {seed}, on dev after epoch {self.epoch}: {error}"
                continue
            accuracy = float(overall(correct)[0])
            self.curve.append((self.emotion, seed, self.epoch, self.seen, losses[place], accuracy))
            before = self.kept.get(seed)
            if before is None or self.recipe.keep == "last" or accuracy > before.accuracy:
                self.kept[seed] = Kept(accuracy, self.epoch, prompt.cpu())
        self.epoch += 1

    def tuned(self) -> Tuned:
        """Return the prompts that are kept so far."""
        self.curve.sort(key=lambda row: self.seeds.index(row[1]))
        seeds = tuple(seed for seed in self.seeds if seed not in self.failed)
        kept = [self.kept[seed] for seed in seeds]
        return Tuned(
            seeds=seeds,
            prompts=torch.stack([own.prompt for own in kept]) if kept else self.prompts[:0].cpu(),
            best_epoch=np.array([own.epoch for own in kept], dtype=np.int64),
            accuracies=np.array([own.accuracy for own in kept]),
            curve=pd.DataFrame(self.curve, columns=CURVE),
            failed=self.failed,
        )


def _batches(orders: list[np.random.Generator], length: int, size: int) -> Iterator[list[np.ndarray]]:
    """Yield without end, for each seed, the numbers of its next examples: a new random order in each pass."""
    while True:
        shuffled = [order.permutation(length) for order in orders]
        for start in range(0, length, size):
            yield [own[start : start + size] for own in shuffled]


def random_numbers(stream: int, emotion: str, seed: int) -> np.random.Generator:
    """Return the random numbers of a stream, emotion and seed, whatever else is trained."""
    return np.random.default_rng([stream, seed, *emotion.encode()])
