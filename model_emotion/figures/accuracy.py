"""Figures of accuracy: without masks, with random and attribute masks, and against the raters' agreement."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from model_emotion.base import study
from model_emotion.base.statistics import regression
from model_emotion.figures import style
from model_emotion.figures.labels import label_points
from model_emotion.figures.style import DOUBLE, SMALL
from model_emotion.figures.tables import at_size, by_weight, in_order

MARKED: dict[str, Any] = {"marker": "o", "markersize": 1.8}
_CONDITIONS = tuple(style.CONDITIONS.items())
MAJORITY = "always the majority class"
ROOM = 0.2
"""Room below the data in a panel of E2, as a share of their range, for the majority rate."""
LEAST_RANGE = 0.1
"""The least range of a panel of E2, so that differences of a few texts do not look large."""


def _majority_handle(linestyle: Literal["-", ":"]) -> Line2D:
    return Line2D([], [], color=style.QUIET, linewidth=0.9, linestyle=linestyle, label=MAJORITY)


def _rates(majority: pd.DataFrame) -> pd.Series:
    """Return the majority rate of each emotion: the mean over its seeds."""
    return majority.groupby("emotion")["majority"].mean()


def by_accuracy(table: pd.DataFrame, sizes: Iterable[int]) -> list[str]:
    """Return the emotions in the study's order: by the mean over the three conditions, highest first.

    Only masks of the given sizes count.
    """
    counted = table[table["k"].isin([0, *sizes])]
    of_conditions = counted.groupby(["emotion", "condition"], sort=False)["accuracy"].mean()
    means = of_conditions.groupby("emotion", sort=False).mean()
    return list(means.sort_values(ascending=False, kind="stable").index)


def accuracy(accuracy_by_condition: pd.DataFrame, majority: pd.DataFrame, *, top_k: int) -> Figure:
    """Draw C1 and E1: accuracy of each emotion without a mask, with a random and with an attribute mask.

    Bars reach half a standard error each way, as in the study.
    """
    emotions = by_accuracy(accuracy_by_condition, [top_k])
    figure = style.canvas(DOUBLE, 84)
    ax = figure.subplots()
    ax.grid(axis="y")
    for condition, shift in zip(style.CONDITIONS, (-0.18, 0, 0.18), strict=True):
        table = accuracy_by_condition[accuracy_by_condition["condition"] == condition]
        rows = at_size(table, 0 if condition == "none" else top_k).set_index("emotion").loc[emotions]
        mean, half = rows["accuracy"].to_numpy(), rows["se"].to_numpy() / 2
        place, colour = np.arange(len(emotions)) + shift, style.CONDITIONS[condition]
        style.dots(ax, mean, mean - half, mean + half, place, colour, size=2.6, horizontal=False)
    middle = np.arange(len(emotions))
    rates = _rates(majority).reindex(emotions)
    ax.hlines(rates, middle - 0.35, middle + 0.35, color=style.QUIET, linewidth=0.9)
    style.names_below(ax, emotions, rotation=60)
    ax.set(ylabel="accuracy", xlim=(-0.6, len(emotions) - 0.4))
    style.in_percent(ax.yaxis)
    handles = [style.dot_handle(colour, style.CONDITION_NAMES[name]) for name, colour in _CONDITIONS]
    _legend(figure, [*handles, _majority_handle("-")])
    return figure


def _legend(figure: Figure, handles: list[Line2D]) -> None:
    style.legend_above(figure, handles, len(handles), handletextpad=0.4, columnspacing=1.4)


def accuracy_by_size(accuracy_by_condition: pd.DataFrame, majority: pd.DataFrame) -> Figure:
    """Draw C1 and E2: accuracy by mask size, one panel per emotion, each with its own scale."""
    table, rates = accuracy_by_condition, _rates(majority)
    emotions = by_accuracy(table, table.loc[table["condition"] == "attribute", "k"].unique())
    figure = style.canvas(DOUBLE, 165)
    axes = style.panels(figure, len(emotions), 6, sharex=True)
    for ax, emotion in zip(axes, emotions, strict=True):
        _sizes_of_emotion(ax, table[table["emotion"] == emotion], rates.get(emotion, np.nan))
        ax.set_title(emotion)
    axes[0].set_xlim(0, None)
    axes[0].xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
    axes[0].xaxis.set_major_locator(style.ticks(4))
    figure.supxlabel("masked neurons (thousands)", fontsize=7)
    figure.supylabel("accuracy (%)", fontsize=7)
    looks: dict[str, dict[str, Any]] = {"none": {}, "random": MARKED, "attribute": MARKED}
    handles = [
        Line2D([], [], color=colour, label=style.CONDITION_NAMES[name], **looks[name])
        for name, colour in _CONDITIONS
    ]
    _legend(figure, [*handles, _majority_handle(":")])
    return figure


def _sizes_of_emotion(ax: Axes, table: pd.DataFrame, rate: float) -> None:
    """Draw one panel of E2. The majority rate is a line, or its number if it is far below the data."""
    ax.grid()
    mean, se = table.loc[table["condition"] == "none", ["accuracy", "se"]].iloc[0]
    ax.axhline(mean, color=style.CONDITIONS["none"])
    ax.axhspan(mean - se / 2, mean + se / 2, color=style.CONDITIONS["none"], alpha=0.15, linewidth=0)
    for condition in ("random", "attribute"):
        rows = table[table["condition"] == condition].sort_values("k")
        ax.errorbar(rows["k"], rows["accuracy"], rows["se"] / 2, color=style.CONDITIONS[condition], **MARKED)
    half = table["se"].fillna(0) / 2
    low, high = (table["accuracy"] - half).min(), (table["accuracy"] + half).max()
    more = max(0, LEAST_RANGE - (high - low)) / 2
    low, high = low - more, high + more
    room = ROOM * (high - low)
    ax.set_ylim(low - room, high + room / 4)
    if low - room <= rate:
        ax.axhline(rate, color=style.QUIET, linewidth=0.9, linestyle=":")
    elif np.isfinite(rate):
        text = f"majority {100 * rate:.0f}"
        ax.text(0.03, 0.02, text, transform=ax.transAxes, va="bottom", fontsize=SMALL, color="#555555")
    ax.yaxis.set_major_locator(style.ticks(4))
    style.in_points(ax.yaxis)


def accuracy_and_agreement(accuracy: pd.DataFrame, agreement: pd.DataFrame) -> Figure:
    """Draw C2: accuracy of each emotion against the agreement of GoEmotions' raters."""
    mean = accuracy.groupby("emotion", sort=False)["accuracy"].mean()
    kappa = agreement.set_index("emotion")["kappa"].reindex(mean.index).dropna()
    x, y = kappa.to_numpy(), mean[kappa.index].to_numpy()
    figure = style.canvas(DOUBLE, 84)
    ax = figure.subplots()
    ax.grid()
    ax.scatter(x, y, s=9, color=style.EXAMPLE, linewidths=0, zorder=3)
    ax.set(xlabel="agreement of raters (Cohen's κ)", ylabel="accuracy without mask")
    ax.set_title(f"Pearson's r = {regression(x, y).r:.2f} over {len(x)} emotions", loc="left")
    ax.margins(0.06)
    style.in_percent(ax.yaxis)
    label_points(ax, x, y, list(kappa.index), SMALL)
    return figure


def accuracy_by_mask(accuracy_by_mask: pd.DataFrame, weights: pd.DataFrame) -> Figure:
    """Draw E11: accuracy of every emotion under every mask.

    One panel per attribute: random masks on the left, the attribute's masks on the right.
    """
    table = accuracy_by_mask.assign(attribute=accuracy_by_mask["attribute"].fillna(""))
    emotions = in_order(table["emotion"].unique(), study.EMOTIONS)
    attributes = by_weight(table.loc[table["kind"] == "attribute", "attribute"].unique(), weights)
    norm = Normalize(100 * min(0.5, table["accuracy"].min()), 100)
    figure = style.canvas(DOUBLE, 190)
    axes = style.panels(figure, len(attributes), 7, sharey=True)
    for ax, attribute in zip(axes, attributes, strict=True):
        own = table["attribute"].isin([attribute, ""])  # random masks that all attributes share have no name
        random, masked = (
            table[own & (table["kind"] == kind)].pivot(index="emotion", columns="k", values="accuracy")
            for kind in ("random", "attribute")
        )
        gap = np.full((len(emotions), 1), np.nan)
        values = np.hstack([random.reindex(emotions), gap, masked.reindex(emotions)])
        image = style.heat_map(ax, 100 * values, style.SCORE, norm)
        style.names_beside(ax, emotions)
        _name_columns(ax, {"random": random.columns, "own": masked.columns})
        ax.set_title(attribute)
    label = "masked neurons, thousands, rising within each block: random ones, and the attribute's own"
    figure.supxlabel(label, fontsize=7)
    style.colour_bar(figure, image, list(axes), "accuracy (%)", shrink=0.4)
    return figure


def _name_columns(ax: Axes, blocks: Mapping[str, pd.Index]) -> None:
    """Write the least size of each block of columns, the largest of the last, and the blocks' names below."""
    sizes, names, begin = {}, {}, 0
    for name, block in blocks.items():
        last = begin + len(block) - 1
        sizes[begin] = block[0]
        names[(begin + last) / 2] = name
        begin = last + 2  # a gap is between the blocks
    sizes[last] = block[-1]
    ax.set_xticks(list(sizes), [f"{k / 1000:.2g}" for k in sizes.values()])
    ax.xaxis.remove_overlapping_locs = False  # a block of one column has its size and its name there
    ax.set_xticks(list(names), list(names.values()), minor=True)
    ax.tick_params(axis="x", which="both", length=0)
    ax.tick_params(axis="x", which="minor", pad=10)
