"""How every figure looks: sizes for print, colours safe for the colour-blind, and the few parts that figures share.

Figures are made without pyplot, so nothing is left open, and inside `STYLE`, so they don't depend on the reader's matplotlibrc.
"""

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import AutoLocator, FuncFormatter, MaxNLocator
from scipy.stats import rankdata

from model_emotion.base.study import SPACES
from model_emotion.rsa.rdm import square

SINGLE, DOUBLE = 85, 174
"""Widths of a column and of a page, in mm."""

STYLE = mpl.rcParamsDefault.copy() | {
    "backend": "agg",
    "figure.dpi": 200,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 6.5,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlepad": 4,
    "axes.labelpad": 3,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.4,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "lines.linewidth": 1,
    "lines.markersize": 3,
    "svg.hashsalt": "model-emotion",  # ids in the svg depend on nothing else
    "svg.fonttype": "path",  # text looks the same without the font
    "figure.constrained_layout.h_pad": 0.05,
    "figure.constrained_layout.w_pad": 0.05,
}
SMALL = 6  # points: the least size of letters

# Okabe and Ito's colours, the indigo is Tol's; conditions and spaces share none.
CONDITIONS = {"none": "#000000", "random": "#0072B2", "attribute": "#D55E00"}
CONDITION_NAMES = {
    "none": "without mask",
    "random": "random neurons masked",
    "attribute": "attribute's neurons masked",
}
SPACE_COLOURS = dict(zip(SPACES, ("#332288", "#009E73", "#E69F00"), strict=True))
ATTRIBUTE_COLOURS = {
    attribute: SPACE_COLOURS[space] for space, members in SPACES.items() for attribute in members
}
NAME_COLOURS = ATTRIBUTE_COLOURS | SPACE_COLOURS
EXAMPLE, QUIET = "#0072B2", "#9a9a9a"
DISTANCE, SCORE, SIGNED = "viridis", "viridis", "PuOr_r"


def canvas(width, height, **options):
    """An empty figure of so many mm whose parts are laid out without overlap."""
    return Figure(figsize=(width / 25.4, height / 25.4), layout="constrained", **options)


def ticks(most, **options):
    """A locator of round ticks, so many intervals at most."""
    return MaxNLocator(most, steps=[1, 2, 2.5, 5, 10], **options)


def settle(figure):
    """Lay a figure out for good. How many ticks fit is decided once: else svg and png, of other resolutions, could differ."""
    layout = figure.get_layout_engine()
    if layout is None:
        return
    layout.execute(figure)
    free = [
        axis
        for ax in figure.axes
        for axis in (ax.xaxis, ax.yaxis)
        if isinstance(axis.get_major_locator(), AutoLocator)
    ]
    for axis in free:
        axis.set_major_locator(ticks(np.clip(axis.get_tick_space(), 2, 9)))
    if free:
        layout.execute(figure)
    figure.set_layout_engine("none")


def names_below(ax, names, rotation=90, **options):
    """Names under the columns of an image or the places of an axis; slanted ones end at their place."""
    if rotation % 90:
        options |= {"ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(names)), names, rotation=rotation, **options)
    ax.tick_params(axis="x", length=0)


def names_beside(ax, names, **options):
    """Names beside rows, the first on top."""
    ax.set_yticks(range(len(names)), names, **options)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(names) - 0.5, -0.5)


def heat_map(ax, values, cmap, norm=None):
    """[rows, columns] as an image without a frame; returns it for a colour bar. Missing values stay white."""
    image = ax.imshow(
        np.asarray(values, dtype=float), cmap=cmap, norm=norm, aspect="auto", interpolation="nearest"
    )
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return image


def print_values(ax, image, labels):
    """Labels [rows][columns] in the cells of a heat map, dark or light as the cell asks for."""
    colours = image.cmap(image.norm(image.get_array()))
    light = colours[..., :3] @ (0.299, 0.587, 0.114) > 0.5
    for (row, column), bright in np.ndenumerate(light):
        colour = "black" if bright else "white"
        ax.text(column, row, labels[row][column], ha="center", va="center", fontsize=SMALL, color=colour)


def around_zero(*values):
    """A norm with 0 in the middle that holds all values, for signed colours."""
    limit = max(np.nanmax(np.abs(np.asarray(value, dtype=float))) for value in values)
    return Normalize(-limit, limit)


def colour_bar(figure, image, axes, label, **options):
    """A slim colour bar beside `axes`, without a frame."""
    bar = figure.colorbar(
        image, ax=axes, **({"pad": 0.02, "aspect": 25, "shrink": 0.8, "ticks": ticks(6)} | options)
    )
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=7)
    return bar


def percentiles(vector):
    """Distances [pairs] -> their percentiles, 0 to 100, ties averaged."""
    return 100 * (rankdata(vector) - 0.5) / len(vector)


def rdm_image(ax, vector):
    """An RDM [pairs] as an image of its percentiles; an emotion's distance to itself stays white."""
    matrix = square(percentiles(vector))
    np.fill_diagonal(matrix, np.nan)
    image = heat_map(ax, matrix, DISTANCE, Normalize(0, 100))
    ax.set_aspect("equal")
    return image


def dots(ax, mean, low, high, place, colours, filled=None, size=3.2, horizontal=True):
    """Means with intervals at the given places; hollow where not `filled`."""
    filled = np.ones(len(mean), dtype=bool) if filled is None else np.asarray(filled, dtype=bool)
    colours = [colours] * len(mean) if isinstance(colours, str) else colours
    bars, x, y = (ax.hlines, mean, place) if horizontal else (ax.vlines, place, mean)
    bars(place, low, high, colors=colours, linewidth=0.9)
    faces = [colour if full else "white" for colour, full in zip(colours, filled, strict=True)]
    ax.scatter(x, y, s=size**2, c=faces, edgecolors=colours, linewidths=0.8, zorder=3)


def in_points(axis):
    """Tick labels of fractions as percentage points; the axis label says so."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}".replace("-", "−")))


def in_percent(axis):
    """Tick labels of fractions as per cent."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))


def space_legend(figure, names):
    """The colours of the spaces, above the figure, unless none of the names is of one."""
    if not set(names) & set(NAME_COLOURS):
        return
    handles = [
        mpl.lines.Line2D([], [], marker="o", linestyle="", color=SPACE_COLOURS[space], label=f"{space} space")
        for space in SPACES
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=len(handles), handletextpad=0.3, columnspacing=1.2
    )


def panels(figure, n, columns, **options):
    """n axes in rows of `columns`; places left over in the last row stay empty. Ticks of shared axes only at the edge."""
    columns = min(columns, n)
    rows = -(-n // columns)
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for ax in axes[n:]:
        ax.remove()
    if options.get("sharex"):
        for ax in axes[max(0, n - columns) : n]:
            ax.tick_params(labelbottom=True)
    return axes[:n]
