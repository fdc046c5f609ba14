"""Compare a table of results with what the study published.

A comparison is a function of a claim and the table of the file that answers it, and returns a Finding.
claims.yaml names it under `comparison`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv
from model_emotion.base.results import HOLDS, Activations
from model_emotion.claims import lines
from model_emotion.claims.findings import (
    READINGS,
    Finding,
    cells_side_by_side,
    compared,
    one_row,
    selected,
    with_readings,
)
from model_emotion.human.appraisal import published_loadings
from model_emotion.human.ratings import EXTREME, MIDDLE, word_list
from model_emotion.inputs.registry import raw
from model_emotion.rsa import rdm

if TYPE_CHECKING:  # schema imports this module
    from model_emotion.claims.schema import Claim


WORDS = "Data/raw_data/subjective_comparison/emotions.txt"
"""The study's list of the words that its surveys number."""


def value(claim: Claim, table: pd.DataFrame) -> Finding:
    """Compare the value of `column` in the one row that `where` selects."""
    return compared(one_row(claim, table)[claim.column].item(), claim.published)


def count(claim: Claim, table: pd.DataFrame) -> Finding:
    """Compare the number of rows."""
    return compared(len(selected(claim, table)), claim.published)


def mean(claim: Claim, table: pd.DataFrame) -> Finding:
    """Compare the mean of `column`."""
    return compared(float(selected(claim, table)[claim.column].mean()), claim.published)


def _groups(claim: Claim, table: pd.DataFrame):
    return selected(claim, table).groupby(claim.by, sort=False)[claim.column]


def least_sum(claim: Claim, table: pd.DataFrame) -> Finding:
    """Compare the label in `by` with the smallest sum of `column`."""
    return compared(_groups(claim, table).sum().idxmin(), claim.published)


def most_sum(claim: Claim, table: pd.DataFrame) -> Finding:
    """Compare the label in `by` with the largest sum of `column`."""
    return compared(_groups(claim, table).sum().idxmax(), claim.published)


def least_mean(claim: Claim, table: pd.DataFrame) -> Finding:
    """Compare the label in `by` with the smallest mean of `column`."""
    return compared(_groups(claim, table).mean().idxmin(), claim.published)


def most_mean(claim: Claim, table: pd.DataFrame) -> Finding:
    """Compare the label in `by` with the largest mean of `column`."""
    return compared(_groups(claim, table).mean().idxmax(), claim.published)


def _released(claim: Claim, group: str = "reference") -> Path:
    """Return the path of the study's file that the claim names."""
    assert claim.reference is not None
    return raw(group, claim.reference)


def _cells(claim: Claim, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the numeric cells of a table and the released ones, which are in the same order.

    Raises UserError unless the table's emotions, pairs and columns are the study's, in its order, since cells
    are compared by position.
    """
    released = read_csv(_released(claim))
    pairs = rdm.pair_names(study.EMOTIONS)
    expected = {"emotion": list(study.EMOTIONS), **{name: list(pairs[name]) for name in pairs}}
    for name in expected.keys() & set(table):
        if list(table[name]) != expected[name]:
            raise UserError(f"{claim.file}: column {name} is not in the study's order")
    numbers = table.select_dtypes("number")
    ours, theirs = list(numbers), list(released)
    known = {tuple(study.ATTRIBUTES), tuple(pairs["emotion_a"] + "|" + pairs["emotion_b"]), ("distance",)}
    if tuple(ours) not in known or (set(theirs) <= set(study.ATTRIBUTES) and ours != theirs):
        raise UserError(f"{claim.file}: its columns differ from those of {claim.reference}")
    if numbers.shape != released.shape:
        raise UserError(f"{claim.file}: {numbers.shape} cells, but {released.shape} in {claim.reference}")
    return numbers, released


def _largest_difference(ours: pd.DataFrame | np.ndarray, theirs: pd.DataFrame | np.ndarray) -> Finding:
    apart = np.abs(np.asarray(ours) - np.asarray(theirs))
    pairs = cells_side_by_side(ours, theirs)
    return Finding("as released", f"{apart.size:,} cells", float(apart.max()), cells=apart.size, pairs=pairs)


def same_table(claim: Claim, table: pd.DataFrame) -> Finding:
    """Return the largest absolute difference from a released table with the same rows and columns."""
    return _largest_difference(*_cells(claim, table))


def same_averages(claim: Claim, table: pd.DataFrame) -> Finding:
    """Return the largest difference of mean ratings, from 1 to 9, from a released table of them.

    The released table has ratings from -1 to 1 and no names: its rows are the 27 emotions in the order in
    which the surveys number them. Raises UserError if it does not have 27 rows.
    """
    theirs = read_csv(_released(claim))
    emotions = [word for word in word_list(raw("human", WORDS)) if word in study.EMOTIONS]
    if len(theirs) != len(emotions):
        raise UserError(
            f"{claim.reference}: {len(theirs)} rows, not one for each of {len(emotions)} emotions"
        )
    ours = (table.set_index("emotion").loc[emotions, list(theirs)] - MIDDLE) / (EXTREME - MIDDLE)
    return _largest_difference(ours, theirs)


def same_loadings(claim: Claim, table: pd.DataFrame) -> Finding:
    """Return the largest absolute difference from the loadings in the study's document, item by item."""
    theirs = published_loadings(_released(claim, "human"))
    return _largest_difference(table.set_index("item").loc[theirs.index, theirs.columns], theirs)


def _ranks(claim: Claim, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return our ranks and the released ones [neurons, attributes].

    Raises UserError for another order of rows.
    """
    theirs = read_csv(_released(claim))
    neurons = np.repeat(np.arange(1, len(theirs) + 1), theirs.shape[1])
    attributes = np.tile(theirs.columns, len(theirs))
    if not (np.array_equal(table["attribute"], attributes) and np.array_equal(table["neuron"], neurons)):
        raise UserError(f"{claim.file}: neurons and attributes are not in the order of {claim.reference}")
    return pd.DataFrame(table["rank"].to_numpy().reshape(theirs.shape), columns=theirs.columns), theirs


def same_ranks(claim: Claim, table: pd.DataFrame) -> Finding:
    """Return the share of ranks that differ from the released ones."""
    ours, theirs = _ranks(claim, table)
    same, pairs = float((ours == theirs).to_numpy().mean()), cells_side_by_side(ours, theirs)
    return Finding(
        f"{same:.1%} identical", f"{theirs.size:,} cells", 1 - same, cells=theirs.size, pairs=pairs
    )


def same_order(claim: Claim, table: pd.DataFrame) -> Finding:
    """Return 1 minus the smallest Spearman correlation of a column of ranks with the released column."""
    ours, theirs = _ranks(claim, table)
    least = min(float(ours[name].corr(theirs[name])) for name in theirs)
    return Finding(least, 1, 1 - least)


def same_best(claim: Claim, table: pd.DataFrame) -> Finding:
    """Compare the sets of N best neurons, for each attribute and N: how many equal the released ones."""
    ours, theirs = _ranks(claim, table)
    equal = [
        ((ours[name] <= k) == (theirs[name] <= k)).all() for name in theirs for k in study.ATTRIBUTE_TOP_K
    ]
    return compared(int(sum(equal)), len(equal))


def same_dips(claim: Claim, table: pd.DataFrame) -> Finding:
    """Compare Hartigan's dips, or their p: how many equal the released ones to three significant digits.

    `column` is dip or p; `by` is the released column.
    """
    theirs = read_csv(_released(claim)).set_index(["Criteria", "Feature"])[claim.by]
    ours = table.set_index(["k", "attribute"])[claim.column]
    equal = [float(f"{ours[row]:.3g}") == published for row, published in theirs.items()]
    pairs = cells_side_by_side(ours.loc[theirs.index], theirs)
    return replace(compared(sum(equal), len(theirs)), cells=len(theirs), pairs=pairs)


def readings(claim: Claim, table: pd.DataFrame) -> Finding:
    """Count the values read off a figure that `column`, a column or a formula of columns, reproduces.

    Each value may differ by its own resolution, or by `within` if the claim sets it.
    """
    keys = [claim.by] if isinstance(claim.by, str) else list(claim.by or [])
    if isinstance(claim.by, dict):
        table = table.rename(columns={column: reading for reading, column in claim.by.items()})
    table = table.assign(_ours=table.eval(claim.column).astype(float))
    return with_readings(claim, table, keys, claim.within)


def readings_of_columns(claim: Claim, table: pd.DataFrame) -> Finding:
    """Like readings, for a table with a column for each attribute. `by` names its rows."""
    assert isinstance(claim.by, dict)
    (reading, rows), *_ = claim.by.items()
    long = table.melt(rows, var_name="attribute", value_name="_ours").rename(columns={rows: reading})
    return with_readings(claim, long, [reading, "attribute"], claim.within)


def neuron_order(claim: Claim, activations: Activations) -> Finding:
    """Return 1 minus the Spearman correlation of a neuron's mean RDM with the colours of its image.

    `column` is the neuron's number.
    """
    assert claim.column is not None
    neuron = activations.values[:, :, int(claim.column) - 1]
    ours = rdm.pair_names(activations.emotions).assign(distance=rdm.absolute_rdm(neuron).mean(axis=0))
    ours["emotion"] = ours["emotion_a"] + "|" + ours["emotion_b"]
    both = read_csv(READINGS).query(claim.where).merge(ours, on="emotion")
    if len(both) != len(ours):
        raise UserError(
            f"{READINGS.name}: {len(both)} pairs of emotions where {claim.where}, not {len(ours)}"
        )
    found = float(both["value"].corr(both["distance"], method="spearman"))
    return Finding(found, 1, 1 - found, readings=len(both))


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def interval(claim: Claim, table: pd.DataFrame) -> Finding:
    """Judge a re-test: its interval must lie above 0, or its p below .05, as the row's `decided_by` says.

    The study published no value for it. Raises UserError if the row's estimate, interval, p and verdict
    contradict each other.
    """
    row = one_row(claim, table).iloc[0]
    by_p = {"p": True, "interval": False}[row["decided_by"]]
    holds = bool(row["p"] < 0.05 if by_p else row["ci_low"] > 0)
    known = not np.isnan([row["estimate"], row["p"] if by_p else row["ci_low"]]).any()
    outside = known and not by_p and not row["ci_low"] <= row["estimate"] <= row["ci_high"]
    if outside or holds != (row["verdict"] == HOLDS):
        raise UserError(
            f"{claim.file}: estimate, interval, p and verdict contradict each other where {claim.where}"
        )
    expected = "p < .05" if by_p else "interval above 0"
    if not known:
        return Finding("no estimate", expected, 1.0, f"no estimate: {row['method']}")
    found = _short(row["estimate"])
    if not np.isnan(row["ci_low"]):
        found += f" [{_short(row['ci_low'])}, {_short(row['ci_high'])}]"
    found += f", p = {row['p']:.2g}" if by_p else ""
    reason = "" if holds else f"{found}: " + ("not below .05" if by_p else "the interval is not above 0")
    return Finding(found, expected, 0.0 if holds else 1.0, reason)


COMPARISONS: dict[str, Callable[..., Finding]] = {
    compare.__name__: compare
    for compare in (
        value, count, mean, least_sum, most_sum, least_mean, most_mean, same_table,
        same_averages, same_loadings, same_ranks, same_order, same_best, same_dips, readings,
        readings_of_columns, neuron_order, interval, lines.plotted_weights, lines.weight_on_drop,
    )
}  # fmt: skip
"""The comparisons by name."""
