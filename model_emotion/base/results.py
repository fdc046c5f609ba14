"""A run: one set of measurements of a model, as files under results/RUN. Analyses read these and nothing else."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv, read_tensors, write_tensors

ACCURACY = ["emotion", "seed", "accuracy", "majority", "n"]
MASKED_ACCURACY = ["emotion", "seed", "attribute", "kind", "draw", "k", "accuracy", "n"]


@dataclass(frozen=True)
class Activations:
    """values [seed, emotion, neuron] and what their axes mean; neurons are numbered layer by layer."""

    values: np.ndarray
    seeds: tuple
    emotions: tuple
    layers: int
    width: int
    backbone: str

    def __post_init__(self):
        shape = (len(self.seeds), len(self.emotions), self.layers * self.width)
        if self.values.shape != shape:
            raise UserError(
                f"activations of shape {self.values.shape}, but seeds, emotions and layers x width make {shape}"
            )
        for seed, emotion in np.argwhere(~np.isfinite(self.values).all(axis=2)):
            raise UserError(
                f"activations of {self.emotions[emotion]}, seed {self.seeds[seed]}: a value is not finite"
            )


RETESTS = [
    "question",
    "key",
    "k",
    "estimate",
    "ci_low",
    "ci_high",
    "p",
    "n",
    "reference",
    "decided_by",
    "verdict",
    "method",
]
"""Columns of results/RUN/retests.csv."""
HOLDS, DOES_NOT_HOLD = "holds", "does not hold"
"""The verdicts of a re-test."""

MEASURED = "live"
"""The run that is measured here."""


def folder(run):
    """results/RUN"""
    return Path("results") / run


def write_activations(activations, path):
    """Activations -> safetensors with the axes as metadata."""
    axes = {name: value for name, value in vars(activations).items() if name != "values"}
    write_tensors({"activations": activations.values}, path, axes)


def read_activations(path):
    """Safetensors -> Activations. Raises UserError where the file is not whole or its axes do not fit."""
    tensors, axes = read_tensors(path, "activations")
    try:
        lists = {"seeds": tuple(axes.pop("seeds")), "emotions": tuple(axes.pop("emotions"))}
        return Activations(values=tensors["activations"], **lists, **axes)
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not activations of a run ({error})") from None


def read_accuracy(run):
    """results/RUN/accuracy.csv"""
    return read_csv(folder(run) / "accuracy.csv")


def read_masked_accuracy(run):
    """results/RUN/masked_accuracy.csv; `draw` is a whole number or missing."""
    return read_csv(folder(run) / "masked_accuracy.csv", dtype={"draw": "Int64"})
