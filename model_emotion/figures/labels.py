"""Names beside the points of a scatter plot, placed so that none covers a point or another name."""

import numpy as np

from model_emotion.figures.style import settle

ANGLES = np.deg2rad([0, 180, 90, 270, 35, 145, 215, 325, 60, 120, 240, 300, 15, 165, 195, 345])
DISTANCES = np.arange(3, 80, 1.5)
FAR = 5.5
"""In points: what is tried, and from where on a thin line leads from the name to its point."""


def label_points(ax, x, y, names, fontsize, avoid=()):
    """Write the names. Needs the final limits and freezes the layout, so call it last.

    avoid: further places [n, 2] to keep free, as those of a line.
    Greedy: the most crowded point first, each name as near as it can be inside the axes. The same points give the same picture.
    """
    figure = ax.figure
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
            names[index], (x[index], y[index]), ax.transData.inverted().transform(centre),
            fontsize=fontsize, ha="center", va="center", arrowprops=line,
        )  # fmt: skip


def _size(figure, text, fontsize):
    """Width and height that a text needs, in pixels."""
    probe = figure.text(0, 0, text, fontsize=fontsize)
    extent = probe.get_window_extent()
    probe.remove()
    return extent.width + 0.5 * fontsize, 0.9 * extent.height


def _place(point, width, height, taken, frame, unit):
    """Centre of a box beside the point that is free and inside the frame, and whether it is far; where all is taken, the nearest."""
    first = None
    for distance in DISTANCES:
        for angle in ANGLES:
            reach = np.array([distance * unit + width / 2, distance * unit + height / 2])
            centre = point + reach * (np.cos(angle), np.sin(angle))
            left, low, right, high = box = _box(centre, width, height)
            if left < frame.x0 or low < frame.y0 or right > frame.x1 or high > frame.y1:
                continue
            if not any(_overlap(box, other) for other in taken):
                return centre, distance > FAR
            first = centre if first is None else first
    return (point if first is None else first), False


def _box(centre, width, height):
    return centre[0] - width / 2, centre[1] - height / 2, centre[0] + width / 2, centre[1] + height / 2


def _overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
