"""Prompt tuning: prompts of several emotions and all seeds, trained side by side through one frozen model.

A step is one forward and one backward pass for a batch of every prompt. The sum of the prompts' losses gives
each prompt the gradient of its own loss, and the optimiser works number by number. So each prompt is the one
that training alone would give (without dropout), up to rounding. A prompt's first values and the order of
its examples depend on its emotion and seed only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from model_emotion.model.blocks import MaskedWeights
from model_emotion.model.engine import Engine
from model_emotion.model.tasks import Examples
from model_emotion.model.training import DROPOUT, Recipe, Training, Tuned, random_numbers

AT_ONCE = {"cpu": 1024, "cuda": 2**16}
"""About how many positions of rows go through a model at once."""

SIDE_BY_SIDE = 16
"""Emotions are trained side by side up to this many rows per step.

More rows are no faster, and fewer groups leave cores idle.
"""


def groups(emotions: Sequence[str], rows: int) -> list[tuple[str, ...]]:
    """Split emotions into groups that are trained side by side.

    rows: the rows of one emotion's step, which are its seeds times the batch. A group has at most
    SIDE_BY_SIDE rows, or a single emotion. The number of groups is 2, 4, 8 or another power of two, so that
    processes get equal shares; with fewer emotions than that, each is a group. The groups depend on the
    arguments alone, and emotions are dealt out in turn: appending an emotion changes one group, unless their
    number changes.
    """
    count = 2
    while count < len(emotions) and -(-len(emotions) // count) * rows > SIDE_BY_SIDE:
        count *= 2
    return [tuple(emotions[first::count]) for first in range(min(count, len(emotions)))]


def tune(
    engine: Engine,
    emotion: str,
    seeds: Sequence[int],
    train: Sequence[Examples],
    dev: Sequence[Examples],
    recipe: Recipe | None = None,
    progress: Callable[[int], object] | None = None,
) -> Tuned:
    """Train the prompts of one emotion. train, dev: the Examples of each seed. See `tune_together`."""
    return tune_together(engine, {emotion: (train, dev)}, seeds, recipe, progress)[emotion]


def tune_together(
    engine: Engine,
    tasks: Mapping[str, tuple[Sequence[Examples], Sequence[Examples]]],
    seeds: Sequence[int],
    recipe: Recipe | None = None,
    progress: Callable[[int], object] | None = None,
) -> dict[str, Tuned]:
    """Train the prompts of several emotions side by side. Return them by emotion.

    tasks: (train, dev) of each emotion, each a list of Examples, one for each seed. The seeds of an emotion
    need equally many examples in train; emotions may differ, and one that has taken its last step leaves the
    batch.
    progress: called after each step with the number of examples it took. A seed whose loss, or a logit on
    dev, is not finite is stopped and named in `failed`; the others go on. With dropout the whole group
    shares one stream of random numbers, so that prompts then depend on the group.
    """
    recipe, model = recipe or Recipe(), engine.backbone.model
    trainings = [Training(engine, emotion, seeds, *examples, recipe) for emotion, examples in tasks.items()]
    # The forward pass without padding has no dropout.
    weights = engine.masked_weights() if engine.can_share and not recipe.dropout else None
    with _seeded_dropout(engine, trainings[0].emotion, seeds[0]):
        while unfinished := [training for training in trainings if training.unfinished()]:
            model.train(recipe.dropout)
            try:
                examples = _step(engine, unfinished, recipe.prompt_len, weights)
            finally:
                model.eval()
            if progress:
                progress(examples)
            for training in unfinished:
                training.end_epoch()
    return {training.emotion: training.tuned() for training in trainings}


def _step(
    engine: Engine, trainings: Sequence[Training], prompt_len: int, weights: MaskedWeights | None = None
) -> int:
    """Take one step of each training and return the number of examples that it took.

    weights: the model's own as `engine.masked_weights()`, to compute without padding; None: with padding.
    """
    batches = [training.next_batch() for training in trainings]
    sizes = [len(training.prompts) for training in trainings]
    firsts = np.cumsum([0, *sizes[:-1]])  # where each training's prompts start in `prompts`
    owners = np.concatenate([first + batch.owners for first, batch in zip(firsts, batches, strict=True)])
    texts = [text for batch in batches for text in batch.texts]
    labels = torch.cat([batch.labels for batch in batches])
    shares = torch.cat([  # of a row in the mean loss of its seed
        torch.full_like(batch.labels, len(training.active()) / len(batch), dtype=torch.float32)
        for training, batch in zip(trainings, batches, strict=True)
    ])  # fmt: skip
    prompts = torch.cat([training.prompts for training in trainings]).requires_grad_()
    gradient, losses = torch.zeros_like(prompts), torch.empty_like(shares)
    for rows in _parts(texts, prompt_len, AT_ONCE[engine.device.type]):
        own, some = prompts[owners[rows]], [texts[row] for row in rows]
        if weights is not None:
            logits = engine.masked_logits(engine.shared_part(own, some), weights)
        else:
            logits = engine.logits(own, None, *engine.pad(some))
        found = cross_entropy(logits, labels[rows], reduction="none")
        with engine.computing():
            gradient += torch.autograd.grad((found * shares[rows]).sum(), prompts)[0]
        losses[rows] = found.detach()
    gradients, each_loss = gradient.split(sizes), losses.split([len(batch) for batch in batches])
    for training, one, loss in zip(trainings, gradients, each_loss, strict=True):
        training.step(one, loss)
    return len(texts)


def _parts(texts: Sequence[Sequence[int]], prompt_len: int, at_once: int) -> list[np.ndarray]:
    """Split the rows of these texts into parts that go through the model at once.

    Rows of similar length share a part, so that there is little padding. A part has about `at_once`
    positions, to save memory.
    """
    order = np.argsort([len(text) for text in texts], kind="stable")
    rows = max(1, at_once // (1 + prompt_len + len(texts[order[-1]])))
    return np.array_split(order, -(-len(order) // rows))


@contextmanager
def _seeded_dropout(engine: Engine, emotion: str, seed: int) -> Iterator[None]:
    """Seed torch's own random numbers, which dropout uses, and restore their state afterwards."""
    with torch.random.fork_rng([engine.device] if engine.device.type == "cuda" else []):
        torch.manual_seed(int(random_numbers(DROPOUT, emotion, seed).integers(2**62)))
        yield
