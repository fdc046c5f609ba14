"""Reliability of mean ratings: intraclass correlations with their F tests and confidence limits.

Definitions: Shrout & Fleiss (1979); limits: McGraw & Wong (1996). pingouin would leave out emotions with gaps
and round the limits to two decimals; the tests compare with it where it applies.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import f as f_distribution

from model_emotion.rsa.correction import q_rank


@dataclass(frozen=True)
class ICC:
    """An intraclass correlation of mean ratings, its F test against 0 and its two-sided confidence limits."""

    kind: str
    icc: float
    f: float
    df1: int
    df2: int
    p: float
    ci_low: float
    ci_high: float


def icc_2k(ratings: npt.ArrayLike, level: float = 0.95) -> ICC:
    """Return ICC(2,k), two-way random effects and absolute agreement, of ratings [targets, raters].

    level: of the confidence limits. Raises ValueError if a rating is missing (NaN).
    """
    ratings = np.asarray(ratings, dtype=float)
    n, k = ratings.shape
    if np.isnan(ratings).any():
        raise ValueError("ICC(2,k) needs a table without gaps")
    mean = ratings.mean()
    between = k * ((ratings.mean(axis=1) - mean) ** 2).sum()
    raters = n * ((ratings.mean(axis=0) - mean) ** 2).sum()
    df1, df_raters, df2 = n - 1, k - 1, (n - 1) * (k - 1)
    ms_between, ms_raters = between / df1, raters / df_raters
    residuals = ratings - ratings.mean(axis=1, keepdims=True) - ratings.mean(axis=0) + mean
    ms_error = (residuals**2).sum() / df2
    f = ms_between / ms_error

    single = (ms_between - ms_error) / (ms_between + (k - 1) * ms_error + k * (ms_raters - ms_error) / n)
    a, b = k * single / (n * (1 - single)), 1 + k * single * (n - 1) / (n * (1 - single))
    df = (a * ms_raters + b * ms_error) ** 2 / ((a * ms_raters) ** 2 / df_raters + (b * ms_error) ** 2 / df2)
    upper_tail = (1 + level) / 2
    lower_f, upper_f = f_distribution.ppf(upper_tail, df1, df), f_distribution.ppf(upper_tail, df, df1)
    rest = k * ms_raters + (k * n - k - n) * ms_error
    low = n * (ms_between - lower_f * ms_error) / (lower_f * rest + n * ms_between)
    high = n * (upper_f * ms_between - ms_error) / (rest + n * upper_f * ms_between)
    # These are the limits of a single rating; those of the mean of k ratings follow.
    low, high = (k * limit / (1 + (k - 1) * limit) for limit in (low, high))
    icc = (ms_between - ms_error) / (ms_between + (ms_raters - ms_error) / n)
    return ICC("ICC(2,k)", icc, f, df1, df2, float(f_distribution.sf(f, df1, df2)), low, high)


def icc_1k(ratings: npt.ArrayLike, level: float = 0.95) -> ICC:
    """Return ICC(1,k), one-way random effects, of ratings [targets, places], NaN where there is none.

    The value is 1 - MSW / MSB of the unbalanced one-way analysis of variance of the ratings that exist. This
    agrees with the coordinates in the study's figure within .00001. The study's limits treat the table as
    full, df2 = n (k - 1) = 297 for k places, and so do these. With the 272 degrees of freedom of the existing
    ratings they would change by less than .002. Other procedures do not match the study: filling the gaps or
    leaving out the last place (off by .007 to .07), and restricted maximum likelihood (.001 to .02).

    Raises ValueError if a target has no rating.
    """
    ratings = np.asarray(ratings, dtype=float)
    n, k = ratings.shape
    count = (~np.isnan(ratings)).sum(axis=1)
    if (count == 0).any():
        raise ValueError("ICC(1,k) needs at least one rating of each target")
    means = np.nanmean(ratings, axis=1)
    ms_between = (count * (means - np.nanmean(ratings)) ** 2).sum() / (n - 1)
    ms_within = np.nansum((ratings - means[:, None]) ** 2) / (count.sum() - n)
    f = ms_between / ms_within
    df1, df2 = n - 1, n * (k - 1)
    upper_tail = (1 + level) / 2
    low = 1 - f_distribution.ppf(upper_tail, df1, df2) / f
    high = 1 - 1 / (f * f_distribution.ppf(upper_tail, df2, df1))
    return ICC("ICC(1,k)", 1 - 1 / f, f, df1, df2, float(f_distribution.sf(f, df1, df2)), low, high)


def by_group(values: np.ndarray, groups: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Arrange values [rows] by their groups [rows]: [names, size of the largest group].

    A row of the result holds the values of one group from the left, then NaN.
    """
    rows = [values[groups == name] for name in names]
    table = np.full((len(names), max(map(len, rows))), np.nan)
    for target, row in enumerate(rows):
        table[target, : len(row)] = row
    return table


def table(attributes: Sequence[str], results: Sequence[ICC]) -> pd.DataFrame:
    """Return the ICCs of attributes: `attribute, kind, icc, f, df1, df2, p, q, ci_low, ci_high`.

    q is corrected over all of them.
    """
    frame = pd.DataFrame([asdict(result) for result in results])
    frame.insert(0, "attribute", attributes)
    frame.insert(frame.columns.get_loc("p") + 1, "q", q_rank(frame["p"]))
    return frame
