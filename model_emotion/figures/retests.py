"""Figures of the re-tests: neurons under permutation, masks among random masks, and the noise ceiling."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from model_emotion.base.results import HOLDS
from model_emotion.figures import style
from model_emotion.figures.style import DOUBLE, SINGLE


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
    figure = style.canvas(SINGLE, 84)
    ax = figure.subplots()
    ax.grid(axis="x")
    ax.set_xscale("symlog", linthresh=1, linscale=0.4)
    place = np.arange(len(names))
    ax.hlines(place, kept.reindex(names), found[names], color=style.QUIET, linewidth=0.9)
    dot: dict[str, Any] = {"s": 14, "edgecolors": _colours(names), "linewidths": 0.9, "zorder": 3}
    ax.scatter(found[names], place, facecolors="white", **dot)
    ax.scatter(kept.reindex(names), place, c=_colours(names), **dot)
    style.names_beside(ax, names)
    ax.set_xlim(-0.15, 2 * found.max() + 1)
    ax.set_xlabel("neurons (0, then logarithmic)", loc="right")
    style.space_legend(figure, names, filled="beyond chance", hollow="by the study's q")
    return figure


def layers_and_accuracy(
    mask_layers: pd.DataFrame, accuracy_by_mask: pd.DataFrame, drop_by_cell: pd.DataFrame, top_k: int
) -> Figure:
    """Draw H2: in which layers each attribute's masked neurons lie, beside the accuracy with its mask.

    Attributes are sorted by that accuracy, the lowest first. drop_by_cell has the emotions that are tested.
    """
    tested = accuracy_by_mask["emotion"].isin(drop_by_cell["emotion"])
    of_size = accuracy_by_mask[tested & (accuracy_by_mask["k"] == top_k)].fillna({"attribute": ""})
    mean = of_size.groupby(["kind", "attribute"], sort=False)["accuracy"].mean()
    own = mean["attribute"].sort_values(kind="stable")
    counts = mask_layers[mask_layers["k"] == top_k].pivot(
        index="attribute", columns="layer", values="neurons"
    )
    shares = counts.div(counts.sum(axis=1), axis=0).loc[own.index]
    figure = style.canvas(SINGLE, 90)
    layers, ax = figure.subplots(1, 2, width_ratios=[1.5, 1])
    image = style.heat_map(layers, 100 * shares, style.SCORE)
    style.names_beside(layers, own.index)
    layers.set_xticks(np.arange(0, shares.shape[1], 2), shares.columns[::2])
    layers.set_xlabel("layer")
    label = "% of the mask's neurons"
    style.colour_bar(figure, image, layers, label, location="top", shrink=1, ticks=style.ticks(4))
    ax.grid(axis="x")
    random, place = mean["random"], np.arange(len(own))
    each = random.reindex(own.index) if set(own.index) <= set(random.index) else random.mean()
    marks = ax.scatter(np.broadcast_to(each, place.shape), place, marker="|", s=40, color=style.QUIET)
    ax.scatter(own, place, c=_colours(own.index), s=14, zorder=3)
    handles, names = [style.dot_handle("black", ""), marks], ["with its mask", "random masks"]
    if "permuted" in mean:
        permuted = mean["permuted"].reindex(own.index)
        look: dict[str, Any] = {"facecolors": "none", "edgecolors": "black", "linewidths": 0.6}
        handles.append(ax.scatter(permuted, place, s=12, **look))
        names.append("its ratings permuted")
    ax.set_ylim(layers.get_ylim())
    ax.set_yticks([])
    style.in_percent(ax.xaxis)
    ax.set_xlabel("accuracy")
    ax.legend(handles, names, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=1)
    style.space_legend(figure, own.index)
    return figure


def _axes(height: float) -> tuple[Figure, Axes]:
    """Return a figure as wide as a column, and its axes with a line at 0."""
    figure = style.canvas(SINGLE, height)
    ax = figure.subplots()
    ax.grid(axis="x")
    ax.axvline(0, color="black", linewidth=0.5)
    return figure, ax


def _estimates(figure: Figure, ax: Axes, rows: pd.DataFrame) -> None:
    """Draw the estimates of rows with their intervals, the names downwards; filled if the re-test holds."""
    estimate, low, high = (rows[name] for name in ("estimate", "ci_low", "ci_high"))
    holds, place = rows["verdict"] == HOLDS, np.arange(len(rows))
    style.dots(ax, estimate, low, high, place, _colours(rows.index), holds, size=2.8)
    style.names_beside(ax, rows.index)
    style.space_legend(figure, rows.index, filled="holds", hollow="inconclusive or below 0")


def masks_among_random(retests: pd.DataFrame) -> Figure:
    """Draw H2: how far below the random masks each attribute's mask lies, with the re-test's interval."""
    rows = _asked(retests, "place_among_random").sort_values("estimate", ascending=False, kind="stable")
    figure, ax = _axes(86)
    _estimates(figure, ax, rows)
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
    figure, ax = _axes(88)
    ax.axvspan(ceiling["lower"], ceiling["upper"], color=style.QUIET, alpha=0.5, linewidth=0)
    _estimates(figure, ax, rows)
    ax.set_title("grey band: noise ceiling, the best possible model", loc="left")
    ax.set_xlabel("Kendall's τ with single subjects, mean", loc="right")
    return figure


LEFT_OUT = {
    "attribute": {
        "drop_without_attribute": "mean drop\n(points)",
        "human_correlation_without_attribute": "r of drop and\nhuman weight",
    },
    "emotion": {
        "drop_without_emotion": "mean drop\n(points)",
        "human_correlation_without_emotion": "r of drop and\nhuman weight",
        "model_and_human_without_emotion": "tau of model\nand people",
    },
}
"""{what is left out: {question: label of its axis}}"""


def leave_one_out(retests: pd.DataFrame) -> Figure | None:
    """Draw H2 to H4 without each attribute and each emotion, and a line for the estimate with all.

    A column of panels shares its names, sorted by the first panel. Returns None if nothing was left out.
    """
    found = {
        left_out: {
            question: label for question, label in labels.items() if question in set(retests["question"])
        }
        for left_out, labels in LEFT_OUT.items()
    }
    found = {left_out: labels for left_out, labels in found.items() if labels}
    if not found:
        return None
    figure = style.canvas(DOUBLE, 100)
    places = iter(figure.subplots(1, sum(map(len, found.values())), squeeze=False)[0])
    scales: dict[str, list[Axes]] = {}
    for left_out, labels in found.items():
        tables = [_asked(retests, question) for question in labels]
        names = tables[0]["estimate"].sort_values(kind="stable").index
        for number, (table, label) in enumerate(zip(tables, labels.values(), strict=True)):
            ax = next(places)
            ax.grid()
            ax.axvline(table["reference"].iloc[0], color="black", linewidth=0.7)
            ax.scatter(table["estimate"].reindex(names), range(len(names)), s=9, c=_colours(names), zorder=3)
            style.names_beside(ax, ["" if number else name for name in names])
            ax.set_xlabel(label)
            if not number:
                ax.set_title(f"without one {left_out}", loc="left")
            scales.setdefault(label, []).append(ax)
    for label, axes in scales.items():  # the same scale for attributes and emotions
        limits = np.array([ax.get_xlim() for ax in axes])
        for ax in axes:
            ax.set_xlim(limits[:, 0].min(), limits[:, 1].max())
            ax.xaxis.set_major_locator(style.ticks(3))
            if "points" in label:
                style.in_points(ax.xaxis)
    style.space_legend(figure, retests.loc[retests["question"].isin(LEFT_OUT["attribute"]), "key"])
    return figure


def specification_curve_of_drops(specifications: pd.DataFrame) -> Figure | None:
    """Draw H2's specification curve: t of the mean drop, and below it the choices of each analysis."""
    return _specification_curve(specifications, "H2", "t of the mean drop")


def specification_curve_of_correlations(specifications: pd.DataFrame) -> Figure | None:
    """Draw H3's specification curve: drop's correlation with weight, and the choices of each analysis."""
    return _specification_curve(specifications, "H3", "correlation")


def _specification_curve(specifications: pd.DataFrame, hypothesis: str, label: str) -> Figure | None:
    """Draw the estimates of a hypothesis by size, and a mark for each choice; None if there are none."""
    rows = specifications[specifications["hypothesis"] == hypothesis].sort_values("estimate", kind="stable")
    rows = rows[rows["estimate"].notna()]
    if rows.empty:
        return None
    significant, place = (rows["p"] < 0.05).to_numpy(), np.arange(len(rows))
    chosen = ("size", "baseline", "seeds", "scale", "coefficient", "weight")
    varied = [name for name in chosen if rows[name].nunique() > 1]
    values = {name: list(dict.fromkeys(specifications[name].dropna())) for name in varied}
    values = {name: [value for value in some if (rows[name] == value).any()] for name, some in values.items()}
    lines = [(name, value) for name in varied for value in values[name]]
    figure = style.canvas(SINGLE, 45 + 3.4 * len(lines))
    ax, below = figure.subplots(2, sharex=True, height_ratios=[34, max(1, 3.2 * len(lines))])
    ax.grid(axis="y")
    ax.axhline(0, color="black", linewidth=0.5)
    colours = np.where(significant, style.EXAMPLE, style.QUIET)
    ax.scatter(place, rows["estimate"], s=4, c=colours, linewidths=0)
    ax.set_ylabel(label)
    above = int((significant & (rows["estimate"] > 0)).sum())
    ax.set_title(f"{len(rows)} analyses: {above} above 0 with p < .05", loc="left")
    for line, (name, value) in enumerate(lines):
        taken = (rows[name] == value).to_numpy()
        look: dict[str, Any] = {"color": colours[taken], "linewidth": 0.5, "rasterized": True}
        below.vlines(place[taken], line - 0.36, line + 0.36, **look)  # thousands of them
    ends = np.cumsum([len(values[name]) for name in varied])
    for name, end in zip(varied, ends, strict=True):
        below.axhline(end - 0.5, color=style.QUIET, linewidth=0.4 * (end < len(lines)))
        middle = end - 0.5 - len(values[name]) / 2
        below.text(1.02, middle, name, transform=below.get_yaxis_transform(), va="center")
    names = [f"{value:,} neurons" if name == "size" else str(value) for name, value in lines]
    style.names_beside(below, names)
    below.set_xlabel("analyses, by their estimate", loc="right")
    below.set_xticks([])
    return figure
