"""Figures of the re-tests: neurons under permutation, masks among random masks, and the noise ceiling."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model_emotion.base.results import HOLDS
from model_emotion.figures import style
from model_emotion.figures.style import SINGLE


def _asked(retests: pd.DataFrame, question: str) -> pd.DataFrame:
    """Return the rows of a question by key, in the table's order."""
    return retests[retests["question"] == question].set_index("key")


def _colours(names: Iterable[str]) -> list[str]:
    return [style.NAME_COLOURS.get(name, "black") for name in names]


def neurons_beyond_chance(significant_by_layer: pd.DataFrame, retests: pd.DataFrame) -> Figure:
    """Draw H1: for each attribute, the neurons that are significant by the study's q, and those that remain.

    Those that remain exceed the largest tau of all neurons by chance, when the emotions are permuted.
    """
    kept = _asked(retests, "significant_neurons")["estimate"]
    found = significant_by_layer.groupby("attribute", sort=False, observed=True)["significant"].sum()
    names = list(found.sort_values(ascending=False, kind="stable").index)
    figure = style.canvas(SINGLE, 78)
    ax = figure.subplots()
    ax.grid(axis="x")
    ax.set_xscale("symlog", linthresh=1, linscale=0.4)
    place = np.arange(len(names))
    ax.hlines(place, kept.reindex(names), found[names], color=style.QUIET, linewidth=0.9)
    dot: dict[str, Any] = {"s": 14, "edgecolors": _colours(names), "linewidths": 0.9, "zorder": 3}
    ax.scatter(found[names], place, facecolors="white", label="by the study's q", **dot)
    ax.scatter(kept.reindex(names), place, c=_colours(names), label="beyond the largest by chance", **dot)
    style.names_beside(ax, names)
    ax.set_xlim(-0.15, 2 * found.max() + 1)
    ax.set_xlabel("neurons (0, then logarithmic)", loc="right")
    style.legend_above(figure, None, 2, handletextpad=0.2, columnspacing=1.2)
    return figure


def _axes(height: float) -> tuple[Figure, Axes]:
    """Return a figure as wide as a column, and its axes with a line at 0."""
    figure = style.canvas(SINGLE, height)
    ax = figure.subplots()
    ax.grid(axis="x")
    ax.axvline(0, color="black", linewidth=0.5)
    return figure, ax


def _estimates(ax: Axes, rows: pd.DataFrame) -> None:
    """Draw the estimates of rows with their intervals, the names downwards; filled if the re-test holds."""
    estimate, low, high = (rows[name] for name in ("estimate", "ci_low", "ci_high"))
    holds, place = rows["verdict"] == HOLDS, np.arange(len(rows))
    style.dots(ax, estimate, low, high, place, _colours(rows.index), holds, size=2.8)
    style.names_beside(ax, rows.index)


def masks_among_random(retests: pd.DataFrame) -> Figure:
    """Draw H2: how far below the random masks each attribute's mask lies, with the re-test's interval."""
    rows = _asked(retests, "place_among_random").sort_values("estimate", ascending=False, kind="stable")
    figure, ax = _axes(78)
    _estimates(ax, rows)
    style.in_points(ax.xaxis)
    k, random = rows[["k", "n"]].iloc[0].astype(int)
    holds = (rows["verdict"] == HOLDS).sum()
    ax.set_title(f"{k:,} neurons, {random} random masks: {holds} of {len(rows)} hold", loc="left")
    ax.set_xlabel("accuracy below random masks (percentage points)", loc="right")
    return figure


def human_space(retests: pd.DataFrame) -> Figure | None:
    """Draw H4: mean tau of the model's and each attribute's RDM with single subjects' RDMs.

    A band is the noise ceiling. Returns None if nobody judged the run's emotions.
    """
    rows = _asked(retests, "agreement_with_subjects").sort_values("estimate", ascending=False, kind="stable")
    ceiling = _asked(retests, "noise_ceiling")["estimate"]
    if rows.empty:
        return None
    figure, ax = _axes(82)
    ax.axvspan(ceiling["lower"], ceiling["upper"], color=style.QUIET, alpha=0.5, linewidth=0)
    _estimates(ax, rows)
    ax.set_title("grey: noise ceiling", loc="left")
    ax.set_xlabel("Kendall's tau with single subjects, mean", loc="right")
    return figure
