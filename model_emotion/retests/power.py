"""The smallest effects that the re-tests of masks could have found: measures of the design, not claims."""

import numpy as np
from scipy import optimize, stats

from model_emotion.base.statistics import tanh
from model_emotion.masking.drops import ENOUGH, accuracy_drops
from model_emotion.retests.masks import cubes, limit_below, means_of_masks, over_masks, random_masks_of
from model_emotion.retests.rows import ALPHA, POWER, row


def _shift(df, alpha, power):
    """By how many standard errors a mean must differ from 0 for a one-sided t test at alpha to find it with this power.

    Under it t is noncentral with that parameter (Cohen 1988, chapter 2).
    """
    limit = stats.t.ppf(1 - alpha, df)
    return optimize.brentq(lambda nc: stats.nct.sf(limit, df, nc) - power, 0, limit + 10)


def smallest_effect(n, alpha=ALPHA, power=POWER):
    """The mean, in standard deviations, that a one-sided t test of n values at alpha finds with this power."""
    return _shift(n - 1, alpha, power) / np.sqrt(n)


def detectable_place(masked, k):
    """How far below its random masks' mean an attribute's must lie for `place_among_random` to hold: the median over attributes.

    A measure of the design, no claim.
    """
    attribute_means, random_means = means_of_masks(masked, k)
    limits = [
        limit_below(random_masks_of(attribute, random_means)[0])[0] for attribute in attribute_means.index
    ]
    if not np.isfinite(limits).all():
        return []
    method = "distance below its random masks' mean at which an attribute's mask holds its place; median over attributes"
    return [row("detectable_place", method, "", np.median(limits), n=len(limits), k=k)]


def detectable_drop(masked, k):
    """The smallest mean drop that the test of one attribute, pooled over emotions and seeds, would find; a measure of the design, no claim.

    From the median over attributes of the drops' standard deviation. The test takes drops under one mask as independent.
    """
    by = accuracy_drops(masked[masked["k"] == k]).groupby("attribute", sort=False)["drop"]
    n, deviation = int(by.size().min()), by.std(ddof=1).median()
    if n < 2:
        return []
    method = f"mean drop found with power {POWER} by the one-sided t test of an attribute, alpha {ALPHA}; noncentral t"
    return [row("detectable_drop", method, "", deviation * smallest_effect(n), n=n, k=k)]


def detectable_over_attributes(masked, k):
    """The smallest effects that attributes, as the cases, can show: mean drop (H2), and r of drop and weight (H3). Measures of the design.

    The drop from the standard error of `masks_hurt` over attributes; r by Fisher's z with a two-sided test.
    """
    own, random = cubes(masked, k)
    n, found = own.shape[2], over_masks(own, random)
    if n < ENOUGH:
        return []
    drop = f"mean drop found with power {POWER} by the one-sided t test over attributes, alpha {ALPHA}; noncentral t"
    r = f"r over attributes found with power {POWER} by the two-sided test, alpha {ALPHA}; Fisher's z"
    smallest_r = tanh((stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER)) / np.sqrt(n - 3))
    smallest = found["se"] * _shift(found["df"], ALPHA, POWER) if found["se"] > 0 else found["se"]
    return [
        row("detectable_drop_over_attributes", drop, "", smallest, n=n, k=k),
        row("detectable_correlation", r, "", smallest_r, n=n, k=k),
    ]
