"""Small statistics on arrays, each with its source. What scipy has is taken from there."""

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


def paired_drop(drops):
    """One-sample t of drops [n] against 0: dict of drop (mean), t, df, se, ci_low, ci_high (two-sided 95 %), p (one-sided, greater).

    A drop is random minus attribute mask of the same emotion, seed and size, so this is the paired t test of the two. One drop alone
    has no spread: all but its size is NaN.
    """
    drops = np.asarray(drops, dtype=float)
    mean, df = drops.mean(), len(drops) - 1
    if df == 0:
        return {"drop": mean, "t": np.nan, "df": 0, "se": np.nan, "ci_low": np.nan, "ci_high": np.nan, "p": np.nan}
    se = drops.std(ddof=1) / np.sqrt(len(drops))
    half = stats.t.ppf(0.975, df) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.divide(mean, se)
    p = stats.t.sf(t, df) if se > 0 else (0.0 if mean > 0 else 1.0)  # no variance: the drop is certain, or is none
    return {"drop": mean, "t": t, "df": df, "se": se, "ci_low": mean - half, "ci_high": mean + half, "p": float(p)}


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
    mean = paired_drop(np.arctanh(r))  # the same t test against 0
    return {
        "mean_r": np.tanh(mean["drop"]), "t": mean["t"], "df": mean["df"], "p": float(2 * stats.t.sf(abs(mean["t"]), mean["df"])),
        "ci_low": np.tanh(mean["ci_low"]), "ci_high": np.tanh(mean["ci_high"]),
    }  # fmt: skip
