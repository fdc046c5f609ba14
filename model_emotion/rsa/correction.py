"""q values: corrections of p for the number of tests."""

import numpy as np
from scipy import stats


def q_rank(p):
    """The study's correction: q = p m / rank(p) over all m tests of any shape, ties given their average rank, at most 1; NaN is no test.

    It is Benjamini and Hochberg's (1995) ratio without the running minimum, so q need not grow with p.
    """
    p = np.asarray(p, dtype=float)
    tests = np.count_nonzero(~np.isnan(p))
    return np.minimum(p * tests / stats.rankdata(p, nan_policy="omit").reshape(p.shape), 1.0)


def q_bh(p):
    """Benjamini and Hochberg's (1995) adjusted p over all tests of any shape; NaN is no test."""
    q = np.array(p, dtype=float)
    tests = ~np.isnan(q)
    q[tests] = stats.false_discovery_control(q[tests]) if tests.any() else np.nan
    return q
