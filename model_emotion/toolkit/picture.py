"""The toolkit's figure: activations of all neurons, layer by layer."""

from collections.abc import Mapping

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from model_emotion.figures import style
from model_emotion.figures.fonts import lettering


def activations_figure(panels: Mapping[str, np.ndarray], bins: int) -> Figure:
    """Return a figure with a heat map per panel, as means of neighbouring neurons.

    panels: {title: activations [layers, width]}, all of one shape. bins: number of groups of neighbours.
    """
    layers, width = next(iter(panels.values())).shape
    edges = np.linspace(0, width, min(bins, width) + 1).astype(int)
    with rc_context(style.lettered(lettering({"title": list(panels)}))):
        figure = style.canvas(style.DOUBLE, 24 + 7 * layers)
        axes = figure.subplots(len(panels), 1, sharex=True)
        for ax, (title, values) in zip(axes, panels.items(), strict=True):
            means = np.add.reduceat(values, edges[:-1], axis=1) / np.diff(edges)
            image = style.heat_map(ax, means, style.SIGNED, style.around_zero(means))
            image.set_extent((0.5, width + 0.5, layers - 0.5, -0.5))
            style.names_beside(ax, range(layers))
            ax.set(title=title, ylabel="layer")
            style.colour_bar(figure, image, ax, "mean activation")
        axes[-1].set_xlabel(f"neurons of a layer, means of {len(edges) - 1} groups of neighbours")
    return figure
