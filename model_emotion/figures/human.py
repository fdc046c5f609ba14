"""Figures of the human side: the attributes of the emotions, how reliable they are, and their weights in the human space."""

import numpy as np

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.figures import style
from model_emotion.figures.style import DOUBLE, SINGLE
from model_emotion.rsa import rdm


def _spaces(figure, names):
    """One axis for each space of attributes, one below the other, as high as it has attributes."""
    return figure.subplots(len(names), 1, sharex=True, height_ratios=[len(members) for members in names])


def attribute_scores(attributes):
    """A1: emotions across, attributes down, a block for each space."""
    figure = style.canvas(DOUBLE, 82)
    axes = _spaces(figure, study.SPACES.values())
    for ax, (space, members) in zip(axes, study.SPACES.items(), strict=True):
        image = style.heat_map(ax, attributes[list(members)].T, style.SCORE)
        style.names_beside(ax, members)
        ax.set_title(f"{space} space", loc="left")
    for ax in axes[:-1]:
        ax.tick_params(labelbottom=False)
    style.names_below(axes[-1], attributes["emotion"])
    bar = style.colour_bar(figure, image, axes, "mean score", shrink=0.5)
    bar.set_ticks([0, 1], labels=["least", "most"])
    bar.ax.yaxis.labelpad = -10
    return figure


def loadings(loadings):
    """A2: items down, each under the component it loads on most, from the largest; components across."""
    components = list(study.SPACES["appraisal"])
    values = loadings.set_index("item")[components]
    own, size = values.abs().to_numpy().argmax(axis=1), values.abs().max(axis=1).to_numpy()
    values = values.iloc[np.lexsort([-size, own])]
    figure = style.canvas(SINGLE, 128)
    ax = figure.subplots()
    image = style.heat_map(ax, values, style.SIGNED, style.around_zero(values))
    for row in np.flatnonzero(np.diff(np.sort(own))):
        ax.axhline(row + 0.5, color="white", linewidth=2)
    style.names_beside(ax, values.index)
    style.names_below(ax, components, rotation=60)
    style.colour_bar(figure, image, ax, "loading", shrink=0.5)
    return figure


def parallel_analysis(parallel_analysis):
    """A2: eigenvalues against those of random data; components count up to the crossing."""
    table, kept = parallel_analysis, parallel_analysis["eigenvalue"] > parallel_analysis["random_quantile"]
    n = len(table) if kept.all() else int(np.argmin(kept))
    figure = style.canvas(SINGLE, 55)
    ax = figure.subplots()
    ax.grid(axis="y")
    ax.plot(
        table["component"],
        table["random_quantile"],
        color=style.QUIET,
        linestyle="--",
        label="random data, 95th percentile",
    )
    ax.plot(table["component"], table["random_mean"], color=style.QUIET, label="random data, mean")
    ax.plot(table["component"], table["eigenvalue"], color=style.EXAMPLE, label="answers of the raters")
    style.dots(
        ax,
        table["eigenvalue"],
        table["eigenvalue"],
        table["eigenvalue"],
        table["component"],
        style.EXAMPLE,
        kept,
        3,
        False,
    )
    ax.set(
        xlabel="component", ylabel="eigenvalue", title=f"{n} components lie above random data", ylim=(0, None)
    )
    ax.legend()
    return figure


def reliability(reliability):
    """A4: intraclass correlation of each attribute with its interval, in the colour of its space."""
    table = reliability
    figure = style.canvas(SINGLE, 72)
    ax = figure.subplots()
    ax.grid(axis="x")
    rows, colours = np.arange(len(table)), [style.ATTRIBUTE_COLOURS[name] for name in table["attribute"]]
    style.dots(ax, table["icc"], table["ci_low"], table["ci_high"], rows, colours)
    style.names_beside(ax, table["attribute"])
    ax.set(xlabel="reliability of the mean rating (ICC)", xlim=(0, 1.02))
    kinds = table["kind"].to_numpy()
    for row in np.flatnonzero(kinds[1:] != kinds[:-1]):
        ax.axhline(row + 0.5, color=style.QUIET, linewidth=0.5, linestyle=":")
    for kind in dict.fromkeys(kinds):
        ax.text(0.02, rows[kinds == kind].mean(), kind, va="center", color="#555555")
    style.space_legend(figure, table["attribute"])
    return figure


def attribute_rdms(attribute_rdms):
    """A5: the RDM of each attribute, emotions in the order of A1."""
    figure = style.canvas(DOUBLE, 112)
    axes = style.panels(figure, len(study.ATTRIBUTES), 5)
    for ax, attribute in zip(axes, study.ATTRIBUTES, strict=True):
        image = style.rdm_image(ax, attribute_rdms[attribute])
        ax.set_title(attribute)
        ax.set(xticks=[], yticks=[])
    style.colour_bar(figure, image, list(axes), "distance (percentile)", shrink=0.5)
    return figure


def weights(human_weights):
    """B2: each attribute's Kendall's tau with the human RDM and its bootstrap interval, largest first; hollow where q >= .05."""
    table = human_weights.sort_values("tau_boot", ascending=False, kind="stable")
    figure = style.canvas(SINGLE, 72)
    ax = figure.subplots()
    ax.grid(axis="x")
    ax.axvline(0, color="black", linewidth=0.5)
    colours = [style.ATTRIBUTE_COLOURS[name] for name in table["attribute"]]
    style.dots(
        ax,
        table["tau_boot"],
        table["ci_low"],
        table["ci_high"],
        np.arange(len(table)),
        colours,
        table["q"] < 0.05,
    )
    style.names_beside(ax, table["attribute"])
    ax.set_xlabel("weight in the human space (Kendall's τ)")
    style.space_legend(figure, table["attribute"])
    return figure


def human_and_model(mean_rdm, activations, model_rsa):
    """B1, H4: the human RDM and the model's, whose neurons all count, side by side."""
    emotions = activations.emotions
    try:
        human = rdm.select(mean_rdm, emotions)["distance"]
    except KeyError as error:
        raise UserError(f"mean_rdm.csv: {error.args[0]}") from None
    model = np.mean(
        [rdm.cosine_rdm(values) for values in activations.values.astype(float, copy=False)], axis=0
    )
    tau = model_rsa.query("layer == 0 and reference == 'human'")["tau"].item()
    figure = style.canvas(DOUBLE, 94)
    axes = figure.subplots(1, 2, sharey=True)
    titles = "human judgements", f"language model (Kendall's τ with human {tau:.2f})"
    for ax, title, distances in zip(axes, titles, (human, model), strict=True):
        image = style.rdm_image(ax, distances)
        style.names_below(ax, emotions)
        ax.set_title(title)
    style.names_beside(axes[0], emotions)
    style.colour_bar(figure, image, axes, "distance (percentile)")
    return figure
