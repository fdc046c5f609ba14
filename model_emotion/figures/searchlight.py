"""Figures of the searchlight: which neurons follow which attribute, by layer, and the whole model's RDM."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from model_emotion.base import study
from model_emotion.base.results import Activations
from model_emotion.figures import style
from model_emotion.figures.style import DOUBLE, SINGLE, SMALL
from model_emotion.figures.tables import at_size, in_order, wide
from model_emotion.rsa.searchlight import best_neuron, mean_rdm
from model_emotion.rsa.searchlight import significant_by_layer as count_by_layer
from model_emotion.rsa.selectivity import share_by_layer, staircase

COLUMNS = 350
"""Columns of D3, each with the neurons of about .4 mm of print: enough neurons for a share of them."""


def _attributes(table: pd.DataFrame) -> list[str]:
    """Return the attributes or spaces of a table, in the study's order, others after them."""
    return in_order(table["attribute"].unique(), (*study.ATTRIBUTES, *study.SPACES))


def _colour(name: str) -> str:
    return style.NAME_COLOURS.get(name, style.QUIET)


def _counts(table: pd.DataFrame, columns: int, height: float) -> Figure:
    """Draw bars: significant neurons by layer, one panel per attribute, each with its own scale."""
    names, layers = _attributes(table), np.sort(table["layer"].unique())
    figure = style.canvas(DOUBLE, height)
    for ax, name in zip(style.panels(figure, len(names), columns), names, strict=True):
        counts = table[table["attribute"] == name].set_index("layer")["significant"].reindex(layers)
        ax.grid(axis="y")
        ax.bar(layers, counts, color=_colour(name), width=0.8)
        ax.set(
            title=f"{name} ({counts.sum():,})",
            xticks=layers[:: max(1, len(layers) // 4)],
            ylim=(0, max(1, counts.max()) * 1.05),
        )
        ax.yaxis.set_major_locator(style.ticks(4, integer=True))
    figure.supxlabel("layer", fontsize=7)
    figure.supylabel("significant neurons", fontsize=7)
    return figure


def significant_neurons(significant_by_layer: pd.DataFrame) -> Figure:
    """Draw D2: number of significant neurons by layer, one panel per attribute."""
    return _counts(significant_by_layer, 5, 105)


def significant_neurons_of_spaces(searchlight_spaces: pd.DataFrame) -> Figure:
    """Draw F: the same for neurons ranked by the three spaces."""
    return _counts(count_by_layer(searchlight_spaces), 3, 45)


def shares(chosen: np.ndarray, columns: int) -> np.ndarray:
    """Return which share of neighbours is chosen, [rows, columns]; at most one column for each neighbour.

    chosen: bool [rows, n].
    """
    n = chosen.shape[1]
    edges = np.linspace(0, n, min(n, columns) + 1).astype(int)
    return np.add.reduceat(chosen.astype(float), edges[:-1], axis=1) / np.diff(edges)


def best_neurons(searchlight: pd.DataFrame, *, top_k: int) -> Figure:
    """Draw D3: which neurons are among the best of each attribute (above), and in which layers (below)."""
    names = _attributes(searchlight)
    ranks = wide(searchlight, "neuron", "attribute", "rank", None, names).to_numpy()
    layer = searchlight.groupby("neuron")["layer"].first().to_numpy()
    figure = style.canvas(DOUBLE, 118)
    above, below = figure.subplots(2, 1, height_ratios=[1.1, 1])
    _staircase(figure, above, names, ranks, top_k)
    share = share_by_layer(ranks, layer, top_k)
    image = style.heat_map(below, 100 * share, "cividis", Normalize(0, None))
    style.names_beside(below, names)
    style.names_below(below, np.unique(layer), rotation=0)
    below.set_xlabel("layer")
    style.print_values(below, image, [[f"{100 * value:.0f}" for value in row] for row in share])
    style.colour_bar(figure, image, below, "share of the layer's\nneurons (%)", aspect=15)
    return figure


def _staircase(figure: Figure, ax: Axes, names: Sequence[str], ranks: np.ndarray, top_k: int) -> None:
    """Draw which share of neighbouring neurons is among each attribute's best. ranks [neurons, attributes].

    Neurons are sorted by the first attribute that selects them, and by their rank there.
    """
    order = staircase(ranks, top_k)
    of_best = ranks[order].T
    density = 100 * shares(of_best <= top_k, COLUMNS)
    image = style.heat_map(ax, density, style.DENSITY, Normalize(0, 100))
    image.set_extent((0, len(order), len(names) - 0.5, -0.5))
    ax.spines["bottom"].set_visible(True)
    ax.tick_params(axis="x", length=2)
    style.names_beside(ax, names)
    ax.set_xlabel(f"neurons among the best {top_k:,} of at least one attribute, sorted by attribute and rank")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_title(f"{len(order):,} of {len(ranks):,} neurons", loc="left")
    style.colour_bar(figure, image, ax, "share among the\nattribute's best (%)", aspect=15)


def overlap(overlap: pd.DataFrame, selectivity: pd.DataFrame, *, top_k: int) -> Figure:
    """Draw D3: neurons that two attributes share among their best, and how many attributes share a neuron."""
    table, counts = at_size(overlap, top_k), at_size(selectivity, top_k)
    names = in_order(table["attribute_a"].unique(), study.ATTRIBUTES)
    shared = wide(table, "attribute_a", "attribute_b", "shared", names, names).to_numpy(dtype=float)
    percent = 100 * shared / np.diag(shared)[:, None]
    np.fill_diagonal(percent, np.nan)
    figure = style.canvas(DOUBLE, 88)
    left, right = figure.subplots(1, 2, width_ratios=[2.1, 1])
    image = style.heat_map(left, percent, "cividis", Normalize(0, 100))
    style.names_beside(left, names)
    style.names_below(left, names, rotation=60)
    labels = [["" if np.isnan(value) else f"{value:.0f}" for value in row] for row in percent]
    style.print_values(left, image, labels)
    left.set_title(f"shared neurons (% of the best {top_k:,})", loc="left")
    right.bar(counts["attributes"], counts["neurons"], color=style.QUIET)
    alone = counts.set_index("attributes")["neurons"].get(1, 0) / counts["neurons"].sum()
    right.grid(axis="y")
    right.set(xlabel="attributes that share a neuron", ylabel="neurons", xticks=counts["attributes"])
    right.set_title(f"{100 * alone:.0f} % belong to one attribute alone", loc="left")
    right.yaxis.set_major_formatter("{x:,.0f}")
    return figure


def neuron_rdm(activations: Activations, searchlight: pd.DataFrame, *, attribute: str) -> Figure:
    """Draw D4: the RDM, averaged over seeds, of the neuron that follows an attribute most closely."""
    neuron = best_neuron(searchlight, attribute)
    (distances,) = mean_rdm(activations.values[:, :, [neuron - 1]])
    layer, unit = divmod(neuron - 1, activations.width)
    figure = style.canvas(SINGLE, 100)
    ax = figure.subplots()
    image = style.rdm_image(ax, distances)
    style.names_beside(ax, activations.emotions, fontsize=SMALL)
    style.names_below(ax, activations.emotions, fontsize=SMALL)
    ax.set_title(f"neuron {neuron:,} (layer {layer + 1}, unit {unit + 1}), best for {attribute}")
    style.colour_bar(figure, image, ax, "distance (percentile)", location="bottom", shrink=0.6)
    return figure


def tau_of_significant(searchlight: pd.DataFrame) -> Figure:
    """Draw D5: tau of every significant neuron at its place in the model, one panel per attribute."""
    names, last = _attributes(searchlight), searchlight["neuron"].max()
    found = searchlight[searchlight["significant"]]
    per_layer = searchlight.groupby("layer")["neuron"].max().to_numpy()
    middle = per_layer - per_layer[0] / 2
    step = max(1, len(middle) // 4)
    shade = np.where(found["layer"] % 2, 1.0, 0.55)
    figure = style.canvas(DOUBLE, 125)
    axes = style.panels(figure, len(names), 3, sharex=True, sharey=True)
    for ax, name in zip(axes, names, strict=True):
        own = (found["attribute"] == name).to_numpy()
        rows = found[own]
        ax.grid(axis="y")
        if len(rows):
            look: dict[str, Any] = {"s": 0.35, "color": _colour(name), "linewidths": 0, "rasterized": True}
            look |= {"antialiased": False}  # a third of the bytes, with thousands of dots
            ax.scatter(rows["neuron"], rows["tau"], alpha=shade[own], **look)
        ax.set(title=f"{name} ({len(rows):,})", xlim=(0, last))
        ax.set_xticks(middle[::step], range(1, len(middle) + 1, step))
        ax.tick_params(axis="x", length=0)
    figure.supxlabel("layer, units from left to right", fontsize=7)
    figure.supylabel("Kendall's τ of significant neurons", fontsize=7)
    return figure


def model_rsa(model_rsa: pd.DataFrame, retests: pd.DataFrame) -> Figure:
    """Draw F: tau of the model's RDM, whole and by layer, with the human RDM and the attributes' RDMs.

    A star marks a tau beyond the largest by chance, corrected for all of the figure, if that was tested.
    """
    tested = retests[retests["question"] == "layers_and_references"].set_index("key")["reference"]
    names = in_order(model_rsa["reference"].unique(), ("human", *study.ATTRIBUTES))
    layers = np.sort(model_rsa["layer"].unique())
    tau = wide(model_rsa, "reference", "layer", "tau", names, layers)
    norm = style.around_zero(tau)
    figure = style.canvas(DOUBLE, 82)
    judged = ["human"] if "human" in names else []
    rows, columns = [part for part in (judged, names[len(judged) :]) if part], [layers[:1], layers[1:]]
    heights, widths = [len(part) for part in rows], [len(part) for part in columns]
    axes = figure.subplots(len(rows), 2, height_ratios=heights, width_ratios=widths, squeeze=False)
    blocks = [(down, across) for down in rows for across in columns]
    for ax, (down, across) in zip(axes.ravel(), blocks, strict=True):
        part = tau.loc[down, across]
        image = style.heat_map(ax, part, style.SIGNED, norm)
        beyond = part.gt(tested.reindex(part.index), axis=0)
        labels = [
            [f"{value:z.2f}".replace("-", "−") + "*" * int(star) for value, star in zip(*row, strict=True)]
            for row in zip(part.to_numpy(), beyond.to_numpy(), strict=True)
        ]
        style.print_values(ax, image, labels)
        ax.set(xticks=[], yticks=[])
    for ax, part in zip(axes[:, 0], rows, strict=True):
        style.names_beside(ax, ["human judgements"] if part == judged else part)
    style.names_below(axes[-1, 0], ["whole\nmodel"], rotation=0)
    style.names_below(axes[-1, 1], layers[1:], rotation=0)
    axes[-1, 1].set_xlabel("layer")
    style.colour_bar(figure, image, axes, "Kendall's τ with the model's RDM")
    return figure
