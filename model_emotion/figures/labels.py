"""Names beside the points of a scatter plot, placed so that none covers a point or another name."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike

from model_emotion.figures.style import settle

ANGLES = np.deg2rad([0, 180, 90, 270, 35, 145, 215, 325, 60, 120, 240, 300, 15, 165, 195, 345])
DISTANCES = np.arange(3, 80, 1.5)
FAR = 5.5
"""In points: the distances to try, and the distance beyond which a thin line joins the name to its point."""
Box = tuple[float, float, float, float]
"""Left, low, right and high edge."""


def label_points(
    ax: Axes, x: np.ndarray, y: np.ndarray, names: Sequence[str], fontsize: float, avoid: ArrayLike = ()
) -> None:
    """Write the names of points x, y, each [n]. Call it last, with the final limits: it freezes the layout.

    avoid: more places [m, 2] to keep free, such as those of a line. The search is greedy and deterministic:
    the most crowded point is first, and each name is as near to its point as possible inside the axes.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    settle(figure)
    frame, unit = ax.get_window_extent(), figure.dpi / 72
    points = ax.transData.transform(np.column_stack([x, y]))
    taken = [_box(point, 5 * unit, 5 * unit) for point in points]
    taken += [_box(place, 3 * unit, 3 * unit) for place in ax.transData.transform(np.reshape(avoid, (-1, 2)))]
    distances = np.sort(np.linalg.norm(points[:, None] - points, axis=2), axis=1)
    for index in np.argsort(distances[:, 1:4].sum(axis=1), kind="stable"):
        width, height = _size(figure, names[index], fontsize)
        centre, far = _place(points[index], width, height, taken, frame, unit)
        taken.append(_box(centre, width, height))
        line = (
            {"arrowstyle": "-", "color": "#9a9a9a", "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2}
            if far
            else None
        )
        ax.annotate(
            names[index], (x[index], y[index]), tuple(ax.transData.inverted().transform(centre)),
            fontsize=fontsize, ha="center", va="center", arrowprops=line,
        )  # fmt: skip


def _size(figure: Figure, text: str, fontsize: float) -> tuple[float, float]:
    """Return the width and height of a text, in pixels."""
    probe = figure.text(0, 0, text, fontsize=fontsize)
    extent = probe.get_window_extent()
    probe.remove()
    return extent.width + 0.5 * fontsize, 0.9 * extent.height


def _place(
    point: np.ndarray, width: float, height: float, taken: list[Box], frame: Bbox, unit: float
) -> tuple[np.ndarray, bool]:
    """Return the centre of the nearest free box in the frame, and whether it is far from the point.

    If no box is free, return the nearest one in the frame.
    """
    first = None
    for distance in DISTANCES:
        for angle in ANGLES:
            reach = np.array([distance * unit + width / 2, distance * unit + height / 2])
            centre = point + reach * (np.cos(angle), np.sin(angle))
            left, low, right, high = box = _box(centre, width, height)
            if left < frame.x0 or low < frame.y0 or right > frame.x1 or high > frame.y1:
                continue
            if not any(_overlap(box, other) for other in taken):
                return centre, bool(distance > FAR)
            first = centre if first is None else first
    return (point if first is None else first), False


def _box(centre: np.ndarray, width: float, height: float) -> Box:
    return centre[0] - width / 2, centre[1] - height / 2, centre[0] + width / 2, centre[1] + height / 2


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
