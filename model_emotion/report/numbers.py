"""Every published number beside the regenerated one, for the page's scatter.

Numbers of one kind, such as the drops of all emotions, are scaled to [0, 1] together. The cells of large
tables are counted in a grid, since one cannot draw half a million points.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from model_emotion.base.files import read_parquet
from model_emotion.base.results import folder
from model_emotion.claims.verdicts import Verdict
from model_emotion.report.page import packed, script_json

GRID = 60
"""Cells of large tables are counted in GRID x GRID squares."""
DIGITS = 6
"""Significant digits of a number in the page."""
MOST_POINTS = 500
"""A table with more cells is drawn as a grid of counts."""


def kind_of(claim: str) -> tuple[str, str]:
    """Return the kind that a claim's id names, and the rest: ("E3.drop", "joy") for `E3.drop.joy`."""
    result, _, rest = claim.partition(".")
    name, _, key = rest.partition(".")
    return f"{result}.{name}" if name else result, key


def _short(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]


def scaled(values: np.ndarray, published: np.ndarray) -> np.ndarray:
    """Return values where the smallest published number is 0 and the largest 1; .5 if there is only one."""
    low, high = published.min(), published.max()
    return np.full(len(values), 0.5) if low == high else (values - low) / (high - low)


def grid(published: np.ndarray, regenerated: np.ndarray) -> list[list[int]]:
    """Return [column, row, number of cells] of each square that has cells; row 0 has the smallest values."""
    both = [scaled(values, published).clip(0, 1) for values in (published, regenerated)]
    squares = pd.DataFrame(np.minimum((np.array(both) * GRID).astype(int), GRID - 1).T).value_counts(
        sort=False
    )
    return [[*map(int, square), int(count)] for square, count in squares.items()]


def one_kind(numbers: pd.DataFrame) -> dict[str, Any]:
    """Return the numbers of a kind: points with keys and limits (None: no limit of its own), or a grid."""
    published, regenerated = (numbers[name].to_numpy() for name in ("published", "regenerated"))
    largest = float(np.abs(published - regenerated).max())
    found: dict[str, Any] = {"n": len(numbers), "largest": float(f"{largest:.2g}")}
    if len(numbers) > MOST_POINTS:
        return found | {"grid": grid(published, regenerated)}
    limits = numbers["limit"].where(numbers["limit"].notna(), None)
    return found | {
        "keys": numbers["key"].tolist(),
        "published": _short(published),
        "regenerated": _short(regenerated),
        "limits": None if limits.isna().all() else _short(limits),
    }


def numbers(runs: Sequence[str], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the compared numbers of all runs: `packed` for the page's script, and their counts by kind.

    `ordered`: readings that were compared only by their order, which are not shown.
    """
    tables = [read_parquet(folder(run) / "compared.parquet") for run in runs]
    table = pd.concat(tables, ignore_index=True)
    ids = table["claim"].map(kind_of)
    keys = table["key"].where(table["key"] != "", ids.str[1])
    table = table.assign(kind=ids.str[0], key=keys)
    words: dict[str, str] = {}
    for verdict in verdicts:
        words.setdefault(kind_of(verdict.id)[0], verdict.claim)
    kinds = {
        str(kind): one_kind(of) | {"claim": words[str(kind)]}
        for kind, of in table.groupby("kind", sort=False)
    }
    points = sum(of["n"] for of in kinds.values() if "grid" not in of)
    shown = table["claim"].value_counts()
    ordered = sum(one.readings for one in verdicts if one.readings > shown.get(one.id, 0))
    return {
        "packed": packed(script_json({"grid": GRID, "kinds": kinds}).encode()),
        "kinds": {kind: of["claim"] for kind, of in kinds.items()},
        "points": points,
        "cells": len(table) - points,
        "ordered": ordered,
    }
