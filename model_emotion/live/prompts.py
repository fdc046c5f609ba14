"""Train the soft prompts of the run `live`, a file results/live/prompts/EMOTION.safetensors per emotion.

Emotions are trained in groups, side by side. The groups depend on params.yaml alone, so that prompts depend
neither on what is finished already nor on the number of processes. A finished emotion is not trained again.
If a loss is not finite, that emotion is left out, the others go on, and the stage fails at its end.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd

from model_emotion.base.errors import UserError
from model_emotion.base.files import write_csv
from model_emotion.base.results import MEASURED, folder
from model_emotion.live.cache import Cache
from model_emotion.live.countdown import Countdown
from model_emotion.live.executor import map_emotions
from model_emotion.live.fingerprint import fingerprint
from model_emotion.live.rehearsal import rehearse
from model_emotion.live.session import (
    PROMPTS,
    input_files,
    load_corpus,
    load_engine,
    make_deterministic,
    worker_count,
)
from model_emotion.model.tasks import Examples
from model_emotion.model.training import CURVE, Recipe, Tuned
from model_emotion.model.tuning import groups, tune_together
from model_emotion.params import Params
from model_emotion.project.environment import record_measurement

CURVES = folder(MEASURED) / "learning_curves"
USED: dict[str, Any] = {
    "backbone": True, "seeds": True, "training": True,
    "protocol": {"negatives", "positions", "prompt_init", "max_length"},
}  # fmt: skip
"""The parameters that a prompt depends on."""


def recipe_of(params: Params) -> Recipe:
    """Return how a prompt is trained."""
    training = params.training.model_dump(exclude={"dev_examples"})
    return Recipe(**training, prompt_init=params.protocol.prompt_init)


def groups_of(params: Params) -> dict[str, tuple[str, ...]]:
    """Return the groups of emotions that are trained side by side, such as {"joy+fear": ("joy", "fear")}."""
    found = groups(params.emotions, len(params.seeds) * params.training.batch)
    return {"+".join(emotions): emotions for emotions in found}


def make_trainer(params: Params) -> Callable[[str], dict[str, tuple[Tuned, float]]]:
    """Return the function that maps a group's name to {emotion: (trained prompts, positive share of dev)}."""
    protocol, training, recipe = params.protocol, params.training, recipe_of(params)
    engine = load_engine(params.backbone, protocol.positions)
    corpus, named = load_corpus(engine, recipe.prompt_len, protocol.max_length), groups_of(params)

    def examples(emotion: str, split: str, at_most: int | None) -> list[Examples]:
        tasks = [corpus.task(emotion, split, seed, protocol.negatives, at_most) for seed in params.seeds]
        return [corpus.examples(task, split) for task in tasks]

    def train(name: str) -> dict[str, tuple[Tuned, float]]:
        tasks = {
            emotion: (examples(emotion, "train", None), examples(emotion, "dev", training.dev_examples))
            for emotion in named[name]
        }
        tuned = tune_together(engine, tasks, params.seeds, recipe)
        return {emotion: (tuned[emotion], dev[0].labels.mean()) for emotion, (_, dev) in tasks.items()}

    return train


def count_examples(params: Params, emotions: Iterable[str]) -> dict[str, int]:
    """Return how many examples each seed of an emotion sees in training; keep tokens for the workers.

    Raises UserError for anything that cannot be measured, before any work starts.
    """
    recipe, protocol = recipe_of(params), params.protocol
    engine = load_engine(params.backbone, protocol.positions, warn=True)
    corpus, first = load_corpus(engine, recipe.prompt_len, protocol.max_length), params.seeds[0]
    corpus.texts("train"), corpus.texts("dev")
    for emotion in emotions:
        for split in {"dev": None, protocol.split: None}:
            corpus.task(emotion, split, first, protocol.negatives)
    rehearse(engine, corpus, params)
    return {
        emotion: recipe.sees(len(corpus.task(emotion, "train", first, protocol.negatives)))
        for emotion in emotions
    }


def fingerprints(params: Params) -> dict[str, str]:
    """Return the fingerprint of each emotion's prompts, which those of its group share."""
    settings, files = params.model_dump(include=USED), input_files(params.backbone)
    of_group = {
        emotions: fingerprint([settings, emotions], files, "live.prompts")
        for emotions in groups_of(params).values()
    }
    return {emotion: mark for emotions, mark in of_group.items() for emotion in emotions}


def train_prompts(params: Params) -> Cache:
    """Train the prompts that are missing and return all. Raises UserError if a loss was not finite."""
    start, cache = perf_counter(), Cache(PROMPTS, fingerprints(params))
    if missing := cache.missing():
        failed = _train_missing(params, cache, missing)
        if failed:
            raise UserError("; ".join(sorted(failed)))
        made = {emotion: cache.fingerprints[emotion] for emotion in missing}
        record_measurement("prompts", params, make_deterministic(), perf_counter() - start, made)
    cache.remove_others()
    return cache


def _train_missing(params: Params, cache: Cache, missing: list[str]) -> list[str]:
    """Train the groups of missing emotions, write their prompts, and return a sentence for each failure."""
    failed: list[str] = []
    todo = [name for name, emotions in groups_of(params).items() if set(emotions) & set(missing)]
    with Countdown("prompts", count_examples(params, missing), len(params.emotions)) as countdown:
        for emotion, tuned, positive in _trained(params, todo):
            if emotion not in missing:
                continue
            failed += tuned.failed.values()
            if not tuned.failed:
                about = {"emotion": emotion, "seeds": params.seeds, "best_epoch": tuned.best_epoch.tolist()}
                about |= {"curve": tuned.curve.to_numpy().tolist()}
                cache.write(emotion, {"prompts": tuned.prompts.numpy()}, about)
                majority = max(positive, 1 - positive)
                accuracy = tuned.accuracies.mean()
                result = f"accuracy {accuracy:.3f} on dev (majority class {majority:.3f})"
                countdown.finish(emotion, result)
    return failed


def _trained(params: Params, todo: list[str]) -> Iterator[tuple[str, Tuned, float]]:
    """Yield (emotion, trained prompts, share of positives in dev) as groups are done."""
    workers = worker_count(params.executor, len(todo))
    for _, group in map_emotions(make_trainer, params, todo, workers, input_files(params.backbone)):
        yield from ((emotion, tuned, positive) for emotion, (tuned, positive) in group.items())


def write_learning_curves(params: Params, cache: Cache) -> None:
    """Write results/live/learning_curves/SEED.csv: the mean over emotions, and dev accuracy per emotion."""
    rows = [row for emotion in params.emotions for row in cache.read(emotion)[1]["curve"]]
    written: set[Path] = set()
    for seed, curve in pd.DataFrame(rows, columns=CURVE).groupby("seed"):
        mean = curve.groupby("epoch")[["train_loss", "dev_accuracy"]].mean()
        each = curve.pivot(index="epoch", columns="emotion", values="dev_accuracy")[params.emotions]
        written.add(path := CURVES / f"{seed}.csv")
        write_csv(mean.join(each).reset_index(), path)
    for path in set(CURVES.iterdir()) - written:
        path.unlink()
