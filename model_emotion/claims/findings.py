"""A finding, that is a regenerated beside a published value, and what all comparisons share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv

if TYPE_CHECKING:  # schema imports this module
    from model_emotion.claims.schema import Claim

READINGS = Path(__file__).parents[2] / "data/figure_readings.csv"
"""Values that were read off the study's figures, as docs/method.md describes."""

NUMBERS = ["key", "published", "regenerated", "limit"]
"""The columns of the compared numbers."""

Value = float | int | str


@dataclass(frozen=True)
class Finding:
    """A regenerated and a published value, and their difference, which is 0 or 1 for words."""

    regenerated: Value
    published: Value
    difference: float
    reason: str = ""
    """Why a re-test does not hold. The claim is then NOT REPRODUCED instead of FAIL."""
    readings: int = 0
    """The number of values read off figures that were compared."""
    cells: int = 0
    """The number of cells of released tables that were compared."""
    pairs: pd.DataFrame | None = field(default=None, compare=False, repr=False)
    """The compared numbers: `key` (what each is of), `published`, `regenerated`, `limit`. None: only one."""

    def numbers(self, limit: float) -> pd.DataFrame:
        """Return the compared numbers, as in `pairs`. limit: how far a single number may be off.

        There are none if words were compared.
        """
        if self.pairs is not None:
            return self.pairs
        one = {"key": "", "published": self.published, "regenerated": self.regenerated, "limit": limit}
        words = isinstance(self.published, str) or isinstance(self.regenerated, str)
        return pd.DataFrame([] if words else [one], columns=NUMBERS)


def selected(claim: Claim, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that the claim's `where` selects."""
    return table.query(claim.where) if claim.where else table


def one_row(claim: Claim, table: pd.DataFrame) -> pd.DataFrame:
    """Return the only row that `where` selects. Raises UserError for another number of rows."""
    rows = selected(claim, table)
    if len(rows) != 1:
        raise UserError(f"{claim.file}: {len(rows)} rows where {claim.where}; the claim needs exactly one")
    return rows


def compared(regenerated: Value, published: Value | dict | None) -> Finding:
    """Compare two numbers or two words; a claim needs one published value."""
    if published is None or isinstance(published, dict):
        raise UserError("claims.yaml: this comparison needs one value under `published`")
    words = isinstance(regenerated, str) or isinstance(published, str)
    difference = float(regenerated != published) if words else abs(float(regenerated) - float(published))
    return Finding(regenerated, published, difference)


def cells_side_by_side(ours: Any, theirs: Any) -> pd.DataFrame:
    """Return the cells of two tables of one shape as compared numbers. No cell has a limit of its own."""
    published, regenerated = (np.asarray(table, dtype=float).ravel() for table in (theirs, ours))
    return pd.DataFrame({"key": "", "published": published, "regenerated": regenerated, "limit": np.nan})


def with_readings(claim: Claim, table: pd.DataFrame, keys: list[str], limits: float | None = None) -> Finding:
    """Count the readings that the column `_ours` of a table reproduces, row by row for equal keys.

    limits: how far each may differ; its own resolution if None. Raises UserError if a reading has no value
    or several.
    """
    read = read_csv(READINGS).query(claim.where)
    both = read.merge(table[[*keys, "_ours"]], on=keys, how="left")
    if not len(both):
        raise UserError(f"{READINGS.name}: no row where {claim.where}")
    if len(both) != len(read):
        raise UserError(f"{claim.file}: several rows have the same {', '.join(keys)}")
    if len(lacking := both[both["_ours"].isna()]):
        raise UserError(f"{claim.file}: no value for {lacking.iloc[0][keys].to_dict()}")
    limit = both["resolution"] if limits is None else limits
    met = int(((both["value"] - both["_ours"]).abs() <= limit + 1e-12).sum())
    pairs = pd.DataFrame(
        {
            "key": _keys(read, keys),
            "published": both["value"],
            "regenerated": both["_ours"],
            "limit": limit,
        }
    )
    return Finding(f"{met:,} met", f"{len(both):,} read", len(both) - met, readings=len(both), pairs=pairs)


def _keys(read: pd.DataFrame, keys: list[str]) -> list[str]:
    """Return what each reading is of, such as `remorse, k 4000`."""
    known = [name for name in ("emotion", "attribute", "layer", "k", "condition", "quantity") if name in keys]
    numbered = {"layer", "k"}
    rows = read[known].itertuples(index=False)
    return [
        ", ".join(
            f"{name} {value:.0f}" if name in numbered else str(value)
            for name, value in zip(known, row, strict=True)
        )
        for row in rows
    ]
