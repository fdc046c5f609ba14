"""The smallest effects that the re-tests of masks could have found. They decide nothing."""

import numpy as np
import pandas as pd
from scipy import optimize, stats

from model_emotion.base.results import POWER
from model_emotion.base.statistics import FEWEST, tanh
from model_emotion.retests.drops import cubes, over_masks
from model_emotion.retests.masks import means_of_masks, pool_sizes, random_masks_of
from model_emotion.retests.rows import ALPHA, Row, row


def _shift(df: float, alpha: float, power: float) -> float:
    """Return the mean, in standard errors, that a one-sided t test at alpha finds with this power.

    It is the noncentrality of t for which the test has that power (Cohen 1988, chapter 2).
    """
    limit = stats.t.ppf(1 - alpha, df)
    return optimize.brentq(lambda nc: stats.nct.sf(limit, df, nc) - power, 0, limit + 10)


def smallest_effect(n: int, alpha: float = ALPHA, power: float = POWER) -> float:
    """Return the mean, in standard deviations, that a one-sided t test of n values finds with this power."""
    return _shift(n - 1, alpha, power) / np.sqrt(n)


def detectable_place(masked: pd.DataFrame, k: int) -> list[Row]:
    """How far below its random masks' mean must an attribute's mask lie to hold its place?

    The estimate is the median over attributes.
    """
    attribute_means, random_means = means_of_masks(masked, k)
    pooled, limits = pool_sizes(masked), []
    for attribute in attribute_means.index:
        random = random_masks_of(attribute, random_means, k, pooled)
        limits.append(random.accuracy.mean() - random.limits[0])
    if not np.isfinite(limits).all():
        return []
    distance = "distance below its random masks' mean at which an attribute's mask holds its place"
    method = f"{distance}; median over attributes"
    return [row("detectable_place", method, "", float(np.median(limits)), n=len(limits), k=k)]


def detectable_drop(drops: pd.DataFrame, k: int) -> list[Row]:
    """Which mean drop would the test of one attribute find, pooled over emotions and seeds?

    From the median over attributes of the drops' standard deviation. The test takes drops under one mask as
    independent.
    """
    by = drops[drops["k"] == k].groupby("attribute", sort=False)["drop"]
    n, deviation = int(by.size().min()), by.std(ddof=1).median()
    if n < 2:
        return []
    test = f"the one-sided t test of an attribute, alpha {ALPHA}; noncentral t"
    method = f"mean drop found with power {POWER} by {test}"
    return [row("detectable_drop", method, "", deviation * smallest_effect(n), n=n, k=k)]


def detectable_over_attributes(masked: pd.DataFrame, drops: pd.DataFrame, k: int) -> list[Row]:
    """Which mean drop (H2) and which r of drop and weight (H3) would tests over attributes find?

    Both tests are two-sided, as those that decide H2 and H3. The drop follows from the standard error of
    `hurt_over_attributes`, r from Fisher's z.
    """
    own, random = cubes(masked, drops, k)
    n, found = own.shape[2], over_masks(own, random)
    if n < FEWEST:
        return []
    test = f"the two-sided t test over attributes, alpha {ALPHA}; noncentral t"
    drop = f"mean drop found with power {POWER} by {test}"
    r = f"r over attributes found with power {POWER} by the two-sided test, alpha {ALPHA}; Fisher's z"
    smallest_r = tanh((stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER)) / np.sqrt(n - 3))
    smallest = found.se * _shift(found.df, ALPHA / 2, POWER) if found.se > 0 else found.se
    rows = (
        [] if np.isnan(smallest) else [row("detectable_drop_over_attributes", drop, "", smallest, n=n, k=k)]
    )
    return [*rows, row("detectable_correlation", r, "", smallest_r, n=n, k=k)]
