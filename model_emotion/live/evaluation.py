"""Ask the prompts of the run `live` about texts, alone and under every mask.

Every mask of a prompt meets the same examples. All answers of an emotion are kept in
results/live/correct/EMOTION.safetensors; a finished emotion is not evaluated again.
"""

from collections.abc import Callable
from itertools import islice
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch

from model_emotion.base.files import read_tensors
from model_emotion.base.results import ACCURACY, MASKED_ACCURACY, MEASURED, folder
from model_emotion.live.cache import Cache
from model_emotion.live.countdown import Countdown
from model_emotion.live.executor import map_emotions
from model_emotion.live.fingerprint import fingerprint
from model_emotion.live.session import (
    PROMPTS,
    input_files,
    load_corpus,
    load_engine,
    make_deterministic,
    worker_count,
)
from model_emotion.masking import mask_plan
from model_emotion.masking.masks import MaskName
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import ACCURACIES, MASKED_BATCH, UNMASKED_BATCH, evaluate
from model_emotion.model.tasks import Examples
from model_emotion.params import Params
from model_emotion.project.environment import record_measurement

OUT = folder(MEASURED) / "correct"
MASKS = folder(MEASURED) / "masks.safetensors"
AT_ONCE = 128
"""Masks in memory at a time."""
USED: dict[str, Any] = {
    "backbone": True, "seeds": True, "evaluation": True,
    "protocol": {"negatives", "positions", "split", "max_length"},
}  # fmt: skip
"""The parameters that answers depend on, besides prompts and masks."""


def answers(
    engine: Engine, prompt: torch.Tensor, examples: Examples, rows: int
) -> tuple[list[str], np.ndarray]:
    """Return the names of all masks, and uint8 [masks, examples]: 1 for a right answer under a mask.

    prompt: float32 [1, prompt_len, embedding].
    """
    todo, correct = mask_plan.all_masks(MEASURED), []
    names: list[str] = []
    while some := dict(islice(todo, AT_ONCE)):
        names += map(str, some)
        correct.append(
            evaluate(engine, prompt, torch.from_numpy(np.stack(list(some.values()))), examples, rows)
        )
    return names, np.concatenate(correct).astype(np.uint8)


def make_evaluator(params: Params) -> Callable[[str], tuple[dict[str, np.ndarray], list[str]]]:
    """Return the function that maps an emotion to its answers by name, and the names of the masks.

    `unmasked/SEED` [examples] and `masked/SEED` [masks, examples] are uint8, 1 for a right answer;
    `labels/SEED` [examples] are the labels of the unmasked ones.
    """
    protocol, caps = params.protocol, params.evaluation
    masked_seeds = mask_plan.read(MEASURED).evaluation_seeds(params.seeds)
    engine = load_engine(params.backbone, protocol.positions)
    corpus = load_corpus(engine, params.training.prompt_len, protocol.max_length)

    def examples(emotion: str, seed: int, at_most: int | None) -> Examples:
        task = corpus.task(emotion, protocol.split, seed, protocol.negatives, at_most)
        return corpus.examples(task, protocol.split)

    def answer(emotion: str) -> tuple[dict[str, np.ndarray], list[str]]:
        tensors: dict[str, np.ndarray] = {}
        names: list[str] = []
        prompts = torch.from_numpy(read_tensors(PROMPTS / f"{emotion}.safetensors")[0]["prompts"])
        for seed, prompt in zip(params.seeds, prompts, strict=True):
            alone = examples(emotion, seed, caps.unmasked_examples)
            tensors[f"labels/{seed}"] = alone.labels.astype(np.uint8)
            tensors[f"unmasked/{seed}"] = evaluate(engine, prompt[None], None, alone, caps.rows)[0].astype(
                np.uint8
            )
            if seed in masked_seeds:
                under = examples(emotion, seed, caps.examples)
                names, tensors[f"masked/{seed}"] = answers(engine, prompt[None], under, caps.rows)
        return tensors, names

    return answer


def evaluate_prompts(params: Params) -> Cache:
    """Evaluate the emotions that are missing and return the answers of all."""
    start, files = perf_counter(), [*input_files(params.backbone), MASKS, mask_plan.path(MEASURED)]
    settings = params.model_dump(include=USED)
    marks = {
        emotion: fingerprint(settings, [*files, PROMPTS / f"{emotion}.safetensors"], "live.evaluation")
        for emotion in params.emotions
    }
    cache = Cache(OUT, marks)
    if missing := cache.missing():
        files += (PROMPTS / f"{emotion}.safetensors" for emotion in missing)
        workers, split = worker_count(params.executor, len(missing)), params.protocol.split
        with Countdown("evaluation", dict.fromkeys(missing, 1), len(params.emotions)) as countdown:
            for emotion, (tensors, names) in map_emotions(make_evaluator, params, missing, workers, files):
                about = {"emotion": emotion, "seeds": params.seeds, "split": split, "masks": names}
                cache.write(emotion, tensors, about)
                right = np.mean([tensors[f"unmasked/{seed}"].mean() for seed in params.seeds])
                countdown.finish(emotion, f"accuracy {right:.3f} on {split} without a mask")
        made = {emotion: marks[emotion] for emotion in missing}
        record_measurement("evaluation", params, make_deterministic(), perf_counter() - start, made)
    cache.remove_others()
    return cache


def accuracies(params: Params, cache: Cache) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables accuracy.csv and masked_accuracy.csv of all answers."""
    accuracy, rows, masked_rows = ACCURACIES[params.protocol.accuracy], [], []
    masked_seeds = mask_plan.read(MEASURED).evaluation_seeds(params.seeds)
    for emotion in params.emotions:
        answered, about = cache.read(emotion)
        for seed in params.seeds:
            positive, unmasked = answered[f"labels/{seed}"].mean(), answered[f"unmasked/{seed}"]
            majority = max(positive, 1 - positive)
            rows.append((emotion, seed, accuracy(unmasked, UNMASKED_BATCH), majority, len(unmasked)))
        for seed in masked_seeds:
            masked = answered[f"masked/{seed}"]
            for text, value in zip(about["masks"], accuracy(masked, MASKED_BATCH), strict=True):
                row = {"emotion": emotion, "seed": seed, "accuracy": value, "n": masked.shape[1]}
                masked_rows.append(row | vars(MaskName.parse(text)))
    masked_table = pd.DataFrame(masked_rows)[MASKED_ACCURACY].astype({"draw": "Int64"})
    return pd.DataFrame(rows, columns=ACCURACY), masked_table
