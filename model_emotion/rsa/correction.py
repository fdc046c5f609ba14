"""q values: p values corrected for the number of tests."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def q_rank(p: ArrayLike) -> np.ndarray:
    """Return the study's q values: p m / rank(p) over all m tests, at most 1, in the shape of p.

    Tied p values share their average rank. NaN is not counted as a test and stays NaN. The ratio is Benjamini
    and Hochberg's (1995) without their running minimum, so a larger p can have a smaller q.
    """
    p = np.asarray(p, dtype=float)
    tests = np.count_nonzero(~np.isnan(p))
    return np.minimum(p * tests / stats.rankdata(p, nan_policy="omit").reshape(p.shape), 1.0)


def q_bh(p: ArrayLike) -> np.ndarray:
    """Return Benjamini and Hochberg's (1995) adjusted p over all tests, in the shape of p.

    NaN is not counted as a test and stays NaN.
    """
    q = np.array(p, dtype=float)
    tests = ~np.isnan(q)
    q[tests] = stats.false_discovery_control(q[tests]) if tests.any() else np.nan
    return q
