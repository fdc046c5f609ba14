"""Small statistics on arrays, each with its source. What scipy has is taken from there.

Matrix products by BLAS and numpy's transcendental functions differ in the last bits between processors, and so does all of scipy that
uses them. `product`, `regression`, `atanh` and `tanh` give the same bytes on every processor.
"""

import math
from decimal import Context, Decimal
from typing import NamedTuple

import numpy as np
from scipy import stats

DECIMAL = Context(prec=60)
"""Digits of `atanh` and `tanh` before they are rounded to a float. decimal's ln and exp are correctly rounded on every platform."""


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Matrix product [n, k] x [k, m] -> [n, m] that adds in the order of k. BLAS chooses its order by the processor."""
    total = a[:, :1] * b[:1]
    for k in range(1, len(b)):
        total += a[:, k : k + 1] * b[k : k + 1]
    return total


def atanh(r: float) -> float:
    """Fisher's z of a correlation in [-1, 1], correctly rounded; infinite at -1 and 1. NaN stays NaN."""
    if not 1e-9 < abs(r) < 1:  # near 0 it is the nearest float to itself
        return math.copysign(math.inf, r) if abs(r) == 1 else float(r)
    exact = Decimal(float(r))
    return float(DECIMAL.ln(DECIMAL.divide(DECIMAL.add(1, exact), DECIMAL.subtract(1, exact))) / 2)


def tanh(z: float) -> float:
    """The correlation of a Fisher's z, correctly rounded. NaN stays NaN."""
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


def regression(x: np.ndarray, y: np.ndarray) -> Regression:
    """Regression of y [n] on x [n], n > 2, from correctly rounded sums; r and p are NaN where either is constant, all where x is."""
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
    """95 % interval of a correlation r of n cases by Fisher's z, whose variance is `variance` / (n - 3)."""
    half = stats.norm.ppf(0.975) * math.sqrt(variance / (n - 3))
    return tanh(atanh(r) - half), tanh(atanh(r) + half)


def paired_drop(drops):
    """One-sample t of drops [n] against 0: dict of drop (mean), t, df, se, ci_low, ci_high (two-sided 95 %), p (one-sided, greater).

    A drop is random minus attribute mask of the same emotion, seed and size, so this is the paired t test of the two. One drop alone
    has no spread: all but its size is NaN.
    """
    drops = np.asarray(drops, dtype=float)
    mean, df = drops.mean(), len(drops) - 1
    if df == 0:
        return {
            "drop": mean,
            "t": np.nan,
            "df": 0,
            "se": np.nan,
            "ci_low": np.nan,
            "ci_high": np.nan,
            "p": np.nan,
        }
    se = drops.std(ddof=1) / np.sqrt(len(drops))
    half = stats.t.ppf(0.975, df) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.divide(mean, se)
    p = (
        stats.t.sf(t, df) if se > 0 else (0.0 if mean > 0 else 1.0)
    )  # no variance: the drop is certain, or is none
    return {
        "drop": mean,
        "t": t,
        "df": df,
        "se": se,
        "ci_low": mean - half,
        "ci_high": mean + half,
        "p": float(p),
    }


def mean_correlation(r):
    """Mean of correlations r [n] by Fisher's z: dict of mean_r, t, df, p (two-sided), ci_low, ci_high (95 %, back as r).

    NaN, where there was nothing to correlate, is left out; of one r alone all but the mean is NaN, of none all is. Raises ValueError
    where an r is not inside (-1, 1).
    """
    r = np.asarray(r, dtype=float)
    r = r[~np.isnan(r)]
    if not (np.abs(r) < 1).all():
        raise ValueError("a correlation is not inside (-1, 1)")
    if not len(r):
        return dict.fromkeys(("mean_r", "t", "df", "p", "ci_low", "ci_high"), np.nan)
    mean = paired_drop([atanh(value) for value in r])  # the same t test against 0
    return {
        "mean_r": tanh(mean["drop"]), "t": mean["t"], "df": mean["df"], "p": float(2 * stats.t.sf(abs(mean["t"]), mean["df"])),
        "ci_low": tanh(mean["ci_low"]), "ci_high": tanh(mean["ci_high"]),
    }  # fmt: skip


def line_interval(
    x: np.ndarray, y: np.ndarray, slope: float, intercept: float, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a regression line of y on x, each [n], at places [m], and half of its 95 % confidence interval there."""
    n, centred = len(x), x - x.mean()
    residual = np.sqrt(((y - intercept - slope * x) ** 2).sum() / (n - 2))
    spread = np.sqrt(1 / n + (at - x.mean()) ** 2 / (centred**2).sum())
    return intercept + slope * at, stats.t.ppf(0.975, n - 2) * residual * spread
