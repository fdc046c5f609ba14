"""A finding, that is a regenerated beside a published value, and what all comparisons share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv

if TYPE_CHECKING:  # schema imports this module
    from model_emotion.claims.schema import Claim

READINGS = Path(__file__).parents[2] / "data/figure_readings.csv"
"""Values that were read off the study's figures, as docs/method.md describes."""

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
    return Finding(f"{met:,} met", f"{len(both):,} read", len(both) - met, readings=len(both))
