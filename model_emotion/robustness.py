"""The re-tests: questions that a careful reader asks of a run, each answered by an estimate and what chance would give.

A question is a function of a run's measurements that gives rows of one table. Every estimate is predicted to be above 0. A row says
whether its interval or its p decides (`decided_by`): it holds where the interval lies above 0, or where p < .05, else it does not hold.
Accuracies, drops and limits are fractions of 1, intervals two-sided and of 95 %.
"""

import numpy as np
import pandas as pd
from scipy import optimize, stats

from model_emotion.cli import UserError
from model_emotion.manipulation import drop_table, drops
from model_emotion.masks import best
from model_emotion.rdm import pair_indices
from model_emotion.rsa.kendall import correlate, pattern
from model_emotion.rsa.permutation import critical, largest_tau, permutations
from model_emotion.rsa.searchlight import mean_rdm
from model_emotion.statistics import paired_drop

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
    """Are the same emotions easy and hard as in the study (C1)? Spearman's rho of mean accuracies over the emotions that both have.

    No row of fewer than four emotions.
    """
    both = pd.concat([of_run.groupby("emotion")["accuracy"].mean() for of_run in (accuracy, published)], axis=1, join="inner")
    if len(both) < 4:
        return []
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


def masks_hurt(masked, k, samples, seed, key=""):
    """H2 over all attributes' masks of size k, with the cases taken more and more seriously: mean drop, three rows.

    The study tests drops of all cells as if each were independent. Here the cases are attributes; emotions; or both and seeds, each drawn
    anew with replacement (pigeonhole bootstrap, Owen 2007; `samples` of them, percentile interval), which is wide on purpose: masks of
    an attribute, and prompts of an emotion, have much in common. key: what tells these rows from other ones.
    """
    wide = drops(masked[masked["k"] == k]).pivot(index=["emotion", "seed"], columns="attribute", values="drop")
    cube = wide.to_numpy().reshape(*wide.index.levshape, -1)  # [emotion, seed, attribute]
    rows = []
    for cases, means in (("attributes", cube.mean(axis=(0, 1))), ("emotions", cube.mean(axis=(1, 2)))):
        if len(means) > 1:
            test = paired_drop(means)
            method = f"mean drop, {cases} as the cases; t interval, one-sided p"
            ci = test["ci_low"], test["ci_high"]
            rows.append(_row(f"masks_hurt_over_{cases}", method, "interval", test["drop"], ci, test["p"], len(means), key=key, k=k))
    generator = np.random.default_rng(seed)
    weights = [generator.multinomial(n, np.full(n, 1 / n), samples) / n for n in cube.shape]
    means = np.einsum("se,st,sa,eta->s", *weights, cube, optimize=True)
    method = f"mean drop; emotions, seeds and attributes drawn anew {samples} times (Owen 2007); percentile interval"
    ci = np.quantile(means, [0.025, 0.975])
    return [*rows, _row("masks_hurt_over_all", method, "interval", cube.mean(), ci, n=cube.size, key=key, k=k)]


def human_correlation_of_attributes(masked, k, weights, key=""):
    """H3 with attributes as the cases: Pearson's r of an attribute's mean drop with its human weight. weights: series by attribute."""
    effect = drops(masked[masked["k"] == k]).groupby("attribute", sort=False)["drop"].mean()
    if len(effect) < 4 or not set(effect.index) <= set(weights.index):  # masks of the three spaces, or of the most active neurons
        return []
    method = "Pearson's r over attributes of mean drop with human weight; Fisher z interval"
    if effect.nunique() == 1:  # the same drop everywhere: nothing to correlate
        return [_row("human_correlation_attributes", method, "interval", n=len(effect), key=key, k=k)]
    found = stats.pearsonr(effect, weights[effect.index])
    ci = found.confidence_interval(0.95)
    return [_row("human_correlation_attributes", method, "interval", found.statistic, ci, found.pvalue, len(effect), key=key, k=k)]


def without_seeds(masked, seeds):
    """(what to call them, masked accuracies without these seeds), None where none of them or nothing else was measured."""
    kept = masked[~masked["seed"].isin(seeds)]
    left_out = sorted(set(masked["seed"]) - set(kept["seed"]))
    return (f"without seeds {', '.join(map(str, left_out))}", kept) if left_out and len(kept) else None


def corrected_stars(masked, alpha):
    """How many drops are significant by Benjamini and Hochberg's q, `reference` by the study's? A row each for emotions, attributes."""
    table, rows = drops(masked), []
    for cases in ("emotion", "attribute"):
        tests = drop_table(table, [cases], alpha)
        method = f"drops of each {cases} and size with q < {alpha:g} by Benjamini and Hochberg (1995); reference: by the study's q"
        found = int((tests["q_bh"] < alpha).sum())
        rows.append(_row("corrected_stars", method, "", found, n=len(tests), key=cases, reference=int(tests["star"].sum())))
    return rows


def partial_tau(tau, among):
    """[neurons, attributes] tau, and [attributes, attributes] tau of the attributes with each other -> each tau given all other attributes.

    Of correlations R of a neuron and the attributes, -P[0, a] / sqrt(P[0, 0] P[a, a]) with P the inverse of R (Whittaker 1990), with
    Kendall's tau for the correlation (Kendall 1942). NaN where R has no inverse.
    """
    inverse = np.linalg.inv(among)
    slopes = tau @ inverse
    with np.errstate(divide="ignore", invalid="ignore"):
        own = 1 / (1 - (slopes * tau).sum(axis=1, keepdims=True))
        return slopes * own / np.sqrt(own * (np.diag(inverse) + slopes**2 * own))


def own_neurons(activations, attribute_rdms, k):
    """What share of an attribute's k best neurons is still among its k best, given the other attributes? By chance it is `reference`.

    No rows where an attribute follows from the others.
    """
    rdms = attribute_rdms.to_numpy()
    tau = _tau(activations, rdms)
    among = np.array([[stats.kendalltau(a, b).statistic for b in rdms.T] for a in rdms.T])
    if np.linalg.matrix_rank(among) < len(among):
        return []
    both = [_best(values, k) for values in (tau, partial_tau(tau, among))]
    method = "share of the k neurons of largest tau that are among those of largest partial tau given the other attributes"
    return [
        _row("own_neurons", method, "", share, n=k, key=attribute, k=k, reference=k / len(tau))
        for attribute, share in zip(attribute_rdms, (both[0] & both[1]).sum(axis=0) / k, strict=True)
    ]


def split_half(activations, attribute_rdms, k, halvings, seed):
    """What share of an attribute's k best neurons do two halves of the seeds have in common? By chance it is `reference`.

    Mean over random halvings, of at least two seeds a half; no rows where there are fewer.
    """
    seeds = len(activations)
    if seeds < 4:
        return []
    rdms, shares, generator = attribute_rdms.to_numpy(), [], np.random.default_rng(seed)
    for _ in range(halvings):
        order = generator.permutation(seeds)
        first, second = (_best(_tau(activations[half], rdms), k) for half in (order[: seeds // 2], order[seeds // 2 :]))
        shares.append((first & second).sum(axis=0) / k)
    method = f"share of the k neurons of largest tau that two halves of the seeds have in common, mean of {halvings} halvings"
    return [
        _row("split_half", method, "", share, n=k, key=attribute, k=k, reference=k / activations.shape[2])
        for attribute, share in zip(attribute_rdms, np.mean(shares, axis=0), strict=True)
    ]


def _tau(activations, rdms):
    """[neurons, attributes] tau-b of every neuron with RDMs [pairs, attributes]."""
    return correlate(lambda rows: mean_rdm(activations[:, :, rows]), activations.shape[2], pattern(rdms))[0]


def _best(tau, k):
    """[neurons, attributes] tau -> bool: the k neurons of largest tau of each attribute, as masks choose them."""
    ranks = stats.rankdata(-np.nan_to_num(tau, nan=-2), axis=0)
    return np.column_stack([best(rank, k) for rank in ranks.T])


def label_rdm(labels):
    """A control: 1 - phi of each pair of emotions, as raters gave them together; labels [texts, emotions] -> frame [pairs, 1]."""
    a, b = pair_indices(labels.shape[1])
    return pd.DataFrame({"label co-occurrence": 1 - np.corrcoef(labels, rowvar=False)[a, b]})


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
