"""Figures of masking: drops by emotion and by attribute, and how they correlate with the human weights."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model_emotion.base.errors import UserError
from model_emotion.base.statistics import line_interval
from model_emotion.figures import style
from model_emotion.figures.labels import label_points
from model_emotion.figures.style import DOUBLE, SINGLE, SMALL
from model_emotion.figures.tables import at_size, by_weight, wide

DROP = "accuracy drop against random masks (percentage points)"
WEIGHT = "weight in the human space (Kendall's τ)"
Colours = Callable[[Iterable[str]], list[str]]


def _drop_panel(
    ax: Axes, rows: pd.DataFrame, names: list[str], column: str, colours: Colours, size: float = 2.8
) -> int:
    """Draw drops with intervals, filled and starred where significant; return the number of stars."""
    table = rows.set_index(column).reindex(names)
    ax.grid(axis="x")
    ax.axvline(0, color="black", linewidth=0.5)
    star = table["star"].fillna(False).to_numpy(dtype=bool)
    drop, low, high = (table[name] for name in ("drop", "ci_low", "ci_high"))
    style.dots(ax, drop, low, high, np.arange(len(names)), colours(names), star, size)
    style.names_beside(ax, names)
    style.in_points(ax.xaxis)
    for row in np.flatnonzero(star):
        ax.text(1, row + 0.2, "*", transform=ax.get_yaxis_transform(), ha="right", va="center", fontsize=8)
    return int(star.sum())


def _drops_at_size(ax: Axes, table: pd.DataFrame, column: str, top_k: int, colours: Colours) -> list[str]:
    """Draw the drops with masks of one size, largest first; return the names in this order."""
    rows = at_size(table, top_k).sort_values("drop", ascending=False, kind="stable")
    names = list(rows[column])
    stars = _drop_panel(ax, rows, names, column, colours)
    ax.set_title(f"{top_k:,} masked neurons: {stars} of {len(names)} significant", loc="left")
    ax.set_xlim(right=rows["ci_high"].max() + 0.08 * (rows["ci_high"].max() - rows["ci_low"].min()))
    return names


def _drops_by_size(
    table: pd.DataFrame, column: str, colours: Colours, height: float, columns: int, size: float
) -> Figure:
    sizes = np.sort(table["k"].unique())
    means = table.groupby(column, sort=False)["drop"].mean()
    names = list(means.sort_values(ascending=False, kind="stable").index)
    figure = style.canvas(DOUBLE, height)
    axes = style.panels(figure, len(sizes), columns, sharey=True, sharex=True)
    for ax, k in zip(axes, sizes, strict=True):
        stars = _drop_panel(ax, at_size(table, k), names, column, colours, size)
        ax.set_title(f"{k:,} neurons\n{stars} of {len(names)} *")
    low, high = table["ci_low"].min(), table["ci_high"].max()
    axes[0].set_xlim(low - 0.05 * (high - low), high + 0.15 * (high - low))
    axes[0].xaxis.set_major_locator(style.ticks(5 if min(len(sizes), columns) > 4 else 7))
    figure.supxlabel(DROP, fontsize=7)
    return figure


def _one_colour(names: Iterable[str]) -> list[str]:
    return [style.CONDITIONS["attribute"] for _ in names]


def _space_colours(names: Iterable[str]) -> list[str]:
    return [style.NAME_COLOURS.get(name, style.QUIET) for name in names]


def drop_by_emotion(drop_by_emotion: pd.DataFrame, *, top_k: int) -> Figure:
    """Draw E3: each emotion's drop with attribute masks of one size, largest first."""
    figure = style.canvas(SINGLE, 108)
    ax = figure.subplots()
    _drops_at_size(ax, drop_by_emotion, "emotion", top_k, _one_colour)
    ax.set_xlabel(DROP, loc="right")
    return figure


def drop_by_emotion_and_size(drop_by_emotion: pd.DataFrame) -> Figure:
    """Draw E4: the same for every size, emotions by their mean drop."""
    sizes = drop_by_emotion["k"].nunique()
    return _drops_by_size(drop_by_emotion, "emotion", _one_colour, 112, columns=sizes, size=2.8)


def drop_by_attribute(drop_by_attribute: pd.DataFrame, weights: pd.DataFrame, *, top_k: int) -> Figure:
    """Draw E5: the drop with each attribute's mask of one size, largest first, beside its human weight.

    There is no panel of weights if nobody judged the run's emotions.
    """
    figure = style.canvas(SINGLE, 74)
    widths = [1.7, 1] if len(weights) else [1]
    axes = figure.subplots(1, len(widths), width_ratios=widths)
    ax, *beside = np.atleast_1d(axes)
    names = _drops_at_size(ax, drop_by_attribute, "attribute", top_k, _space_colours)
    ax.set_xlabel("accuracy drop against\nrandom masks (points)")
    for other in beside:
        tau = weights.set_index("attribute")["tau_boot"].reindex(names)
        other.grid(axis="x")
        other.axvline(0, color="black", linewidth=0.5)
        other.hlines(range(len(names)), 0, tau, colors=_space_colours(names), linewidth=2.5)
        style.names_beside(other, [""] * len(names))
        other.set_xlabel("weight in the human\nspace (Kendall's τ)")
        other.xaxis.set_major_locator(style.ticks(3))
    style.space_legend(figure, drop_by_attribute["attribute"])
    return figure


def drop_by_attribute_and_size(drop_by_attribute: pd.DataFrame) -> Figure:
    """Draw E6: the same for every size, attributes by their mean drop."""
    sizes = drop_by_attribute["k"].nunique()
    height, size = (128, 2.0) if sizes > 4 else (72, 2.8)
    figure = _drops_by_size(drop_by_attribute, "attribute", _space_colours, height, columns=4, size=size)
    style.space_legend(figure, drop_by_attribute["attribute"])
    return figure


def drop_by_cell(drop_by_cell: pd.DataFrame, weights: pd.DataFrame, *, top_k: int) -> Figure:
    """Draw E7: the drop of every emotion with every attribute's mask of one size."""
    table = at_size(drop_by_cell, top_k)
    emotions, attributes = list(table["emotion"].unique()), by_weight(table["attribute"].unique(), weights)
    drop, star = (
        wide(table, "attribute", "emotion", name, attributes, emotions) for name in ("drop", "star")
    )
    star = star.fillna(False).to_numpy(dtype=bool)
    figure = style.canvas(DOUBLE, 82)
    ax = figure.subplots()
    image = style.heat_map(ax, 100 * drop, style.SIGNED, style.around_zero(100 * drop))
    style.print_values(ax, image, np.where(star, "*", ""))
    style.names_beside(ax, attributes)
    style.names_below(ax, emotions)
    ax.set_title(f"{top_k:,} masked neurons: {star.sum()} of {star.size} significant", loc="left")
    style.colour_bar(figure, image, ax, "accuracy drop against\nrandom masks (percentage points)")
    return figure


def dip(unimodality: pd.DataFrame, weights: pd.DataFrame) -> Figure:
    """Draw E8: Hartigan's dip of each attribute's effects over the emotions, with a star where p < .05."""
    sizes = np.sort(unimodality["k"].unique())
    attributes = by_weight(unimodality["attribute"].unique(), weights)
    dips, p = (
        wide(unimodality, "attribute", "k", name, attributes, sizes).to_numpy() for name in ("dip", "p")
    )
    figure = style.canvas(SINGLE, 72)
    ax = figure.subplots()
    image = style.heat_map(ax, dips, "cividis")
    labels = [
        [f"{value:.3f}".lstrip("0") + "*" * int(chance < 0.05) for value, chance in zip(*row, strict=True)]
        for row in zip(dips, p, strict=True)
    ]
    style.print_values(ax, image, labels)
    style.names_beside(ax, attributes)
    style.names_below(ax, [f"{k:,}" for k in sizes], rotation=0)
    ax.set(xlabel="masked neurons")
    ax.set_title(f"Hartigan's dip of the effects; least p = {p.min():.2f}", loc="left")
    return figure


def human_correlation(
    human_correlation: pd.DataFrame, human_correlation_summary: pd.DataFrame, *, emotion: str
) -> Figure:
    """Draw E9: correlation of drop with human weight by mask size, of each emotion and on average."""
    summary = human_correlation_summary.sort_values("k")
    sizes, emotions = list(summary["k"]), list(human_correlation["emotion"].unique())
    spread = dict(zip(emotions, np.linspace(-0.3, 0.1, len(emotions)), strict=True))
    figure = style.canvas(SINGLE, 68)
    ax = figure.subplots()
    ax.grid(axis="y")
    ax.axhline(0, color="black", linewidth=0.5)
    x = human_correlation["k"].map(sizes.index) + human_correlation["emotion"].map(spread)
    r, example = human_correlation["r"], (human_correlation["emotion"] == emotion).to_numpy()
    ax.scatter(x[~example], r[~example], s=5, color=style.QUIET, linewidths=0, label="an emotion")
    look: dict[str, Any] = {"s": 9, "marker": "D", "color": style.EXAMPLE, "linewidths": 0}
    ax.scatter(x[example], r[example], label=emotion, **look)
    mean, low, high = (summary[name] for name in ("mean_r", "ci_low", "ci_high"))
    places, colour = np.arange(len(sizes)), style.CONDITIONS["attribute"]
    style.dots(ax, mean, low, high, places + 0.25, colour, size=4, horizontal=False)
    ax.scatter([], [], s=16, color=colour, label="mean, 95 % interval")
    ax.set_xticks(places, [f"{k:,}" for k in sizes])
    ax.set(xlabel="masked neurons", ylabel="correlation with human weight (r)")
    style.legend_above(figure, None, 3, handletextpad=0.2, columnspacing=1.2)
    return figure


def regression_lines(
    drop_by_cell: pd.DataFrame,
    human_correlation: pd.DataFrame,
    weights: pd.DataFrame,
    *,
    top_k: int,
    emotion: str,
) -> Figure:
    """Draw E10: every emotion's line of drop on human weight (left), and one emotion's attributes (right).

    Raises UserError if the emotion is not one of the run's.
    """
    lines = at_size(human_correlation, top_k).set_index("emotion")
    if emotion not in lines.index:
        raise UserError(f"params.yaml: figures.emotion: '{emotion}' is not one of the run's emotions")
    cells = at_size(drop_by_cell, top_k).query("emotion == @emotion").set_index("attribute")
    weight = weights.set_index("attribute")["tau_boot"].reindex(cells.index)
    ends = np.array([weight.min(), weight.max()])
    figure = style.canvas(DOUBLE, 84)
    left, right = figure.subplots(1, 2)
    _lines(left, lines, emotion, ends)
    left.set_title(f"{len(lines)} emotions, {top_k:,} masked neurons", loc="left")
    across, fitted = _one_line(right, weight.to_numpy(), cells["drop"], lines.loc[emotion], ends)
    r = lines.loc[emotion, "r"]
    shown = f"r = {r:.2f}" if np.isfinite(r) else "the same drop"
    right.set_title(f"{emotion}: {shown} over {len(weight)} attributes", loc="left")
    for ax in (left, right):
        ax.grid()
        ax.margins(0.08)
        ax.set_xlabel(WEIGHT)
        style.in_points(ax.yaxis)
    left.set_ylabel(DROP)
    style.space_legend(figure, cells.index)
    points, avoid = (weight.to_numpy(), cells["drop"].to_numpy()), np.column_stack([across, fitted])
    label_points(right, *points, list(cells.index), SMALL, avoid=avoid)
    return figure


def _lines(ax: Axes, lines: pd.DataFrame, emotion: str, ends: np.ndarray) -> None:
    """Draw the regression line of every emotion between the ends of the weights; one of them stands out."""
    heights = lines["intercept"].to_numpy()[:, None] + lines["slope"].to_numpy()[:, None] * ends
    ax.plot(ends, heights.T, color=style.QUIET, linewidth=0.8)
    height = heights[lines.index.get_loc(emotion)]
    ax.plot(ends, height, color=style.EXAMPLE, linewidth=1.8)
    look: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "color": style.EXAMPLE}
    ax.annotate(emotion, (ends[1], height[1]), (-3, 4), **look)


def _one_line(
    ax: Axes, weight: np.ndarray, drop: pd.Series, line: pd.Series, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw drops [attributes] on weights, with their line and its 95 % interval; return 50 of its points."""
    across = np.linspace(ends[0], ends[1], 50)
    fitted, half = line_interval(weight, drop.to_numpy(), line["slope"], line["intercept"], across)
    ax.fill_between(across, fitted - half, fitted + half, color=style.EXAMPLE, alpha=0.12, linewidth=0)
    ax.plot(across, fitted, color=style.EXAMPLE, linewidth=1.8)
    ax.scatter(weight, drop, s=12, color=_space_colours(drop.index), zorder=3, linewidths=0)
    return across, fitted
