"""Figures of masking: what masks cost an emotion and an attribute, and whether the cost follows the human weights."""

import numpy as np
from scipy import stats

from model_emotion.base.errors import UserError
from model_emotion.figures import style
from model_emotion.figures.labels import label_points
from model_emotion.figures.style import DOUBLE, SINGLE, SMALL
from model_emotion.figures.tables import at_size, by_weight, wide

DROP = "accuracy drop against random masks (percentage points)"


def _drop_panel(ax, rows, names, column, colours):
    """Drops with their intervals, the names downwards; filled and starred where the test says so."""
    table = rows.set_index(column).reindex(names)
    ax.grid(axis="x")
    ax.axvline(0, color="black", linewidth=0.5)
    star = table["star"].fillna(False).to_numpy(dtype=bool)
    style.dots(
        ax, table["drop"], table["ci_low"], table["ci_high"], np.arange(len(names)), colours, star, size=2.8
    )
    style.names_beside(ax, names)
    style.in_points(ax.xaxis)
    for row in np.flatnonzero(star):
        ax.text(1, row + 0.2, "*", transform=ax.get_yaxis_transform(), ha="right", va="center", fontsize=8)
    return int(star.sum())


def _drops_at_size(table, column, top_k, colours, height):
    rows = at_size(table, top_k).sort_values("drop", ascending=False, kind="stable")
    names = list(rows[column])
    figure = style.canvas(SINGLE, height)
    ax = figure.subplots()
    stars = _drop_panel(ax, rows, names, column, colours(names))
    ax.set_title(f"{top_k:,} masked neurons: {stars} of {len(names)} significant", loc="left")
    ax.set_xlabel(DROP, loc="right")
    ax.set_xlim(right=rows["ci_high"].max() + 0.08 * (rows["ci_high"].max() - rows["ci_low"].min()))
    return figure


def _drops_by_size(table, column, colours, height):
    sizes = np.sort(table["k"].unique())
    names = list(
        table.groupby(column, sort=False)["drop"].mean().sort_values(ascending=False, kind="stable").index
    )
    figure = style.canvas(DOUBLE, height)
    axes = style.panels(figure, len(sizes), len(sizes), sharey=True, sharex=True)
    for ax, k in zip(axes, sizes, strict=True):
        stars = _drop_panel(ax, at_size(table, k), names, column, colours(names))
        ax.set_title(f"{k:,} neurons\n{stars} of {len(names)} *")
    low, high = table["ci_low"].min(), table["ci_high"].max()
    axes[0].set_xlim(low - 0.05 * (high - low), high + 0.15 * (high - low))
    figure.supxlabel(DROP, fontsize=7)
    return figure


def _one_colour(names):
    return [style.CONDITIONS["attribute"]] * len(names)


def _space_colours(names):
    return [style.NAME_COLOURS.get(name, style.QUIET) for name in names]


def drop_by_emotion(drop_by_emotion, *, top_k):
    """E3: what attribute masks of one size cost each emotion, largest first."""
    return _drops_at_size(drop_by_emotion, "emotion", top_k, _one_colour, 108)


def drop_by_emotion_and_size(drop_by_emotion):
    """E4: the same for every size, emotions by their mean drop."""
    return _drops_by_size(drop_by_emotion, "emotion", _one_colour, 112)


def drop_by_attribute(drop_by_attribute, *, top_k):
    """E5: what each attribute's mask of one size costs, largest first."""
    figure = _drops_at_size(drop_by_attribute, "attribute", top_k, _space_colours, 72)
    style.space_legend(figure, drop_by_attribute["attribute"])
    return figure


def drop_by_attribute_and_size(drop_by_attribute):
    """E6: the same for every size, attributes by their mean drop."""
    figure = _drops_by_size(drop_by_attribute, "attribute", _space_colours, 78)
    style.space_legend(figure, drop_by_attribute["attribute"])
    return figure


def drop_by_cell(drop_by_cell, weights, *, top_k):
    """E7: drop of every emotion under every attribute's mask of one size."""
    table = at_size(drop_by_cell, top_k)
    emotions, attributes = list(table["emotion"].unique()), by_weight(table["attribute"].unique(), weights)
    drop = wide(table, "attribute", "emotion", "drop", attributes, emotions)
    star = (
        wide(table, "attribute", "emotion", "star", attributes, emotions).fillna(False).to_numpy(dtype=bool)
    )
    figure = style.canvas(DOUBLE, 82)
    ax = figure.subplots()
    image = style.heat_map(ax, 100 * drop, style.SIGNED, style.around_zero(100 * drop))
    style.print_values(ax, image, np.where(star, "*", ""))
    style.names_beside(ax, attributes)
    style.names_below(ax, emotions)
    ax.set_title(f"{top_k:,} masked neurons: {star.sum()} of {star.size} significant", loc="left")
    style.colour_bar(figure, image, ax, "accuracy drop against\nrandom masks (percentage points)")
    return figure


def dip(unimodality, weights):
    """E8: Hartigan's dip of each attribute's effects over the emotions, printed; a star where p < .05."""
    sizes, attributes = (
        np.sort(unimodality["k"].unique()),
        by_weight(unimodality["attribute"].unique(), weights),
    )
    dips = wide(unimodality, "attribute", "k", "dip", attributes, sizes)
    p = wide(unimodality, "attribute", "k", "p", attributes, sizes).to_numpy()
    figure = style.canvas(SINGLE, 72)
    ax = figure.subplots()
    image = style.heat_map(ax, dips, "cividis")
    labels = [[f"{value:.3f}".lstrip("0") + "*" * int(chance < 0.05) for value, chance in zip(*row, strict=True)]
              for row in zip(dips.to_numpy(), p, strict=True)]  # fmt: skip
    style.print_values(ax, image, labels)
    style.names_beside(ax, attributes)
    style.names_below(ax, [f"{k:,}" for k in sizes], rotation=0)
    ax.set(xlabel="masked neurons")
    ax.set_title(f"Hartigan's dip of the effects; least p = {p.min():.2f}", loc="left")
    return figure


def human_correlation(human_correlation, human_correlation_summary, *, emotion):
    """E9: correlation of drops with human weights, every emotion (dots) and their mean with its interval, by size of mask."""
    summary = human_correlation_summary.sort_values("k")
    sizes = list(summary["k"])
    places = np.arange(len(sizes))
    emotions = list(human_correlation["emotion"].unique())
    spread = dict(zip(emotions, np.linspace(-0.3, 0.1, len(emotions)), strict=True))
    figure = style.canvas(SINGLE, 68)
    ax = figure.subplots()
    ax.grid(axis="y")
    ax.axhline(0, color="black", linewidth=0.5)
    x = human_correlation["k"].map(sizes.index) + human_correlation["emotion"].map(spread)
    example = (human_correlation["emotion"] == emotion).to_numpy()
    ax.scatter(
        x[~example],
        human_correlation["r"][~example],
        s=5,
        color=style.QUIET,
        linewidths=0,
        label="an emotion",
    )
    ax.scatter(
        x[example],
        human_correlation["r"][example],
        s=9,
        marker="D",
        color=style.EXAMPLE,
        linewidths=0,
        label=emotion,
    )
    style.dots(
        ax,
        summary["mean_r"],
        summary["ci_low"],
        summary["ci_high"],
        places + 0.25,
        "#D55E00",
        size=4,
        horizontal=False,
    )
    ax.scatter([], [], s=16, color="#D55E00", label="mean, 95 % interval")
    ax.set_xticks(places, [f"{k:,}" for k in sizes])
    ax.set(xlabel="masked neurons", ylabel="correlation with human weight (r)")
    figure.legend(loc="outside upper center", ncols=3, handletextpad=0.2, columnspacing=1.2)
    return figure


def regression_lines(drop_by_cell, human_correlation, weights, *, top_k, emotion):
    """E10: the line of drop on human weight of every emotion (left), and the example's 14 attributes (right)."""
    lines = at_size(human_correlation, top_k).set_index("emotion")
    if emotion not in lines.index:
        raise UserError(f"params.yaml: figures.emotion: '{emotion}' is not one of the run's emotions")
    cells = at_size(drop_by_cell, top_k).query("emotion == @emotion").set_index("attribute")
    weight = weights.set_index("attribute")["tau_boot"].reindex(cells.index).to_numpy()
    drop = cells["drop"].to_numpy()
    ends = np.array([weight.min(), weight.max()])

    figure = style.canvas(DOUBLE, 84)
    left, right = figure.subplots(1, 2)
    heights = lines["intercept"].to_numpy()[:, None] + lines["slope"].to_numpy()[:, None] * ends
    left.plot(ends, heights.T, color=style.QUIET, linewidth=0.8)
    example, height = lines.loc[emotion], heights[lines.index.get_loc(emotion)]
    left.plot(ends, height, color=style.EXAMPLE, linewidth=1.8)
    left.annotate(
        emotion, (ends[1], height[1]), (-3, 4), textcoords="offset points", ha="right", color=style.EXAMPLE
    )
    left.set_title(f"{len(lines)} emotions, {top_k:,} masked neurons", loc="left")

    across = np.linspace(*ends, 50)
    n, centred = len(weight), weight - weight.mean()
    fitted = example["intercept"] + example["slope"] * across
    residual = np.sqrt(((drop - example["intercept"] - example["slope"] * weight) ** 2).sum() / (n - 2))
    half = (
        stats.t.ppf(0.975, n - 2)
        * residual
        * np.sqrt(1 / n + (across - weight.mean()) ** 2 / (centred**2).sum())
    )
    right.fill_between(across, fitted - half, fitted + half, color=style.EXAMPLE, alpha=0.12, linewidth=0)
    right.plot(across, fitted, color=style.EXAMPLE, linewidth=1.8)
    right.scatter(weight, drop, s=12, color=_space_colours(cells.index), zorder=3, linewidths=0)
    r = f"r = {example['r']:.2f}" if np.isfinite(example["r"]) else "the same drop"
    right.set_title(f"{emotion}: {r} over {n} attributes", loc="left")
    for ax in (left, right):
        ax.grid()
        ax.margins(0.08)
        ax.set_xlabel("weight in the human space (Kendall's τ)")
        style.in_points(ax.yaxis)
    left.set_ylabel(DROP)
    style.space_legend(figure, cells.index)
    label_points(right, weight, drop, list(cells.index), SMALL, avoid=np.column_stack([across, fitted]))
    return figure
