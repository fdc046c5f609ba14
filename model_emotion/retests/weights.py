"""H3: does masking an attribute lower accuracy more, the more the attribute weighs in human emotion concepts?

`drops` is drops.parquet; `weights` is a series of human weights by attribute.
"""

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.statistics import FEWEST, correlation_interval, regression
from model_emotion.retests.masks import several_sizes
from model_emotion.retests.rows import Row, row


def _effects(drops: pd.DataFrame, k: int, weights: pd.Series) -> pd.Series | None:
    """Return each attribute's mean drop at size k; None if some have no weight, or they are too few."""
    effect = drops[drops["k"] == k].groupby("attribute", sort=False)["drop"].mean()
    return effect if len(effect) >= FEWEST and set(effect.index) <= set(weights.index) else None


def human_correlation_of_attributes(
    drops: pd.DataFrame, k: int, weights: pd.Series, key: str = ""
) -> list[Row]:
    """Does an attribute's mean drop correlate with its human weight? Attributes are the cases.

    No row if there are fewer than FEWEST attributes, or if masks are of something else, such as the three
    spaces. key: tells this row from others of the same question.
    """
    effect = _effects(drops, k, weights)
    if effect is None:
        return []
    method = "Pearson's r over attributes of mean drop with human weight; Fisher z interval"
    question, n = "human_correlation_attributes", len(effect)
    if effect.nunique() == 1:  # the same drop everywhere: nothing to correlate
        return [row(question, method, "interval", n=n, key=key, k=k)]
    found = regression(weights[effect.index], effect)
    ci = correlation_interval(found.r, n)
    return [row(question, method, "interval", found.r, ci, found.p, n, key=key, k=k)]


def human_correlation_of_size(
    drops: pd.DataFrame, weights: pd.Series, question: str = "human_correlation_of_size"
) -> list[Row]:
    """Does the correlation of `human_correlation_of_attributes` depend on the size of the masks? Descriptive.

    A row for each of several sizes, whose key is the number of neurons. No row decides: one size has the
    largest correlation by chance.
    """
    rows = [
        found
        for k in several_sizes(drops)
        for found in human_correlation_of_attributes(drops, k, weights, str(k))
    ]
    return [found | {"question": question, "decided_by": ""} for found in rows]


def human_correlation_permuted(
    drops: pd.DataFrame, k: int, weights: pd.Series, samples: int, seed: int
) -> list[Row]:
    """Does an attribute's mean drop correlate with its human weight, without assuming a normal distribution?

    p is that of Pearson's r with the attributes' weights permuted `samples` times.
    """
    effect = _effects(drops, k, weights)
    if effect is None or effect.nunique() == 1:
        return []
    permuted = stats.PermutationMethod(n_resamples=samples, rng=np.random.default_rng(seed))
    p = stats.pearsonr(effect, weights[effect.index], method=permuted).pvalue
    of = "Pearson's r over attributes of mean drop with human weight"
    method = f"{of}; two-sided p, weights permuted {samples} times"
    r = regression(weights[effect.index], effect).r
    return [row("human_correlation_permuted", method, "p", r, p=p, n=len(effect), k=k)]
