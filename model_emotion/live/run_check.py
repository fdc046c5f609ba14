"""Check a run that was measured elsewhere, the folder data/runs/NAME, before anything else reads it.

The folder may be hostile. Only files of known names and kinds are opened, none is a pickle or a link, and
each size is known before a file is read. A fault is one line that names the file and says what is wrong.

`python -m model_emotion.live.run_check NAME` prints the faults of a folder.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from model_emotion.base.errors import UserError
from model_emotion.base.files import METADATA, read_csv, read_metadata
from model_emotion.base.results import ACCURACY, MASKED_ACCURACY, undefined_layers
from model_emotion.base.run_folder import ACTIVATIONS, CARD_FILE, MASKED, UNMASKED, faults_of_files, folder_of
from model_emotion.live import run_card as card
from model_emotion.live.run_card import Card
from model_emotion.project import stage

HEADER, LINE = 1000**2, 1000
"""Limits in bytes: the header of a safetensors file, and the first line of a table."""
TYPES = ("F16", "F32")


def faults(folder: Path) -> list[str]:
    """Return a line for each fault of a run's folder; none if it can be analysed."""
    found = list(faults_of_files(folder))
    if found:
        return found
    try:
        of_run = card.read(folder / CARD_FILE)
    except UserError as error:
        return [str(error)]
    if of_run.name != folder.name:
        found.append(f"{folder / CARD_FILE}: name: '{of_run.name}', but the folder is '{folder.name}'")
    found += _faults_of_optional(folder, of_run)
    found += _faults_of_activations(folder / ACTIVATIONS, of_run)
    found += _faults_of_accuracy(folder / UNMASKED, of_run)
    return found + list(_faults_of_masked(folder / MASKED, of_run))


def checked(name: str) -> Card:
    """Return the card of data/runs/NAME. Raises UserError with one line per fault."""
    folder = folder_of(name)
    if found := faults(folder):
        raise UserError("\n".join(found))
    return card.read(folder / CARD_FILE)


def _faults_of_optional(folder: Path, of_run: Card) -> Iterator[str]:
    """Yield the prompts and learning curves of emotions and seeds that the card does not name."""
    for name, known in (("prompts", of_run.emotions), ("learning_curves", of_run.seeds)):
        for path in sorted((folder / name).glob("*")):
            if path.stem not in map(str, known):
                yield f"{folder}: {str(path.relative_to(folder))!r}: {CARD_FILE} has no {path.stem!a}"


def _faults_of_activations(path: Path, of_run: Card) -> Iterator[str]:
    shape = [len(of_run.seeds), len(of_run.emotions), of_run.layers * of_run.width]
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if header > HEADER:
        yield f"{path}: a header of {header:,} bytes; {HEADER:,} are allowed"
        return
    try:
        axes = read_metadata(path, "activations of a run")
        # read_tensors would read every array before its type and shape are known.
        with safe_open(path, "np") as tensors:
            names = list(tensors.keys())
            if names != ["activations"]:
                yield f"{path}: holds {len(names)} arrays; it must hold one, `activations`"
                return
            part = tensors.get_slice("activations")
            if part.get_dtype() not in TYPES:
                yield f"{path}: the type is {part.get_dtype()}; it must be {' or '.join(TYPES)}"
                return
            if part.get_shape() != shape:
                needed = f"{CARD_FILE} (seeds, emotions, layers x width) needs {shape}"
                yield f"{path}: the shape is {part.get_shape()}, but {needed}"
                return
            values = tensors.get_tensor("activations")
    except (UserError, SafetensorError, ValueError, RecursionError) as error:
        yield str(error) if isinstance(error, UserError) else f"{path}: the metadata {METADATA} can't be read"
        return
    yield from _faults_of_axes(path, axes, of_run)
    for seed, emotion in np.argwhere(~np.isfinite(values).all(axis=2)):
        yield f"{path}: {of_run.emotions[emotion]}, seed {of_run.seeds[seed]}: a value is not finite"
    if np.isfinite(values).all():
        for layer, problem in undefined_layers(values, of_run.layers).items():
            yield f"{path}: layer {layer} {problem}, so that it has no RDM"


def _faults_of_axes(path: Path, axes: object, of_run: Card) -> Iterator[str]:
    stated = {
        "seeds": of_run.seeds, "emotions": of_run.emotions, "layers": of_run.layers, "width": of_run.width,
        "backbone": of_run.backbone.name,
    }  # fmt: skip
    if not isinstance(axes, dict) or set(axes) != set(stated):
        yield f"{path}: the metadata must name {', '.join(stated)}, and nothing else"
        return
    for name, value in stated.items():
        if json.dumps(axes[name]) != json.dumps(value):  # 1, 1.0 and True are equal in Python
            yield f"{path}: {name} in its metadata differ from those in {CARD_FILE}"


def _read(path: Path, columns: list[str], of_run: Card) -> tuple[pd.DataFrame | None, list[str]]:
    """Return a table of strings with NaN for empty cells; or None, and the faults of it or of its values."""
    with path.open("rb") as file:
        head = file.readline(LINE)
    # pandas renames columns of the same name, in a time that grows with the square of their number.
    if len(head) == LINE or head.count(b",") >= len(columns):
        return None, [f"{path}: the columns must be {','.join(columns)}"]
    try:
        table = read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    except (ValueError, RecursionError) as error:  # pandas' errors and those of decoding are ValueErrors
        return None, [f"{path}: not a CSV file: {' '.join(str(error).split())[:200]}"]
    if list(table) != columns:
        return None, [f"{path}: the columns must be {','.join(columns)}"]
    found = list(_faults_of_values(path, table, of_run))
    return (None if found else table), found


def _faults_of_values(path: Path, table: pd.DataFrame, of_run: Card) -> Iterator[str]:
    """Yield the first row of each column whose value is wrong. Rows are counted from 1, below the header."""
    numbers = {name: pd.to_numeric(table[name], errors="coerce") for name in table if name not in NAMES}
    wrong = {
        "emotion": ("is not an emotion of the card", ~table["emotion"].isin(of_run.emotions)),
        "seed": ("is not a seed of the card", ~numbers["seed"].isin(of_run.seeds)),
        "accuracy": ("is not a number from 0 to 1", ~numbers["accuracy"].between(0, 1)),
        "n": ("is neither empty nor a number of texts", table["n"].notna() & ~_counts(numbers["n"])),
    }
    if "majority" in table:
        outside = table["majority"].notna() & ~numbers["majority"].between(0, 1)
        wrong["majority"] = "is neither empty nor a number from 0 to 1", outside
    if "k" in table:
        sizes = [size.k for size in of_run.masks.sizes]
        wrong["k"] = f"is not one of the card's mask sizes {sizes}", ~numbers["k"].isin(sizes)
        wrong["draw"] = "is neither empty nor a number", table["draw"].notna() & ~_counts(numbers["draw"])
    for column, (what, rows) in wrong.items():
        if rows.any():
            more = f" ({rows.sum()} such rows)" if rows.sum() > 1 else ""
            yield f"{path}: data row {int(rows.to_numpy().argmax()) + 1}, column '{column}': {what}{more}"


NAMES = ("emotion", "attribute", "kind")
"""Columns that hold no numbers."""


def _counts(numbers: pd.Series) -> pd.Series:
    return (numbers >= 1) & (numbers % 1 == 0) & (numbers < 2**31)


def _faults_of_accuracy(path: Path, of_run: Card) -> Iterator[str]:
    table, found = _read(path, ACCURACY, of_run)
    if table is None:
        yield from found
        return
    pairs = Counter(zip(table["emotion"], table["seed"].astype(float).astype(int), strict=True))
    for emotion in of_run.emotions:
        for seed in of_run.seeds:
            if (times := pairs[emotion, seed]) != 1:
                yield f"{path}: {emotion}, seed {seed}: {times} rows; there must be one"


def _faults_of_masked(path: Path, of_run: Card) -> Iterator[str]:
    table, found = _read(path, MASKED_ACCURACY, of_run)
    if table is None:
        yield from found
        return
    numbers = {name: table[name].astype(float).fillna(0).astype(int) for name in ("seed", "k", "draw")}
    columns = [table["kind"].fillna(""), table["attribute"].fillna(""), numbers["k"], numbers["draw"]]
    names = pd.Series(list(zip(*columns, strict=True)), index=table.index, dtype=object)
    needed = {(mask.kind, mask.attribute, mask.k, mask.draw or 0): str(mask) for mask in of_run.mask_names()}
    rows = {key: Counter(some) for key, some in names.groupby([table["emotion"], numbers["seed"]])}
    for seed in of_run.masks.ranking_seeds:
        if any(key[1] == seed for key in rows):
            yield f"{path}: seed {seed} ranks the neurons (masks.ranking_seeds); its prompts are not masked"
    for emotion in of_run.emotions:
        for seed in of_run.plan().evaluation_seeds(of_run.seeds):
            there = rows.get((emotion, seed), Counter())
            for what, some in (
                ("lacks", [needed[one] for one in needed if one not in there]),
                ("has unknown", ["/".join(map(str, one)) for one in there if one not in needed]),
                ("repeats", [needed[one] for one, times in there.items() if one in needed and times > 1]),
            ):
                if some:
                    yield f"{path}: {emotion}, seed {seed}: {what} {len(some)} masks, such as {some[0]!a}"


def main() -> None:
    name = sys.argv[1]
    if found := faults(folder_of(name)):
        print("\n".join(found))
        sys.exit(1)
    print(f"{folder_of(name)}: no fault. To analyse it, add {name} to `runs` and `imported` in params.yaml")
    print("and run `make repro`.")


if __name__ == "__main__":
    stage.run(main)
