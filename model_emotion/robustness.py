"""The re-tests: questions that a careful reader asks of a run, each answered by an estimate and what chance would give.

A question is a function of a run's measurements that gives rows of one table. Every estimate is predicted to be above 0. A row says
whether its interval or its p decides (`decided_by`): it holds where the interval lies above 0, or where p < .05, else it does not hold.
Accuracies, drops and limits are fractions of 1, intervals two-sided and of 95 %.
"""

import numpy as np
import pandas as pd
from scipy import optimize, stats

from model_emotion.cli import UserError
from model_emotion.manipulation import drops
from model_emotion.rsa.kendall import correlate, pattern
from model_emotion.rsa.permutation import critical, largest_tau, permutations
from model_emotion.rsa.searchlight import mean_rdm

COLUMNS = ["question", "key", "k", "estimate", "ci_low", "ci_high", "p", "n", "reference", "decided_by", "verdict", "method"]
ALPHA, POWER = 0.05, 0.8
HOLDS, DOES_NOT_HOLD = "holds", "does not hold"
MISSING = float("nan")


def table(rows):
    """Rows as a data frame of COLUMNS, with their verdicts; a row that nothing decides has none."""
    frame = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "verdict"])
    above = np.where(frame["decided_by"] == "p", frame["p"] < ALPHA, frame["ci_low"] > 0)
    verdict = pd.Series(np.where(above, HOLDS, DOES_NOT_HOLD)).where(frame["decided_by"] != "", "")
    return frame.assign(verdict=verdict)[COLUMNS].astype({"k": "Int64", "n": int})


def _row(question, method, decided_by, estimate=MISSING, ci=(MISSING, MISSING), p=MISSING, n=0, *, key="", k=None, reference=MISSING):
    return {
        "question": question, "key": key, "k": k, "estimate": estimate, "ci_low": ci[0], "ci_high": ci[1], "p": p, "n": n,
        "reference": reference, "decided_by": decided_by, "method": method,
    }  # fmt: skip


def accuracy_above_majority(accuracy):
    """Does the model do better than always saying the commoner class? Emotions are the cases; a run of unknown majority has no row."""
    known = accuracy.dropna(subset=["majority"])
    if not len(known):
        return []
    method = "mean of accuracy - majority over emotions, each the mean of its seeds; t interval"
    above = (known["accuracy"] - known["majority"]).groupby(known["emotion"], sort=False).mean()
    test = stats.ttest_1samp(above, 0)
    return [_row("accuracy_above_majority", method, "interval", above.mean(), test.confidence_interval(), test.pvalue, len(above))]


def rank_interval(rho, n):
    """95 % interval of Spearman's rho of n cases: Fisher's z with Bonett and Wright's (2000) variance (1 + rho^2 / 2) / (n - 3)."""
    half = stats.norm.ppf(0.975) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    with np.errstate(divide="ignore"):  # rho of 1 is infinity
        return tuple(np.tanh(np.arctanh(rho) + np.array([-half, half])))


def accuracy_order(accuracy, published):
    """Are the same emotions easy and hard as in the study (C1)? Spearman's rho of mean accuracies over the emotions that both have."""
    both = pd.concat([of_run.groupby("emotion")["accuracy"].mean() for of_run in (accuracy, published)], axis=1, join="inner")
    found = stats.spearmanr(both)
    method = "Spearman's rho over emotions with the mean accuracies of the run published; Fisher z interval, Bonett and Wright (2000)"
    ci = rank_interval(found.statistic, len(both))
    return [_row("accuracy_order", method, "interval", found.statistic, ci, found.pvalue, len(both))]


def significant_neurons(activations, attribute_rdms, samples, seed):
    """Neurons that follow an attribute more closely than the best of all would by chance, emotions permuted: two rows an attribute.

    activations [seed, emotion, neuron]; attribute_rdms: frame [pairs, attributes]. The estimate is the number of neurons whose tau exceeds
    the critical tau (`reference`), p that of the largest tau; corrected for all neurons, and for all neurons x attributes (`…_of_all`).
    """
    neurons, rdms = activations.shape[2], attribute_rdms.to_numpy()

    def vectors(rows):
        return mean_rdm(activations[:, :, rows])

    tau = np.nan_to_num(correlate(vectors, neurons, pattern(rdms))[0], nan=-1.0)
    by_chance = largest_tau(vectors, neurons, rdms, permutations(activations.shape[1], samples, seed))
    largest = np.concatenate([tau.max(axis=0, keepdims=True), by_chance])  # the order that was observed is one of those possible
    everywhere = np.broadcast_to(largest.max(axis=1, keepdims=True), largest.shape)
    rows = []
    for question, over, of in (
        ("significant_neurons", "neurons", largest), ("significant_neurons_of_all", "neurons x attributes", everywhere)
    ):  # fmt: skip
        method = f"tau above the 95 % quantile of the maximum over {over}, emotions permuted {samples} times; p of the largest tau"
        limits, p = critical(of, ALPHA), (of >= largest[0]).mean(axis=0)
        counts = (tau > limits).sum(axis=0)
        for attribute, limit, count, p_largest in zip(attribute_rdms, limits, counts, p, strict=True):
            rows.append(_row(question, method, "p", count, p=p_largest, n=neurons, key=attribute, reference=limit))
    return rows


def _means_of_masks(masked, k):
    """Mean accuracy over emotions and seeds under each mask of size k: series by attribute; by attribute and draw of random masks."""
    of_size = masked[masked["k"] == k].assign(attribute=lambda rows: rows["attribute"].fillna(""), draw=lambda rows: rows["draw"].fillna(0))
    by = of_size.groupby(["kind", "attribute", "draw"], sort=False)["accuracy"]
    if by.size().nunique() > 1:
        raise UserError(f"masked accuracies: not every mask of size {k} was measured for the same emotions and seeds")
    means = by.mean()
    return means["attribute"].droplevel("draw"), means["random"]


def _random_masks_of(attribute, random):
    """(values, name) of the random masks that an attribute's is set among: several of its own, else those shared, else those of all."""
    owners = random.index.get_level_values("attribute")
    for owner, name in ((attribute, "own"), ("", "shared")):
        if (owners == owner).sum() > 1:
            return random[owners == owner].to_numpy(), name
    return random.to_numpy(), "of all attributes"


def place_among_random(masked, k):
    """Is an attribute's mask worse than random ones of its size? A row an attribute; masks are the cases.

    The estimate is the mean accuracy with the random masks minus that with the attribute's (`reference`), n the number of random masks, p
    the attribute's place among them (Phipson & Smyth 2010). The interval is that of a t prediction of one new random mask (Hahn & Meeker
    1991), widened to the random masks' range, for a few of them can be far below the others: it lies above 0 where the attribute's accuracy
    is below all of them and below what one more would leave. It decides where they are too few for any p below .05.
    """
    attribute_means, random_means = _means_of_masks(masked, k)
    rows = []
    for attribute, mean in attribute_means.items():
        random, whose = _random_masks_of(attribute, random_means)
        n = len(random)
        lower = int((random <= mean).sum())
        half = stats.t.ppf(0.975, n - 1) * random.std(ddof=1) * np.sqrt(1 + 1 / n) if n > 1 else MISSING
        estimate, p = random.mean() - mean, (1 + lower) / (n + 1)
        decided_by = "p" if 1 / (n + 1) < ALPHA else "interval"
        method = f"place among {n} random masks ({whose}); t prediction interval of one new mask, or their range"
        ci = (min(estimate - half, random.min() - mean), max(estimate + half, random.max() - mean))
        rows.append(_row("place_among_random", method, decided_by, estimate, ci, p, n, key=attribute, k=k, reference=mean))
    return rows


def human_correlation_of_attributes(masked, k, weights):
    """H3 with attributes as the cases: Pearson's r of an attribute's mean drop with its human weight. weights: series by attribute."""
    effect = drops(masked[masked["k"] == k]).groupby("attribute", sort=False)["drop"].mean()
    if len(effect) < 4 or not set(effect.index) <= set(weights.index):  # masks of the three spaces, or of the most active neurons
        return []
    found = stats.pearsonr(effect, weights[effect.index])
    method = "Pearson's r over attributes of mean drop with human weight; Fisher z interval"
    ci = found.confidence_interval(0.95)
    return [_row("human_correlation_attributes", method, "interval", found.statistic, ci, found.pvalue, len(effect), k=k)]


def smallest_effect(n, alpha=ALPHA, power=POWER):
    """The mean, in standard deviations, that a one-sided t test of n values at alpha finds with this power.

    Under it t is noncentral with parameter mean x sqrt(n) (Cohen 1988, chapter 2).
    """
    limit = stats.t.ppf(1 - alpha, n - 1)
    shift = optimize.brentq(lambda nc: stats.nct.sf(limit, n - 1, nc) - power, 0, limit + 10)
    return shift / np.sqrt(n)


def detectable_drop(masked, k):
    """The smallest mean drop that the test of one attribute, pooled over emotions and seeds, would find; a measure of the design, no claim.

    From the median over attributes of the drops' standard deviation. The test takes drops under one mask as independent.
    """
    by = drops(masked[masked["k"] == k]).groupby("attribute", sort=False)["drop"]
    n, deviation = int(by.size().min()), by.std(ddof=1).median()
    if n < 2:
        return []
    method = f"mean drop found with power {POWER} by the one-sided t test of an attribute, alpha {ALPHA}; noncentral t"
    return [_row("detectable_drop", method, "", deviation * smallest_effect(n), n=n, k=k)]
