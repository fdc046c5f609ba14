"""The authors' released measurements, read into the tables of a run.

Three kinds of file: activations, one CSV an emotion and seed; unmasked accuracies, one CSV; masked accuracies, one JSON an
emotion, seed and kind of mask. What the study calls activations "before ReLU" is the output of GELU.
"""

import json

import numpy as np
import pandas as pd

from model_emotion.base import study
from model_emotion.base.errors import InputError
from model_emotion.base.files import read_csv
from model_emotion.base.results import ACCURACY, MASKED_ACCURACY

BACKBONE = "FacebookAI/roberta-base"


def read_neurons(path, neurons=study.LAYERS * study.WIDTH):
    """One file of activations (a header, one row) -> [neurons] float64, the decimals as read."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if len(lines) != 2:
        raise InputError(f"{path}: a header and one row were expected, not {len(lines)} lines")
    try:
        values = np.array(lines[1].split(","), dtype=float)
    except ValueError:
        raise InputError(f"{path}: a value is not a number") from None
    if len(values) != neurons:
        raise InputError(f"{path}: {len(values):,} values, not {neurons:,}")
    if not np.isfinite(values).all():
        raise InputError(f"{path}: value {np.flatnonzero(~np.isfinite(values))[0] + 1:,} is not finite")
    return values


def _check_accuracy(value, path, key):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError(f"{path}: {key} is not an accuracy between 0 and 1")
    return float(value)


def read_accuracy(path, emotions, seeds):
    """The unmasked accuracies -> a run's accuracy table, in the order of `emotions` and `seeds`."""
    try:
        table = read_csv(path)
    except ValueError as error:  # pandas' own errors and a wrong encoding are of this kind
        raise InputError(f"{path}: not a table ({' '.join(str(error).split())})") from None
    missing = {"sentiment", "random_seed", "accuracy"} - set(table.columns)
    if missing:
        raise InputError(f"{path}: no column {sorted(missing)[0]}")
    if table.duplicated(["sentiment", "random_seed"]).any():
        raise InputError(f"{path}: an emotion and seed stands twice")
    accuracy = table.set_index(["sentiment", "random_seed"])["accuracy"].to_dict()
    rows = []
    for emotion in emotions:
        for seed in seeds:
            if (emotion, seed) not in accuracy:
                raise InputError(f"{path}: no row for {emotion}, seed {seed}")
            value = _check_accuracy(accuracy[emotion, seed], path, f"{emotion}, seed {seed}")
            rows.append((emotion, seed, value, None, None))
    return pd.DataFrame(rows, columns=ACCURACY)


def read_masked(path, emotion, seed, kind, top_k):
    """One JSON of masked accuracies -> (attribute, k, accuracy) for every attribute and k; kind is `attribute` or `random`."""
    word = {"attribute": "top", "random": "random"}[kind]
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    if not isinstance(values, dict) or (values.get("sentiment"), values.get("seed")) != (emotion, seed):
        raise InputError(f"{path}: does not belong to {emotion}, seed {seed}")
    for name, attribute in study.MASK_NAMES.items():
        for k in top_k:
            key = f"{name}_{word}{k}"
            if key not in values:
                raise InputError(f"{path}: no key '{key}'")
            yield attribute, k, _check_accuracy(values[key], path, key)


def read_masked_accuracy(path_of, emotions, seeds, top_k):
    """All JSON files -> a run's table of masked accuracies.

    path_of(kind, emotion, seed) -> path; top_k: {kind: sizes}. The study drew one random mask for each attribute and size.
    """
    rows = []
    for kind, draw in (("attribute", None), ("random", 1)):
        for emotion in emotions:
            for seed in seeds:
                for attribute, k, accuracy in read_masked(
                    path_of(kind, emotion, seed), emotion, seed, kind, top_k[kind]
                ):
                    rows.append((emotion, seed, attribute, kind, draw, k, accuracy, None))
    return pd.DataFrame(rows, columns=MASKED_ACCURACY).astype({"draw": "Int64"})
