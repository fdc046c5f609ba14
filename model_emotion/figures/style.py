"""The look of all figures: sizes for print, colours safe for the colour-blind, and the parts they share.

Figures are made without pyplot, so that none stays open, and with `STYLE`, so that a user's matplotlibrc has
no effect.
"""

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import AutoLocator, FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike

from model_emotion.base.study import SPACES
from model_emotion.figures.fonts import FAMILY, Lettering
from model_emotion.rsa.rdm import percentiles, square

SINGLE, DOUBLE = 85, 174
"""Widths of a column and of a page, in mm."""

STYLE = mpl.rcParamsDefault.copy() | {
    "backend": "agg",
    "figure.dpi": 200,
    "font.family": FAMILY,
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
    "svg.hashsalt": "model-emotion",  # makes the ids in an SVG reproducible
    "svg.fonttype": "path",  # text looks the same without the font
    "figure.constrained_layout.h_pad": 0.05,
    "figure.constrained_layout.w_pad": 0.05,
}
SMALL = 6
"""The smallest size of letters, in points."""

# Okabe and Ito's colours; the indigo is Tol's. Conditions and spaces have no colour in common.
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
DISTANCE, SCORE, SIGNED, DENSITY = "viridis", "viridis", "PuOr_r", "BuPu"


def lettered(names: Lettering) -> Any:
    """Return STYLE with the fonts of some names."""
    return STYLE | {"font.family": [FAMILY, *names.families()]}


def canvas(width: float, height: float, **options: Any) -> Figure:
    """Return an empty figure of a size in mm. Its parts are laid out without overlap."""
    return Figure(figsize=(width / 25.4, height / 25.4), layout="constrained", **options)


def ticks(most: int, **options: Any) -> MaxNLocator:
    """Return a locator of round ticks with at most so many intervals."""
    return MaxNLocator(most, steps=[1, 2, 2.5, 5, 10], **options)


def settle(figure: Figure) -> None:
    """Lay out a figure once and for all.

    The number of ticks is fixed here. Otherwise SVG and PNG could differ in ticks, as they do in resolution.
    """
    layout = figure.get_layout_engine()
    if layout is None:
        return
    layout.execute(figure)
    automatic = [
        axis
        for ax in figure.axes
        for axis in (ax.xaxis, ax.yaxis)
        if isinstance(axis.get_major_locator(), AutoLocator)
    ]
    for axis in automatic:
        axis.set_major_locator(ticks(np.clip(axis.get_tick_space(), 2, 9)))
    if automatic:
        layout.execute(figure)
    figure.set_layout_engine("none")


def names_below(ax: Axes, names: Iterable, rotation: float = 90, **options: Any) -> None:
    """Write names below the columns of an image or the places of an axis; slanted names end there."""
    names = list(names)
    if rotation % 90:
        options |= {"ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(names)), names, rotation=rotation, **options)
    ax.tick_params(axis="x", length=0)


def names_beside(ax: Axes, names: Iterable, **options: Any) -> None:
    """Write names beside rows, the first on top."""
    names = list(names)
    ax.set_yticks(range(len(names)), names, **options)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(names) - 0.5, -0.5)


def heat_map(ax: Axes, values: ArrayLike, cmap: str, norm: Normalize | None = None) -> AxesImage:
    """Draw values [rows, columns] as an image without a frame; return it. NaN stays white."""
    image = ax.imshow(
        np.asarray(values, dtype=float), cmap=cmap, norm=norm, aspect="auto", interpolation="nearest"
    )
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return image


def print_values(ax: Axes, image: AxesImage, labels: Any) -> None:
    """Write labels [rows][columns] into the cells of a heat map, in black or white."""
    colours: Any = image.cmap(image.norm(np.ma.asarray(image.get_array())))
    light = colours[..., :3] @ (0.299, 0.587, 0.114) > 0.5
    for (row, column), bright in np.ndenumerate(light):
        colour = "black" if bright else "white"
        ax.text(column, row, labels[row][column], ha="center", va="center", fontsize=SMALL, color=colour)


def around_zero(values: ArrayLike) -> Normalize:
    """Return a norm with 0 in the middle that covers all values, for signed colours."""
    limit = np.nanmax(np.abs(np.asarray(values, dtype=float)))
    return Normalize(-limit, limit)


def colour_bar(figure: Figure, image: Any, axes: Any, label: str, **options: Any) -> Colorbar:
    """Draw a slim colour bar without a frame beside axes."""
    look: dict[str, Any] = {"pad": 0.02, "aspect": 25, "shrink": 0.8, "ticks": ticks(6)}
    bar = figure.colorbar(image, ax=axes, **(look | options))
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=7)
    return bar


def rdm_image(ax: Axes, distances: ArrayLike) -> AxesImage:
    """Draw an RDM [pairs] as an image of its percentiles. The diagonal stays white."""
    matrix = square(percentiles(np.asarray(distances)))
    np.fill_diagonal(matrix, np.nan)
    image = heat_map(ax, matrix, DISTANCE, Normalize(0, 100))
    ax.set_aspect("equal")
    return image


def dots(
    ax: Axes,
    mean: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    place: ArrayLike,
    colours: str | list[str],
    filled: ArrayLike | None = None,
    size: float = 3.2,
    horizontal: bool = True,
) -> None:
    """Draw means [n] with intervals at places [n] of the other axis; hollow where `filled` [n] is false."""
    n = np.size(mean)
    full = np.ones(n, dtype=bool) if filled is None else np.asarray(filled, dtype=bool)
    colours = [colours] * n if isinstance(colours, str) else colours
    bars, x, y = (ax.hlines, mean, place) if horizontal else (ax.vlines, place, mean)
    bars(place, low, high, colors=colours, linewidth=0.9)
    faces = [colour if fill else "white" for colour, fill in zip(colours, full, strict=True)]
    ax.scatter(x, y, s=size**2, c=faces, edgecolors=colours, linewidths=0.8, zorder=3)


def in_points(axis: Axis) -> None:
    """Write the ticks of fractions as percentage points, without a unit: the axis label has it."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}".replace("-", "−")))


def in_percent(axis: Axis) -> None:
    """Write the ticks of fractions as per cent."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))


def dot_handle(colour: str, label: str, **look: Any) -> Line2D:
    """Return a dot for a legend."""
    return Line2D([], [], marker="o", linestyle="", color=colour, label=label, **look)


def legend_above(figure: Figure, handles: list[Line2D] | None, columns: int, **options: Any) -> None:
    """Put a legend above the axes: of handles, or of all that has a label."""
    given = {} if handles is None else {"handles": handles}
    figure.legend(loc="outside upper center", ncols=columns, **given, **options)


def space_legend(
    figure: Figure, names: Iterable[str], filled: str | None = None, hollow: str | None = None
) -> None:
    """Put a legend above the figure: of the spaces' colours, if the names have any, and of the dots' looks.

    filled, hollow: what such dots mean. The looks stand below the first spaces.
    """
    coloured = set(names) & set(NAME_COLOURS)
    rows = [[dot_handle(SPACE_COLOURS[space], f"{space} space") for space in SPACES]] if coloured else []
    looks = [(filled, "black"), (hollow, "white")]
    black = [dot_handle("black", text, markerfacecolor=face) for text, face in looks if text]
    rows += [black] if black else []
    columns = [handle for column in zip_longest(*rows) for handle in column if handle]
    if columns:
        legend_above(figure, columns, max(map(len, rows)), handletextpad=0.3, columnspacing=1)


def panels(figure: Figure, n: int, columns: int, **options: Any) -> np.ndarray:
    """Return n axes in rows of at most `columns`. With shared x, only the lowest of a column have labels."""
    columns = min(columns, n)
    rows = -(-n // columns)
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for ax in axes[n:]:
        ax.remove()
    if options.get("sharex"):
        for ax in axes[max(0, n - columns) : n]:
            ax.tick_params(labelbottom=True)
    return axes[:n]
