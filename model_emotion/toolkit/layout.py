"""Write a run in the layout that the study's authors released, and read such a folder into a run's files."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base.errors import InputError, UserError
from model_emotion.base.files import read_csv, write_csv, write_json
from model_emotion.base.results import Activations, read_activations, write_activations
from model_emotion.base.study import EMOTIONS, LAYERS, MASK_NAMES
from model_emotion.inputs import released
from model_emotion.toolkit.originals import write_neurons

KEY = ["emotion", "seed", "attribute", "k"]


def _masked_file(folder: Path) -> Callable[[str, str, int], Path]:
    """Return a function from kind of mask, emotion and seed to the file of masked accuracies."""
    return lambda kind, emotion, seed: folder / released.masked_path(kind, emotion, seed)


def write_released(run: Path, target: Path) -> None:
    """Write the measurements in a run's folder as the study's authors released theirs.

    The layout has one random mask for each attribute and size. With several draws, their mean accuracy is
    written; with draws that all attributes share, each attribute gets the same. Raises UserError if the
    run's attributes are not the study's, or an accuracy is missing.
    """
    activations = read_activations(run / "activations.safetensors")
    accuracy, masked = (read_csv(run / name) for name in ("accuracy.csv", "masked_accuracy.csv"))
    for path in (run / "accuracy.csv", run / "masked_accuracy.csv"):
        for emotion in read_csv(path)["emotion"].unique():
            if not re.fullmatch(r"[^/\\\0.][^/\\\0]*", str(emotion)):
                raise UserError(f"{path}: emotion {emotion!r} cannot be part of a file's name")
    unmasked = accuracy.set_index(["emotion", "seed"])["accuracy"].to_dict()
    found = {kind: _accuracies(masked[masked["kind"] == kind], run) for kind in released.KINDS}
    cells = [(emotion, int(seed)) for seed in activations.seeds for emotion in activations.emotions]
    if lacking := [cell for cell in cells if cell not in unmasked]:
        raise UserError(f"{run / 'accuracy.csv'}: no row for {lacking[0][0]}, seed {lacking[0][1]}")
    documents = {
        _masked_file(target)(kind, *cell): {
            "sentiment": cell[0],
            "seed": cell[1],
            "best": float(unmasked[cell]),
            **_masked_values(found[kind], *cell, kind, run),
        }
        for kind in released.KINDS
        for cell in cells
    }
    rows = activations.values.reshape(len(cells), -1)
    for cell, row in zip(cells, rows, strict=True):
        write_neurons(row, target / released.activations_path(*cell))
    for path, document in documents.items():
        write_json(document, path)
    table = accuracy.rename(columns={"emotion": "sentiment", "seed": "random_seed"})
    ordered = table.sort_values(["random_seed", "sentiment"])[["sentiment", "random_seed", "accuracy"]]
    write_csv(ordered, target / released.UNMASKED)


def _masked_values(
    found: dict[tuple[str, int, str, int], float], emotion: str, seed: int, kind: str, run: Path
) -> dict[str, float]:
    """Return the accuracies under one kind of masks by the study's names. Raises UserError if one lacks."""
    values = {}
    for k in sorted({key[3] for key in found}):
        for theirs, ours in MASK_NAMES.items():
            if (emotion, seed, ours, k) not in found:
                raise UserError(
                    f"{run / 'masked_accuracy.csv'}: no {kind} mask of {ours} with {k} neurons for "
                    f"{emotion}, seed {seed}"
                )
            values[f"{theirs}_{released.KINDS[kind][1]}{k}"] = found[emotion, seed, ours, k]
    return values


def _accuracies(masked: pd.DataFrame, run: Path) -> dict[tuple[str, int, str, int], float]:
    """Return {(emotion, seed, attribute, k): mean accuracy over draws} of one kind of mask."""
    shared = masked[masked["attribute"].isna()]
    for_each = pd.concat([shared.assign(attribute=attribute) for attribute in MASK_NAMES.values()])
    own = masked[masked["attribute"].notna()]
    if unknown := sorted(set(own["attribute"]) - set(MASK_NAMES.values())):
        raise UserError(
            f"{run / 'masked_accuracy.csv'}: {unknown[0]!r} is not one of the study's 14 attributes"
        )
    means = pd.concat([own, for_each]).groupby(KEY, sort=False)["accuracy"].mean()
    return {(e, int(seed), a, int(k)): float(value) for (e, seed, a, k), value in means.items()}


def read_released(source: Path, run: Path, layers: int = LAYERS) -> None:
    """Read a folder in the released layout into activations.safetensors and the tables of a run's folder.

    layers: of the model, which the layout does not tell. Raises InputError for a malformed file.
    """
    accuracy = source / released.UNMASKED
    if not accuracy.is_file():
        raise InputError(f"{accuracy}: not found; a folder in the study's released layout has it")
    table = read_csv(accuracy)
    if missing := {"sentiment", "random_seed"} - set(table.columns):
        raise InputError(f"{accuracy}: no column {sorted(missing)[0]}")
    named = list(dict.fromkeys(table["sentiment"]))
    emotions = [*(e for e in EMOTIONS if e in named), *(e for e in named if e not in EMOTIONS)]
    seeds = [int(seed) for seed in sorted(table["random_seed"].unique())]
    path = source / released.activations_path(emotions[0], seeds[0])
    if not path.is_file():
        raise InputError(f"{path}: not found")
    neurons = released.count_neurons(path)
    if neurons % layers:
        raise UserError(f"{path}: {neurons:,} neurons are not {layers} layers of equal width; give --layers")
    values = [
        [released.read_neurons(source / released.activations_path(e, s), neurons) for e in emotions]
        for s in seeds
    ]
    sizes = {}
    for kind, (_, word) in released.KINDS.items():
        text = _masked_file(source)(kind, emotions[0], seeds[0]).read_text(encoding="utf-8")
        sizes[kind] = sorted({int(k) for k in re.findall(rf'_{word}(\d+)"', text)})
    unmasked = released.read_accuracy(accuracy, emotions, seeds)
    masked = released.read_masked_accuracy(_masked_file(source), emotions, seeds, sizes)
    axes = (tuple(seeds), tuple(emotions), layers, neurons // layers, released.BACKBONE)
    write_activations(Activations(np.array(values), *axes), run / "activations.safetensors")
    write_csv(unmasked, run / "accuracy.csv")
    write_csv(masked, run / "masked_accuracy.csv")
