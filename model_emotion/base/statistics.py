"""Small statistics on arrays that scipy lacks, or that must give the same bytes on every processor.

BLAS's matrix products and numpy's transcendental functions differ in their last bits between processors, and
so do scipy's functions that use them. `product`, `regression`, `atanh` and `tanh` do not.
"""

import math
from decimal import Context, Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

FEWEST = 4
"""The fewest emotions for tests over emotions, and the fewest attributes for tests over attributes."""
DECIMAL = Context(prec=60)
"""Digits of `atanh` and `tanh` before rounding; decimal's ln and exp are correctly rounded everywhere."""


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the matrix product [n, k] x [k, m] -> [n, m], summed in the order of k.

    BLAS sums in an order that depends on the processor.
    """
    total = a[:, :1] * b[:1]
    for k in range(1, len(b)):
        total += a[:, k : k + 1] * b[k : k + 1]
    return total


def atanh(r: float) -> float:
    """Return Fisher's z of a correlation in [-1, 1], correctly rounded. NaN stays NaN."""
    if not 1e-9 < abs(r) < 1:  # near 0 it is the nearest float to itself
        return math.copysign(math.inf, r) if abs(r) == 1 else float(r)
    exact = Decimal(float(r))
    return float(DECIMAL.ln(DECIMAL.divide(DECIMAL.add(1, exact), DECIMAL.subtract(1, exact))) / 2)


def tanh(z: float) -> float:
    """Return the correlation of a Fisher's z, correctly rounded. NaN stays NaN."""
    if not 1e-9 < abs(z) < 20:  # near 0 it is the nearest float to itself, beyond 20 to 1
        return math.copysign(1.0, z) if abs(z) >= 20 else float(z)
    power = DECIMAL.exp(DECIMAL.multiply(2, Decimal(float(z))))
    return float(DECIMAL.divide(DECIMAL.subtract(power, 1), DECIMAL.add(power, 1)))


class Regression(NamedTuple):
    """Pearson's r of y with x, its two-sided p, and the least-squares line of y on x."""

    r: float
    p: float
    slope: float
    intercept: float


def regression(x: ArrayLike, y: ArrayLike) -> Regression:
    """Regress y [n] on x [n], n > 2, from correctly rounded sums.

    If x is constant, all results are NaN. If only y is, r and p are.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if (x == x[0]).all():
        return Regression(math.nan, math.nan, math.nan, math.nan)
    if (y == y[0]).all():
        return Regression(math.nan, math.nan, 0.0, float(y[0]))
    n, sums = len(x), [math.fsum(values.tolist()) for values in (x, y)]
    dx, dy = x - sums[0] / n, y - sums[1] / n
    xx, xy, yy = (math.fsum((a * b).tolist()) for a, b in ((dx, dx), (dx, dy), (dy, dy)))
    r = max(-1.0, min(1.0, xy / math.sqrt(xx * yy)))
    t = math.inf if abs(r) == 1 else r * math.sqrt((n - 2) / ((1 - r) * (1 + r)))
    return Regression(r, float(2 * stats.t.sf(abs(t), n - 2)), xy / xx, (sums[1] - xy / xx * sums[0]) / n)


def correlation_interval(r: float, n: int, variance: float = 1.0) -> tuple[float, float]:
    """Return the 95 % interval of a correlation r of n cases; its Fisher's z has `variance` / (n - 3)."""
    half = stats.norm.ppf(0.975) * math.sqrt(variance / (n - 3))
    return tanh(atanh(r) - half), tanh(atanh(r) + half)


class DropTest(NamedTuple):
    """A one-sample t test of drops against 0.

    drop: their mean. se: its standard error. ci_low, ci_high: two-sided 95 % interval. p: one-sided, for a
    mean above 0.
    """

    drop: float
    t: float
    df: float
    se: float
    ci_low: float
    ci_high: float
    p: float


def paired_drop(drops: ArrayLike) -> DropTest:
    """Test drops [n] against 0 by a one-sample t test.

    A drop is the accuracy with a random mask minus that with an attribute's mask, of the same emotion, seed
    and size, so this is the paired t test of the two. A single drop has no spread: all but `drop` and `df`
    are then NaN.
    """
    drops = np.asarray(drops, dtype=float)
    mean, df = drops.mean(), len(drops) - 1
    if df == 0:
        return DropTest(mean, math.nan, 0, math.nan, math.nan, math.nan, math.nan)
    se = drops.std(ddof=1) / np.sqrt(len(drops))
    half = stats.t.ppf(0.975, df) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.divide(mean, se)
    certain = 0.0 if mean > 0 else 1.0  # without variance there is no doubt
    p = float(stats.t.sf(t, df)) if se > 0 else certain
    return DropTest(mean, t, df, se, mean - half, mean + half, p)


class MeanCorrelation(NamedTuple):
    """A mean of correlations by Fisher's z, its two-sided t test against 0, and its 95 % interval."""

    mean_r: float
    t: float
    df: float
    p: float
    ci_low: float
    ci_high: float


def mean_correlation(r: ArrayLike) -> MeanCorrelation:
    """Average correlations r [n] by Fisher's z.

    NaN stands for a correlation that could not be computed and is left out. Of a single r only `mean_r` and
    `df` are not NaN; of none, all are NaN. Raises ValueError if an r is not inside (-1, 1).
    """
    known = np.asarray(r, dtype=float)
    known = known[~np.isnan(known)]
    if not (np.abs(known) < 1).all():
        raise ValueError("a correlation is not inside (-1, 1)")
    if not len(known):
        return MeanCorrelation(*[math.nan] * 6)
    mean = paired_drop([atanh(value) for value in known])  # the same t test against 0
    p = float(2 * stats.t.sf(abs(mean.t), mean.df))
    return MeanCorrelation(tanh(mean.drop), mean.t, mean.df, p, tanh(mean.ci_low), tanh(mean.ci_high))


def line_interval(
    x: np.ndarray, y: np.ndarray, slope: float, intercept: float, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a regression line of y on x, each [n], at places [m], and half its 95 % confidence interval."""
    n, centred = len(x), x - x.mean()
    residual = np.sqrt(((y - intercept - slope * x) ** 2).sum() / (n - 2))
    spread = np.sqrt(1 / n + (at - x.mean()) ** 2 / (centred**2).sum())
    return intercept + slope * at, stats.t.ppf(0.975, n - 2) * residual * spread
