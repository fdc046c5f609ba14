"""Figures of accuracy: without masks, under random and attribute masks, and against the agreement of raters."""

import numpy as np
from matplotlib.colors import Normalize
from scipy import stats

from model_emotion.base import study
from model_emotion.figures import style
from model_emotion.figures.labels import label_points
from model_emotion.figures.style import DOUBLE, SMALL
from model_emotion.figures.tables import at_size, by_weight, in_order

CHANCE = 0.5


def _chance(ax, draw):
    """A line where tossing a coin would be; the commoner class is right a little more often, which the study does not tell."""
    draw(CHANCE, color=style.QUIET, linewidth=0.7, linestyle=":")


def _condition_legend(figure, conditions, extra=()):
    handles = [
        style.mpl.lines.Line2D(
            [], [], marker="o", linestyle="", color=style.CONDITIONS[name], label=style.CONDITION_NAMES[name]
        )
        for name in conditions
    ]
    handles += extra
    figure.legend(
        handles=handles, loc="outside upper center", ncols=len(handles), handletextpad=0.4, columnspacing=1.4
    )


def _by_accuracy(table, sizes):
    """The emotions by their mean over the three conditions, highest first, as in the study; masks of the given sizes count."""
    counted = (
        table[table["k"].isin([0, *sizes])].groupby(["emotion", "condition"], sort=False)["accuracy"].mean()
    )
    return list(
        counted.groupby("emotion", sort=False).mean().sort_values(ascending=False, kind="stable").index
    )


def accuracy(accuracy_by_condition, accuracy, *, top_k):
    """C1, E1: accuracy of each emotion without, with random and with attribute masks; lines reach half a standard error, as the study's."""
    emotions = _by_accuracy(accuracy_by_condition, [top_k])
    figure = style.canvas(DOUBLE, 78)
    ax = figure.subplots()
    ax.grid(axis="y")
    for condition, shift in zip(style.CONDITIONS, (-0.18, 0, 0.18), strict=True):
        table = accuracy_by_condition[accuracy_by_condition["condition"] == condition]
        rows = at_size(table, 0 if condition == "none" else top_k).set_index("emotion").loc[emotions]
        mean, half = rows["accuracy"].to_numpy(), rows["se"].to_numpy() / 2
        style.dots(
            ax,
            mean,
            mean - half,
            mean + half,
            np.arange(len(emotions)) + shift,
            style.CONDITIONS[condition],
            horizontal=False,
        )
    majority = accuracy.groupby("emotion")["majority"].mean().reindex(emotions)
    floor = style.mpl.lines.Line2D(
        [], [], color=style.QUIET, linewidth=0.9, linestyle=":", label="a coin toss"
    )
    if majority.notna().all():
        floor = style.mpl.lines.Line2D(
            [], [], color=style.QUIET, linewidth=0.9, label="always the commoner class"
        )
        ax.hlines(
            majority,
            np.arange(len(emotions)) - 0.35,
            np.arange(len(emotions)) + 0.35,
            color=style.QUIET,
            linewidth=0.9,
        )
    else:
        _chance(ax, ax.axhline)
    style.names_below(ax, emotions, rotation=60)
    ax.set(ylabel="accuracy", xlim=(-0.6, len(emotions) - 0.4))
    style.in_percent(ax.yaxis)
    _condition_legend(figure, style.CONDITIONS, [floor])
    return figure


def accuracy_by_size(accuracy_by_condition):
    """C1, E2: the same for every size of mask, a panel for each emotion, all with one scale."""
    table = accuracy_by_condition
    emotions = _by_accuracy(table, table.loc[table["condition"] == "attribute", "k"].unique())
    figure = style.canvas(DOUBLE, 150)
    axes = style.panels(figure, len(emotions), 7, sharex=True, sharey=True)
    for ax, emotion in zip(axes, emotions, strict=True):
        mine = table[table["emotion"] == emotion]
        ax.grid()
        _chance(ax, ax.axhline)
        mean, se = mine.loc[mine["condition"] == "none", ["accuracy", "se"]].iloc[0]
        ax.axhline(mean, color=style.CONDITIONS["none"])
        ax.axhspan(mean - se / 2, mean + se / 2, color=style.CONDITIONS["none"], alpha=0.15, linewidth=0)
        for condition in ("random", "attribute"):
            rows = mine[mine["condition"] == condition].sort_values("k")
            ax.errorbar(
                rows["k"],
                rows["accuracy"],
                rows["se"] / 2,
                color=style.CONDITIONS[condition],
                marker="o",
                markersize=1.8,
            )
        ax.set_title(emotion)
        style.in_percent(ax.yaxis)
    axes[0].set_xlim(0, None)
    axes[0].xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
    axes[0].xaxis.set_major_locator(style.ticks(4))
    axes[0].yaxis.set_major_locator(style.ticks(6))
    figure.supxlabel("masked neurons (thousands)", fontsize=7)
    figure.supylabel("accuracy", fontsize=7)
    _condition_legend(figure, style.CONDITIONS)
    return figure


def accuracy_and_agreement(accuracy, agreement):
    """C2: accuracy of each emotion against the agreement of GoEmotions' raters."""
    mean = accuracy.groupby("emotion", sort=False)["accuracy"].mean()
    kappa = agreement.set_index("emotion")["kappa"].reindex(mean.index).dropna()
    mean = mean[kappa.index]
    figure = style.canvas(DOUBLE, 84)
    ax = figure.subplots()
    ax.grid()
    ax.scatter(kappa, mean, s=9, color=style.EXAMPLE, linewidths=0, zorder=3)
    ax.set(xlabel="agreement of raters (Cohen's κ)", ylabel="accuracy without mask")
    ax.set_title(
        f"Pearson's r = {stats.pearsonr(kappa, mean).statistic:.2f} over {len(kappa)} emotions", loc="left"
    )
    ax.margins(0.06)
    style.in_percent(ax.yaxis)
    label_points(ax, kappa.to_numpy(), mean.to_numpy(), list(kappa.index), SMALL)
    return figure


def accuracy_by_mask(accuracy_by_mask, weights):
    """E11: accuracy of every emotion under every mask: a panel for each attribute, random masks left and the attribute's right."""
    table = accuracy_by_mask.assign(attribute=accuracy_by_mask["attribute"].fillna(""))
    emotions = in_order(table["emotion"].unique(), study.EMOTIONS)
    attributes = by_weight(table.loc[table["kind"] == "attribute", "attribute"].unique(), weights)
    norm = Normalize(min(CHANCE, table["accuracy"].min()) * 100, 100)
    figure = style.canvas(DOUBLE, 190)
    axes = style.panels(figure, len(attributes), 7, sharey=True)
    for ax, attribute in zip(axes, attributes, strict=True):
        random = (
            table[(table["kind"] == "random") & table["attribute"].isin([attribute, ""])]
            .groupby(["emotion", "k"])["accuracy"]
            .mean()
        )
        own = (
            table[(table["kind"] == "attribute") & (table["attribute"] == attribute)]
            .groupby(["emotion", "k"])["accuracy"]
            .mean()
        )
        blocks = [block.unstack("k").reindex(emotions).to_numpy() for block in (random, own)]
        gap = np.full((len(emotions), 1), np.nan)
        image = style.heat_map(ax, 100 * np.hstack([blocks[0], gap, blocks[1]]), style.SCORE, norm)
        style.names_beside(ax, emotions)
        middle = blocks[0].shape[1] + 1 + (blocks[1].shape[1] - 1) / 2
        ax.set_xticks([(blocks[0].shape[1] - 1) / 2, middle], ["random", "own"])
        ax.set_title(attribute)
    sizes = [np.sort(table.loc[table["kind"] == kind, "k"].unique()) for kind in ("random", "attribute")]
    spans = [f"{part[0]:,} to {part[-1]:,}" for part in sizes]
    figure.supxlabel(
        f"masked neurons, from left to right: random {spans[0]}, the attribute's own {spans[1]}", fontsize=7
    )
    style.colour_bar(figure, image, list(axes), "accuracy (%)", shrink=0.4)
    return figure
