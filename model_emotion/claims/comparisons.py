"""How a claim is answered: each measure reads a table of results and sets what it finds beside what the study published.

A measure is a function of (claim, table of the file that answers it) -> Finding. claims.yaml calls it by its name.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv
from model_emotion.inputs.registry import raw
from model_emotion.rsa import rdm

READINGS = Path(__file__).parents[2] / "data/figure_readings.csv"
"""Values read off the study's figures: docs/method.md says how."""


@dataclass(frozen=True)
class Finding:
    """What a measure found: the regenerated and the published value, and how far they are apart (0 or 1 for words)."""

    regenerated: float | int | str
    published: float | int | str
    difference: float
    reason: str = ""
    """Why it does not hold, of a measure that is no comparison: then it is NOT REPRODUCED, not FAIL."""


def _rows(claim, table):
    return table.query(claim.where) if claim.where else table


def _beside(regenerated, published):
    words = isinstance(regenerated, str) or isinstance(published, str)
    difference = float(regenerated != published) if words else abs(float(regenerated) - float(published))
    return Finding(regenerated, published, difference)


def value(claim, table):
    """The one row's value in a column."""
    rows = _rows(claim, table)
    if len(rows) != 1:
        raise UserError(f"{claim.file}: {len(rows)} rows where {claim.where}, not one")
    return _beside(rows[claim.column].item(), claim.published)


def count(claim, table):
    """How many rows there are."""
    return _beside(len(_rows(claim, table)), claim.published)


def mean(claim, table):
    """The mean of a column."""
    return _beside(float(_rows(claim, table)[claim.column].mean()), claim.published)


def _totals(claim, table):
    return _rows(claim, table).groupby(claim.by, sort=False)[claim.column]


def least_sum(claim, table):
    """The label in `by` whose values of `column` add up to least."""
    return _beside(_totals(claim, table).sum().idxmin(), claim.published)


def most_sum(claim, table):
    """The label in `by` whose values of `column` add up to most."""
    return _beside(_totals(claim, table).sum().idxmax(), claim.published)


def least_mean(claim, table):
    """The label in `by` with the least mean of `column`."""
    return _beside(_totals(claim, table).mean().idxmin(), claim.published)


def most_mean(claim, table):
    """The label in `by` with the largest mean of `column`."""
    return _beside(_totals(claim, table).mean().idxmax(), claim.published)


def _labels_are_right(claim, table, columns):
    """Raise UserError unless the table's emotions, pairs and columns are the study's, in its order: cells are compared by place."""
    pairs = rdm.pair_names(study.EMOTIONS)
    expected = {"emotion": list(study.EMOTIONS), **{name: list(pairs[name]) for name in pairs}}
    for name in expected.keys() & set(table):
        if list(table[name]) != expected[name]:
            raise UserError(f"{claim.file}: column {name} is not in the study's order")
    ours = list(table.select_dtypes("number"))
    known = {tuple(study.ATTRIBUTES), tuple(pairs["emotion_a"] + "|" + pairs["emotion_b"]), ("distance",)}
    if tuple(ours) not in known or (set(columns) <= set(study.ATTRIBUTES) and ours != list(columns)):
        raise UserError(f"{claim.file}: its columns are not those of {claim.reference}")


def same_table(claim, table):
    """Largest absolute difference over all number cells to a released table of the same rows and columns."""
    released = read_csv(raw("reference", claim.reference))
    _labels_are_right(claim, table, released.columns)
    ours, theirs = table.select_dtypes("number").to_numpy(), released.to_numpy()
    if ours.shape != theirs.shape:
        raise UserError(f"{claim.file}: {ours.shape} cells, but {theirs.shape} in {claim.reference}")
    return Finding("as released", f"{theirs.size:,} cells", float(np.abs(ours - theirs).max()))


def same_percentiles(claim, table):
    """As same_table, on each column's percentiles, which the RDM images show; distances equal to 9 decimals are ties."""
    released = read_csv(raw("reference", claim.reference))
    _labels_are_right(claim, table, released.columns)
    ours, theirs = (
        values.round(9).rank(pct=True).to_numpy() for values in (table.select_dtypes("number"), released)
    )
    return Finding("as released", f"{theirs.size:,} cells", float(np.abs(ours - theirs).max()))


def same_loadings(claim, table):
    """Largest absolute difference to the loadings that the study's document tabulates, item by item."""
    from model_emotion.human.appraisal import published_loadings

    theirs = published_loadings(raw("human", claim.reference))
    ours = table.set_index("item").loc[theirs.index, theirs.columns]
    return Finding("as released", f"{theirs.size:,} cells", float(np.abs(ours - theirs).to_numpy().max()))


def _both_ranks(claim, table):
    theirs = read_csv(raw("reference", claim.reference))
    right = np.array_equal(table["attribute"], np.tile(theirs.columns, len(theirs)))
    if not right or not np.array_equal(
        table["neuron"], np.repeat(np.arange(1, len(theirs) + 1), theirs.shape[1])
    ):
        raise UserError(f"{claim.file}: neurons and attributes are not in the order of {claim.reference}")
    ours = pd.DataFrame(table["rank"].to_numpy().reshape(theirs.shape), columns=theirs.columns)
    return ours, theirs


def same_ranks(claim, table):
    """The share of rank cells that are not identical to the released ones."""
    ours, theirs = _both_ranks(claim, table)
    found = float((ours == theirs).to_numpy().mean())
    return Finding(f"{found:.1%} identical", f"{theirs.size:,} cells", 1 - found)


def same_order(claim, table):
    """The least Spearman correlation of a column of ranks with the released one, as a distance from 1."""
    ours, theirs = _both_ranks(claim, table)
    least = min(float(ours[name].corr(theirs[name])) for name in theirs)
    return Finding(least, 1, 1 - least)


def same_best(claim, table):
    """How many of the sets of N best neurons, every attribute and N, are the released ones exactly."""
    ours, theirs = _both_ranks(claim, table)
    equal = [
        ((ours[name] <= k) == (theirs[name] <= k)).all() for name in theirs for k in study.ATTRIBUTE_TOP_K
    ]
    return _beside(int(sum(equal)), len(equal))


def same_dips(claim, table):
    """How many dips equal the released ones to three significant digits."""
    theirs = read_csv(raw("reference", claim.reference))
    ours = table.set_index(["k", "attribute"])["dip"]
    equal = [float(f"{ours[row.Criteria, row.Feature]:.3g}") == row.D for row in theirs.itertuples()]
    return _beside(sum(equal), len(theirs))


def readings(claim, table):
    """How many values read off a figure are met by `column`, a column or a formula of columns.

    Each within its own resolution, or `within` where the claim sets one.
    """
    read = read_csv(READINGS).query(claim.where)
    keys = [claim.by] if isinstance(claim.by, str) else claim.by
    table = table.assign(_ours=table.eval(claim.column).astype(float))
    both = read.merge(table[[*keys, "_ours"]], on=keys, how="left")
    if len(both) != len(read):
        raise UserError(f"{claim.file}: {', '.join(keys)} do not tell its rows apart")
    ours = both["_ours"]
    if not len(both) or ours.isna().any():
        raise UserError(
            f"{claim.file}: no value for {'any reading' if not len(both) else both.loc[ours.isna(), keys].iloc[0].to_dict()}"
        )
    limit = both["resolution"] if claim.within is None else claim.within
    met = int(((both["value"] - ours).abs() <= limit + 1e-12).sum())
    return Finding(f"{met:,} met", f"{len(both):,} read", len(both) - met)


def neuron_order(claim, activations):
    """Spearman correlation of the mean RDM of neuron `column` with colours read off its image, as a distance from 1."""
    neuron = activations.values[:, :, int(claim.column) - 1]
    ours = rdm.pair_names(activations.emotions).assign(distance=rdm.absolute_rdm(neuron).mean(axis=0))
    ours["emotion"] = ours["emotion_a"] + "|" + ours["emotion_b"]
    both = read_csv(READINGS).query(claim.where).merge(ours, on="emotion")
    if len(both) != len(ours):
        raise UserError(f"{READINGS}: {len(both)} pairs read, not {len(ours)}")
    found = float(both["value"].corr(both["distance"], method="spearman"))
    return Finding(found, 1, 1 - found)


def _short(number):
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def interval(claim, table):
    """Whether a re-test holds: its interval lies above 0, or its p is below .05, whichever decides. The study has no value to compare."""
    rows = _rows(claim, table)
    if len(rows) != 1:
        raise UserError(f"{claim.file}: {len(rows)} rows where {claim.where}, not one")
    row = rows.iloc[0]
    by_p = {"p": True, "interval": False}[row["decided_by"]]
    holds = bool(row["p"] < 0.05 if by_p else row["ci_low"] > 0)
    known = not np.isnan([row["estimate"], row["p"] if by_p else row["ci_low"]]).any()
    if holds != (row["verdict"] == "holds") or (
        known and not by_p and not row["ci_low"] <= row["estimate"] <= row["ci_high"]
    ):
        raise UserError(
            f"{claim.file}: estimate, limits, p and verdict contradict each other where {claim.where}"
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


COMPARISONS = {
    measure.__name__: measure
    for measure in (
        value, count, mean, least_sum, most_sum, least_mean, most_mean, same_table, same_percentiles, same_loadings,
        same_ranks, same_order, same_best, same_dips, readings, neuron_order, interval,
    )
}  # fmt: skip
