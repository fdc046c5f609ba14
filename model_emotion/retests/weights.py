"""Re-tests of H3: whether an attribute's mask does more harm, the more the attribute weighs in human concepts."""

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.statistics import correlation_interval, regression
from model_emotion.masking.drops import ENOUGH, accuracy_drops
from model_emotion.retests.masks import several_sizes
from model_emotion.retests.rows import row


def _effects(masked, k):
    """Mean drop of each attribute's mask of size k: series by attribute."""
    return accuracy_drops(masked[masked["k"] == k]).groupby("attribute", sort=False)["drop"].mean()


def human_correlation_of_attributes(masked, k, weights, key=""):
    """H3 with attributes as the cases: Pearson's r of an attribute's mean drop with its human weight. weights: series by attribute."""
    effect = _effects(masked, k)
    if len(effect) < ENOUGH or not set(effect.index) <= set(
        weights.index
    ):  # masks of the three spaces, or of the most active neurons
        return []
    method = "Pearson's r over attributes of mean drop with human weight; Fisher z interval"
    if effect.nunique() == 1:  # the same drop everywhere: nothing to correlate
        return [row("human_correlation_attributes", method, "interval", n=len(effect), key=key, k=k)]
    found = regression(weights[effect.index], effect)
    ci = correlation_interval(found.r, len(effect))
    return [
        row(
            "human_correlation_attributes",
            method,
            "interval",
            found.r,
            ci,
            found.p,
            len(effect),
            key=key,
            k=k,
        )
    ]


def human_correlation_of_size(masked, weights):
    """The same at every size of several, a row each, key its number of neurons; it describes: one of them is the largest by chance."""
    rows = [
        found
        for k in several_sizes(masked)
        for found in human_correlation_of_attributes(masked, k, weights, str(k))
    ]
    return [found | {"question": "human_correlation_of_size", "decided_by": ""} for found in rows]


def pooled(masked):
    """(what to call it, masked accuracies whose random masks all attributes share), None where they do: less noise in each drop."""
    random = masked["kind"] == "random"
    if masked.loc[random, "attribute"].isna().all():
        return None
    each = masked.loc[random, ["attribute", "draw"]].apply(tuple, axis=1)
    draw = masked["draw"].mask(random, pd.Series(pd.factorize(each)[0] + 1, index=each.index))
    return "random masks pooled", masked.assign(attribute=masked["attribute"].mask(random), draw=draw)


def human_correlation_permuted(masked, k, weights, samples, seed):
    """H3 with attributes as the cases, once more without a normal law: p of Pearson's r, the attributes' weights permuted. One row."""
    effect = _effects(masked, k)
    if len(effect) < ENOUGH or not set(effect.index) <= set(weights.index) or effect.nunique() == 1:
        return []
    permuted = stats.PermutationMethod(n_resamples=samples, rng=np.random.default_rng(seed))
    p = stats.pearsonr(effect, weights[effect.index], method=permuted).pvalue
    method = f"Pearson's r over attributes of mean drop with human weight; two-sided p, weights permuted {samples} times"
    return [
        row(
            "human_correlation_permuted",
            method,
            "p",
            regression(weights[effect.index], effect).r,
            p=p,
            n=len(effect),
            k=k,
        )
    ]
