"""Random masks of all sizes together: a null distribution for accuracies with heavy tails.

A few random masks cost far more accuracy than others of their size, so a normal distribution gives too narrow
limits, and one size has too few masks for an empirical one. Here the accuracies of all sizes are standardised
and pooled.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import isotonic_regression

from model_emotion.retests.rows import ALPHA, doubled

FEWEST_SIZES = 3
"""The fewest sizes of random masks that are pooled."""


@dataclass(frozen=True)
class Pooled:
    """Random masks of all sizes, standardised.

    centre, scale: by size, the curves of the median accuracy and of its median absolute deviation. below: how
    far each random mask lies below the centre of its size, in units of the scale, smallest first.
    """

    centre: pd.Series
    scale: pd.Series
    below: np.ndarray

    def place(self, k: int, accuracy: float) -> float:
        """Return two-sided p of a mask of size k: twice its place among all (Phipson and Smyth 2010)."""
        below = (self.centre[k] - accuracy) / self.scale[k]
        return float(doubled((1 + (self.below >= below).sum()) / (len(self.below) + 1)))

    def limits(self, k: int) -> tuple[float, float]:
        """Return the 95 % prediction interval of the accuracy under one more random mask of size k.

        An accuracy has a `place` below .05 exactly if it lies below the lower limit.
        """
        extreme = int(np.ceil(ALPHA / 2 * (len(self.below) + 1))) - 2  # so many may lie as far out
        ends = self.below[-1 - extreme], self.below[extreme]
        low, high = (self.centre[k] - self.scale[k] * end for end in ends)
        return float(low), float(high)


def pool(means: pd.Series) -> Pooled | None:
    """Standardise and pool random masks; None if they are too few for a two-sided p below .05.

    means: mean accuracy of each random mask; the first level of its index is the size k. Centres are the
    medians of the sizes, made to fall with k, and scales the median absolute deviations, made to rise with k
    (isotonic regression, weighted by the number of masks). None too if there are fewer than FEWEST_SIZES
    sizes, or if masks of some size do not differ.
    """
    by = means.groupby(level=0, sort=True)
    weights = by.size().to_numpy(dtype=float)
    if len(weights) < FEWEST_SIZES or 2 / (len(means) + 1) >= ALPHA:
        return None
    spread = by.agg(lambda of_size: stats.median_abs_deviation(of_size))
    centre, scale = (
        pd.Series(isotonic_regression(of, weights=weights, increasing=rises).x, spread.index)
        for of, rises in ((by.median().to_numpy(), False), (spread.to_numpy(), True))
    )
    if not (scale > 0).all():
        return None
    k = means.index.get_level_values(0)
    below = (centre[k].to_numpy() - means.to_numpy()) / scale[k].to_numpy()
    return Pooled(centre, scale, np.sort(below))
