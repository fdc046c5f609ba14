"""Figures of the human data: attributes of the emotions, their reliability and their weights."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.results import Activations
from model_emotion.figures import style
from model_emotion.figures.style import DOUBLE, SINGLE, SMALL
from model_emotion.rsa import rdm
from model_emotion.rsa.whole_model import model_rdm


def attribute_scores(attributes: pd.DataFrame) -> Figure:
    """Draw A1: emotions across, attributes down, one block per space."""
    figure = style.canvas(DOUBLE, 82)
    heights = [len(members) for members in study.SPACES.values()]
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
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


def loadings(loadings: pd.DataFrame) -> Figure:
    """Draw A2: items down, components across; items by their largest loading's component and size."""
    components = list(study.SPACES["appraisal"])
    values = loadings.set_index("item")[components]
    largest, size = values.abs().to_numpy().argmax(axis=1), values.abs().max(axis=1).to_numpy()
    values = values.iloc[np.lexsort([-size, largest])]
    figure = style.canvas(SINGLE, 128)
    ax = figure.subplots()
    image = style.heat_map(ax, values, style.SIGNED, style.around_zero(values))
    for row in np.flatnonzero(np.diff(np.sort(largest))):
        ax.axhline(row + 0.5, color="white", linewidth=2)
    style.names_beside(ax, values.index)
    style.names_below(ax, components, rotation=60)
    style.colour_bar(figure, image, ax, "loading", shrink=0.5)
    return figure


def parallel_analysis(parallel_analysis: pd.DataFrame) -> Figure:
    """Draw A2: eigenvalues against those of random data. The first one not above ends the count."""
    component, eigenvalue, mean, quantile = (
        parallel_analysis[name] for name in ("component", "eigenvalue", "random_mean", "random_quantile")
    )
    above = eigenvalue > quantile
    figure = style.canvas(SINGLE, 55)
    ax = figure.subplots()
    ax.grid(axis="y")
    ax.plot(component, quantile, color=style.QUIET, linestyle="--", label="random data, 95th percentile")
    ax.plot(component, mean, color=style.QUIET, label="random data, mean")
    ax.plot(component, eigenvalue, color=style.EXAMPLE, label="answers of the raters")
    style.dots(ax, eigenvalue, eigenvalue, eigenvalue, component, style.EXAMPLE, above, 3, horizontal=False)
    title = f"{above.cumprod().sum()} components lie above random data"
    ax.set(xlabel="component", ylabel="eigenvalue", title=title, ylim=(0, None))
    ax.legend()
    return figure


def reliability(reliability: pd.DataFrame) -> Figure:
    """Draw A4: intraclass correlation of each attribute with its interval, in the colour of its space."""
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


def attribute_rdms(attribute_rdms: pd.DataFrame) -> Figure:
    """Draw A5: the RDM of each attribute, with the emotions in the order of A1."""
    figure = style.canvas(DOUBLE, 112)
    columns = 5
    *axes, names = style.panels(figure, len(study.ATTRIBUTES) + 1, columns)
    numbers = range(1, len(study.EMOTIONS) + 1)
    for ax, attribute in zip(axes, study.ATTRIBUTES, strict=True):
        image = style.rdm_image(ax, attribute_rdms[attribute])
        ax.set_title(attribute)
        ax.set(xticks=[], yticks=[])
    for ax in axes[::columns]:
        some = numbers[4::5]
        ax.set_yticks(np.array(some) - 1, some, fontsize=SMALL)
    names.set_axis_off()
    names.set_title("rows and columns")
    for number, emotion in zip(numbers, study.EMOTIONS, strict=True):
        column, row = divmod(number - 1, 14)
        place = 0.62 * column - 0.1, 0.98 - row / 13.5
        names.text(*place, f"{number} {emotion}", va="center", fontsize=SMALL, transform=names.transAxes)
    style.colour_bar(figure, image, [*axes, names], "distance (percentile)", shrink=0.5)
    return figure


def weights(human_weights: pd.DataFrame) -> Figure:
    """Draw B2: each attribute's Kendall's tau with the human RDM, largest first; hollow where q >= .05."""
    table = human_weights.sort_values("tau_boot", ascending=False, kind="stable")
    figure = style.canvas(SINGLE, 72)
    ax = figure.subplots()
    ax.grid(axis="x")
    ax.axvline(0, color="black", linewidth=0.5)
    colours = [style.ATTRIBUTE_COLOURS[name] for name in table["attribute"]]
    tau, low, high = (table[name] for name in ("tau_boot", "ci_low", "ci_high"))
    style.dots(ax, tau, low, high, np.arange(len(table)), colours, table["q"] < 0.05)
    style.names_beside(ax, table["attribute"])
    ax.set_xlabel("weight in the human space (Kendall's τ)")
    style.space_legend(figure, table["attribute"])
    return figure


def human_and_model(mean_rdm: pd.DataFrame, activations: Activations, model_rsa: pd.DataFrame) -> Figure:
    """Draw B1 and H4: the human RDM beside the model's, which is computed from all neurons.

    Raises UserError if nobody judged one of the run's emotions.
    """
    emotions = activations.emotions
    try:
        human = rdm.select(mean_rdm, emotions)["distance"]
    except KeyError as error:
        raise UserError(f"mean_rdm.csv: {error.args[0]}") from None
    tau = model_rsa.query("layer == 0 and reference == 'human'")["tau"].item()
    figure = style.canvas(DOUBLE, 94)
    axes = figure.subplots(1, 2, sharey=True)
    titles = "human judgements", f"language model (Kendall's τ with human {tau:.2f})"
    for ax, title, distances in zip(axes, titles, (human, model_rdm(activations.values)), strict=True):
        image = style.rdm_image(ax, distances)
        style.names_below(ax, emotions)
        ax.set_title(title)
    style.names_beside(axes[0], emotions)
    style.colour_bar(figure, image, axes, "distance (percentile)")
    return figure
