"""A run: one set of measurements of a model, as files under results/RUN. Analyses read only these files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv, read_tensors, write_tensors

if TYPE_CHECKING:
    import pandas as pd

ACCURACY = ["emotion", "seed", "accuracy", "majority", "n"]
MASKED_ACCURACY = ["emotion", "seed", "attribute", "kind", "draw", "k", "accuracy", "n"]


@dataclass(frozen=True)
class Activations:
    """The activations of a model's neurons, values [seed, emotion, neuron], with names for the axes.

    Neurons are numbered layer by layer: neuron = layer * width + unit. Raises UserError if the shape does not
    fit the axes, or if a value is not finite.
    """

    values: np.ndarray
    seeds: tuple[int, ...]
    emotions: tuple[str, ...]
    layers: int
    width: int
    backbone: str

    def __post_init__(self) -> None:
        shape = (len(self.seeds), len(self.emotions), self.layers * self.width)
        if self.values.shape != shape:
            raise UserError(f"activations of shape {self.values.shape}, but their axes make {shape}")
        for seed, emotion in np.argwhere(~np.isfinite(self.values).all(axis=2)):
            raise UserError(
                f"activations of {self.emotions[emotion]}, seed {self.seeds[seed]}: a value is not finite"
            )


RETESTS = [
    "question", "key", "k", "estimate", "ci_low", "ci_high", "p", "n", "reference", "decided_by",
    "verdict", "method",
]  # fmt: skip
"""Columns of results/RUN/retests.csv."""
HOLDS, DOES_NOT_HOLD = "holds", "does not hold"
"""The verdicts of a re-test."""

MEASURED = "live"
"""The run that is measured on this machine; the other run, `published`, holds the authors' measurements."""


def folder(run: str) -> Path:
    """Return the folder of a run's results."""
    return Path("results") / run


def write_activations(activations: Activations, path: Path | str) -> None:
    """Write activations as safetensors, with the axes as metadata."""
    axes = {name: value for name, value in vars(activations).items() if name != "values"}
    write_tensors({"activations": activations.values}, path, axes)


def read_activations(path: Path | str) -> Activations:
    """Read activations. Raises UserError if the file is incomplete or its axes do not fit."""
    tensors, axes = read_tensors(path, "activations")
    try:
        seeds, emotions = tuple(axes.pop("seeds")), tuple(axes.pop("emotions"))
        return Activations(tensors["activations"], seeds, emotions, **axes)
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: does not hold the activations of a run ({error})") from None


def read_accuracy(run: str) -> "pd.DataFrame":
    """Read accuracy.csv of a run: the columns ACCURACY, a row per emotion and seed, without masks."""
    return read_csv(folder(run) / "accuracy.csv")


def read_masked_accuracy(run: str) -> "pd.DataFrame":
    """Read masked_accuracy.csv of a run: the columns MASKED_ACCURACY, a row per emotion, seed and mask.

    `attribute` is missing for random masks that all attributes share, and `draw` for attributes' masks.
    """
    return read_csv(folder(run) / "masked_accuracy.csv", dtype={"draw": "Int64"})
