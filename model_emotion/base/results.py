"""The files of a run under results/RUN: their paths, columns, readers and writers.

A run is one set of measurements of one model. The analyses read these files and no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv, read_tensors, write_tensors

if TYPE_CHECKING:  # importing pandas takes .4 s, also for `make repro` with nothing to do
    import pandas as pd

MEASURED = "live"
"""The run that is measured on this machine."""
CARD = "card.json"
"""The card of a run measured elsewhere, in results/RUN."""
ACCURACY = ["emotion", "seed", "accuracy", "majority", "n"]
"""Columns of results/RUN/accuracy.csv."""
MASKED_ACCURACY = ["emotion", "seed", "attribute", "kind", "draw", "k", "accuracy", "n"]
"""Columns of results/RUN/masked_accuracy.csv."""
RETESTS = [
    "question", "key", "k", "estimate", "ci_low", "ci_high", "p", "n", "reference", "decided_by", "verdict",
    "one_sided", "method",
]  # fmt: skip
"""Columns of results/RUN/retests.csv."""
HOLDS, DOES_NOT_HOLD, INCONCLUSIVE = "holds", "does not hold", "inconclusive"
"""The verdicts of a re-test."""
POWER = 0.8
"""The power at which the re-tests say what they could detect."""


@dataclass(frozen=True)
class Activations:
    """Activations of a model's neurons, and what their axes mean.

    Raises UserError if the shape does not fit the axes, or if a value is not finite.
    """

    values: np.ndarray
    """[seeds, emotions, layers * width]; neurons are numbered layer by layer."""
    seeds: tuple[int, ...]
    emotions: tuple[str, ...]
    layers: int
    width: int
    """Neurons per layer."""
    backbone: str

    def __post_init__(self) -> None:
        shape = (len(self.seeds), len(self.emotions), self.layers * self.width)
        if self.values.shape != shape:
            raise UserError(
                f"activations: the shape is {self.values.shape}, but seeds, emotions and layers x width "
                f"need {shape}"
            )
        for seed, emotion in np.argwhere(~np.isfinite(self.values).all(axis=2)):
            raise UserError(
                f"activations of {self.emotions[emotion]}, seed {self.seeds[seed]}: a value is not finite"
            )


def folder(run: str) -> Path:
    """Return the folder of a run, results/RUN."""
    return Path("results") / run


def undefined_layers(values: np.ndarray, layers: int) -> dict[int, str]:
    """Return the layers, from 1, whose RDM is undefined or all 0, each with what is wrong.

    values: [seeds, emotions, layers * width] activations.
    """
    split = values.reshape(*values.shape[:2], layers, -1)
    silent = (split == 0).all(axis=3).any(axis=(0, 1))
    constant = (split == split[:, :1]).all(axis=(1, 3)).any(axis=0)
    problems = ("is the same under all prompts", "is 0 under a prompt in all neurons")
    return {int(layer) + 1: problems[int(silent[layer])] for layer in np.flatnonzero(silent | constant)}


def write_activations(activations: Activations, path: Path | str) -> None:
    """Write activations as safetensors, with their axes as metadata."""
    axes = {name: value for name, value in vars(activations).items() if name != "values"}
    write_tensors({"activations": activations.values}, path, axes)


def read_activations(path: Path | str) -> Activations:
    """Read the activations of a run. Raises UserError if the file is incomplete or its axes do not fit."""
    tensors, axes = read_tensors(path, "activations")
    try:
        seeds, emotions = tuple(axes.pop("seeds")), tuple(axes.pop("emotions"))
        return Activations(values=tensors["activations"], seeds=seeds, emotions=emotions, **axes)
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not activations of a run ({error})") from None


def read_accuracy(run: str) -> pd.DataFrame:
    """Return the unmasked accuracies of a run, columns ACCURACY."""
    return read_csv(folder(run) / "accuracy.csv")


def read_masked_accuracy(run: str) -> pd.DataFrame:
    """Return the masked accuracies of a run, columns MASKED_ACCURACY; `draw` is a whole number or missing."""
    return read_csv(folder(run) / "masked_accuracy.csv", dtype={"draw": "Int64"})
