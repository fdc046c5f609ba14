"""The authors' released measurements, read into the tables of a run.

There are three kinds of file: activations, a CSV per emotion and seed; accuracies without masks, one CSV;
accuracies with masks, a JSON per emotion, seed and kind of mask. What the study calls activations "before
ReLU" is GELU's output.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base import study
from model_emotion.base.errors import InputError
from model_emotion.base.files import read_csv
from model_emotion.base.results import ACCURACY, MASKED_ACCURACY

BACKBONE = "FacebookAI/roberta-base"


def read_neurons(path: Path, neurons: int = study.LAYERS * study.WIDTH) -> np.ndarray:
    """Read one file of activations (a header and one row) as float64 [neurons]. Raises InputError."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if len(lines) != 2:
        raise InputError(f"{path}: must have a header and one row, but has {len(lines)} lines")
    try:
        values = np.array(lines[1].split(","), dtype=float)
    except ValueError:
        raise InputError(f"{path}: a value is not a number") from None
    if len(values) != neurons:
        raise InputError(f"{path}: {len(values):,} values, not {neurons:,}")
    if not np.isfinite(values).all():
        raise InputError(f"{path}: value {np.flatnonzero(~np.isfinite(values))[0] + 1:,} is not finite")
    return values


def _check_accuracy(value: object, path: Path, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError(f"{path}: {key} is not an accuracy between 0 and 1")
    return float(value)


def read_accuracy(path: Path, emotions: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """Read the accuracies without masks as accuracy.csv, in the order of `emotions` and `seeds`."""
    try:
        table = read_csv(path)
    except ValueError as error:  # pandas' own errors and a wrong encoding are of this kind
        raise InputError(f"{path}: not a table ({' '.join(str(error).split())})") from None
    missing = {"sentiment", "random_seed", "accuracy"} - set(table.columns)
    if missing:
        raise InputError(f"{path}: no column {sorted(missing)[0]}")
    if table.duplicated(["sentiment", "random_seed"]).any():
        raise InputError(f"{path}: an emotion and seed is listed twice")
    accuracy = table.set_index(["sentiment", "random_seed"])["accuracy"].to_dict()
    rows = []
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
    """Yield (attribute, k, accuracy) of one JSON with masked accuracies. kind: `attribute` or `random`."""
    word = {"attribute": "top", "random": "random"}[kind]
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    if not isinstance(values, dict) or (values.get("sentiment"), values.get("seed")) != (emotion, seed):
        raise InputError(f"{path}: is not of {emotion}, seed {seed}")
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
    """Read all JSON files as masked_accuracy.csv.

    path_of: returns the file of (kind, emotion, seed). top_k: {kind: sizes}. The study drew one random mask
    for each attribute and size.
    """
    rows = []
    for kind, draw in (("attribute", None), ("random", 1)):
        for emotion in emotions:
            for seed in seeds:
                path = path_of(kind, emotion, seed)
                for attribute, k, accuracy in read_masked(path, emotion, seed, kind, top_k[kind]):
                    rows.append((emotion, seed, attribute, kind, draw, k, accuracy, None))
    return pd.DataFrame(rows, columns=MASKED_ACCURACY).astype({"draw": "Int64"})
