"""Read the measurements that the study's authors released into the tables of a run.

Activations are in a CSV file for each emotion and seed, unmasked accuracies in one CSV file, and masked
accuracies in a JSON file for each emotion, seed and kind of mask. The study calls the activations "before
ReLU", but they are outputs of GELU.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from model_emotion.base import study
from model_emotion.base.errors import InputError
from model_emotion.base.files import read_csv
from model_emotion.base.results import ACCURACY, MASKED_ACCURACY

BACKBONE = "FacebookAI/roberta-base"
MEASURED = "Data/raw_data/PLM/prompt_tuning_RoBERTa"
UNMASKED = f"{MEASURED}/accuracy.csv"
"""Paths in the authors' repository: the folder of activations, and the unmasked accuracies."""
KINDS = {"attribute": ("RSA_tau_14property", "top"), "random": ("random", "random")}
"""{kind of mask: its folder, and the word in its masks' names}"""


def activations_path(emotion: str, seed: int) -> str:
    """Return the path of the activations of an emotion and seed in the authors' repository."""
    return f"{MEASURED}/neurons_activation_before_relu/{emotion}-{seed}.csv"


def masked_path(kind: str, emotion: str, seed: int) -> str:
    """Return the path of the accuracies under one kind of masks in the authors' repository."""
    return f"Result/masking/RoBERTa/{KINDS[kind][0]}/Acc_perSeed_JSON/{emotion}-{seed}.json"


def count_neurons(path: Path) -> int:
    """Return the number of columns of a file of activations, by its header."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().count(",") + 1


def read_neurons(path: Path, neurons: int = study.LAYERS * study.WIDTH) -> np.ndarray:
    """Return the activations float64 [neurons] of one file, which has a header and one row.

    Raises InputError if the file does not hold that many finite numbers.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if len(lines) != 2:
        raise InputError(f"{path}: must have 2 lines (a header and one row), not {len(lines)} lines")
    try:
        values = np.array(lines[1].split(","), dtype=float)
    except ValueError:
        raise InputError(f"{path}: a value is not a number") from None
    if len(values) != neurons:
        raise InputError(f"{path}: must have {neurons:,} values, not {len(values):,}")
    if not np.isfinite(values).all():
        raise InputError(f"{path}: value {np.flatnonzero(~np.isfinite(values))[0] + 1:,} is not finite")
    return values


def _check_accuracy(value: Any, path: Path, key: str) -> float:
    """Return an accuracy as a float. Raises InputError if it is not a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError(f"{path}: {key} is not an accuracy between 0 and 1")
    return float(value)


def read_accuracy(path: Path, emotions: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """Return the unmasked accuracies as a run's accuracy table, in the order of `emotions` and `seeds`.

    Raises InputError if the file is no such table or lacks a row.
    """
    try:
        table = read_csv(path)
    except ValueError as error:  # pandas' own errors and a wrong encoding are ValueErrors
        raise InputError(f"{path}: cannot be read as a CSV table ({' '.join(str(error).split())})") from None
    missing = {"sentiment", "random_seed", "accuracy"} - set(table.columns)
    if missing:
        raise InputError(f"{path}: no column {sorted(missing)[0]}")
    if table.duplicated(["sentiment", "random_seed"]).any():
        raise InputError(f"{path}: an emotion and seed are listed twice")
    accuracy = table.set_index(["sentiment", "random_seed"])["accuracy"].to_dict()
    rows: list[tuple] = []
    for emotion in emotions:
        for seed in seeds:
            if (emotion, seed) not in accuracy:
                raise InputError(f"{path}: no row for {emotion}, seed {seed}")
            value = _check_accuracy(accuracy[emotion, seed], path, f"{emotion}, seed {seed}")
            rows.append((emotion, seed, value, None, None))
    return pd.DataFrame(rows, columns=ACCURACY)


def read_masked(
    path: Path, emotion: str, seed: int, kind: str, top_k: Sequence[int]
) -> Iterator[tuple[str, int, float]]:
    """Yield (attribute, k, accuracy) of every attribute and k from one JSON file of masked accuracies.

    kind: `attribute` or `random`. Raises InputError if the file is of another emotion or seed, or lacks a
    value.
    """
    word = {"attribute": "top", "random": "random"}[kind]
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    if not isinstance(values, dict) or (values.get("sentiment"), values.get("seed")) != (emotion, seed):
        raise InputError(f"{path}: its sentiment and seed are not {emotion}, seed {seed}")
    for name, attribute in study.MASK_NAMES.items():
        for k in top_k:
            key = f"{name}_{word}{k}"
            if key not in values:
                raise InputError(f"{path}: no key '{key}'")
            yield attribute, k, _check_accuracy(values[key], path, key)


def read_masked_accuracy(
    path_of: Callable[[str, str, int], Path],
    emotions: Sequence[str],
    seeds: Sequence[int],
    top_k: Mapping[str, Sequence[int]],
) -> pd.DataFrame:
    """Return all released masked accuracies as a run's table of masked accuracies.

    path_of: maps kind of mask, emotion and seed to a file. top_k: kind of mask -> sizes.
    The study drew one random mask for each attribute and size. Raises InputError as `read_masked` does.
    """
    rows: list[tuple] = []
    for kind, draw in (("attribute", None), ("random", 1)):
        for emotion in emotions:
            for seed in seeds:
                path = path_of(kind, emotion, seed)
                for attribute, k, accuracy in read_masked(path, emotion, seed, kind, top_k[kind]):
                    rows.append((emotion, seed, attribute, kind, draw, k, accuracy, None))
    return pd.DataFrame(rows, columns=MASKED_ACCURACY).astype({"draw": "Int64"})
