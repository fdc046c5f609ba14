"""q values: p values corrected for the number of tests."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def q_rank(p: ArrayLike) -> np.ndarray:
    """Return the study's q of m tests, in the shape of p: p m / rank(p), at most 1.

    Ties get their average rank. NaN is not counted as a test. It is the ratio of Benjamini and Hochberg
    (1995) without the running minimum, so q need not grow with p.
    """
    p = np.asarray(p, dtype=float)
    tests = np.count_nonzero(~np.isnan(p))
    return np.minimum(p * tests / stats.rankdata(p, nan_policy="omit").reshape(p.shape), 1.0)


def q_bh(p: ArrayLike) -> np.ndarray:
    """Return Benjamini and Hochberg's (1995) adjusted p, in the shape of p; NaN is not counted."""
    q = np.array(p, dtype=float)
    tests = ~np.isnan(q)
    q[tests] = stats.false_discovery_control(q[tests]) if tests.any() else np.nan
    return q
