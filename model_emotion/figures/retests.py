"""Figures of the re-tests: what is left of the neurons under permutation, where masks stand among random ones, and the noise ceiling."""

import numpy as np

from model_emotion.base.results import HOLDS
from model_emotion.figures import style
from model_emotion.figures.style import SINGLE


def _asked(retests, question):
    """Rows of a question by key, in the table's order."""
    return retests[retests["question"] == question].set_index("key")


def _colours(names):
    return [style.NAME_COLOURS.get(name, "black") for name in names]


def neurons_beyond_chance(significant_by_layer, retests):
    """H1: neurons of each attribute that are significant by the study's q, and those beyond the largest tau of permuted emotions."""
    kept = _asked(retests, "significant_neurons")["estimate"]
    found = significant_by_layer.groupby("attribute", sort=False, observed=True)["significant"].sum()
    names = list(found.sort_values(ascending=False, kind="stable").index)
    figure = style.canvas(SINGLE, 78)
    ax = figure.subplots()
    ax.grid(axis="x")
    ax.set_xscale("symlog", linthresh=1, linscale=0.4)
    place = np.arange(len(names))
    ax.hlines(place, kept.reindex(names), found[names], color=style.QUIET, linewidth=0.9)
    dot = {"s": 14, "edgecolors": _colours(names), "linewidths": 0.9, "zorder": 3}
    ax.scatter(found[names], place, facecolors="white", label="by the study's q", **dot)
    ax.scatter(kept.reindex(names), place, c=_colours(names), label="beyond the largest by chance", **dot)
    style.names_beside(ax, names)
    ax.set_xlim(-0.15, 2 * found.max() + 1)
    ax.set_xlabel("neurons (0, then logarithmic)", loc="right")
    figure.legend(loc="outside upper center", ncols=2, handletextpad=0.2, columnspacing=1.2)
    return figure


def masks_among_random(retests):
    """H2: how far below the random masks each attribute's lies, and the interval that one more random mask would leave."""
    rows = _asked(retests, "place_among_random").sort_values("estimate", ascending=False, kind="stable")
    names, holds = list(rows.index), (rows["verdict"] == HOLDS).to_numpy()
    figure = style.canvas(SINGLE, 78)
    ax = figure.subplots()
    ax.grid(axis="x")
    ax.axvline(0, color="black", linewidth=0.5)
    style.dots(
        ax,
        rows["estimate"],
        rows["ci_low"],
        rows["ci_high"],
        np.arange(len(names)),
        _colours(names),
        holds,
        size=2.8,
    )
    style.names_beside(ax, names)
    style.in_points(ax.xaxis)
    k, random = rows[["k", "n"]].iloc[0].astype(int)
    ax.set_title(f"{k:,} neurons, {random} random masks: {holds.sum()} of {len(names)} hold", loc="left")
    ax.set_xlabel("accuracy below random masks (percentage points)", loc="right")
    return figure


def human_space(retests):
    """H4: mean tau of the model's and each attribute's RDM with single subjects'; the noise ceiling is a band.

    None where nobody judged the run's emotions.
    """
    rows = _asked(retests, "agreement_with_subjects").sort_values("estimate", ascending=False, kind="stable")
    ceiling = _asked(retests, "noise_ceiling")["estimate"]
    if rows.empty:
        return None
    names = list(rows.index)
    figure = style.canvas(SINGLE, 82)
    ax = figure.subplots()
    ax.grid(axis="x")
    ax.axvline(0, color="black", linewidth=0.5)
    ax.axvspan(ceiling["lower"], ceiling["upper"], color=style.QUIET, alpha=0.5, linewidth=0)
    holds = rows["verdict"] == HOLDS
    style.dots(
        ax,
        rows["estimate"],
        rows["ci_low"],
        rows["ci_high"],
        np.arange(len(names)),
        _colours(names),
        holds,
        size=2.8,
    )
    style.names_beside(ax, names)
    ax.set_title("grey: noise ceiling", loc="left")
    ax.set_xlabel("Kendall's tau with single subjects, mean", loc="right")
    return figure
