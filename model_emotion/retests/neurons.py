"""H1: do neurons follow an attribute more closely than by chance, for itself, and with other seeds too?"""

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.progress import progress
from model_emotion.base.statistics import product, regression
from model_emotion.masking.masks import best
from model_emotion.retests.rows import ALPHA, Row, doubled, row
from model_emotion.rsa.kendall import correlate, pattern
from model_emotion.rsa.permutation import critical, largest_tau, least_p, permutations, permuted_pairs
from model_emotion.rsa.rdm import pair_indices
from model_emotion.rsa.searchlight import mean_rdm

PERMUTATIONS = 199
"""Permutations of the emotions that show what to expect by chance."""
AT_ONCE = 20
"""Permutations whose taus are in memory at a time."""
SAMPLED = 3072
"""Neurons that are drawn for permutations and halvings, a twelfth of roberta-base; fewer neurons are all
used."""


def significant_neurons(
    activations: np.ndarray, attribute_rdms: pd.DataFrame, samples: int, seed: int
) -> list[Row]:
    """How many neurons follow an attribute more closely than the best neuron does with permuted emotions?

    Two rows per attribute: corrected for all neurons, and for all neurons and attributes
    (`significant_neurons_of_all`). The estimate is the number of neurons whose tau exceeds the critical tau
    (`reference`), which the largest tau exceeds by chance in 2.5 % of the orders. p is that of the largest
    tau, doubled. activations: [seed, emotion, neuron]. attribute_rdms: frame [pairs, attributes].
    """
    neurons, rdms = activations.shape[2], attribute_rdms.to_numpy()

    def vectors(rows: slice) -> np.ndarray:
        return mean_rdm(activations[:, :, rows])

    tau = np.nan_to_num(correlate(vectors, neurons, pattern(rdms))[0], nan=-1.0)
    by_chance = largest_tau(vectors, neurons, rdms, permutations(activations.shape[1], samples, seed))
    # the observed order of the emotions is one of those possible
    largest = np.concatenate([tau.max(axis=0, keepdims=True), by_chance])
    least, level = least_p(largest, ALPHA / 2)
    maximum = f"emotions permuted {samples} times; two-sided p of the largest tau"
    rows = []
    each = f"tau above the 97.5 % quantile of the maximum over neurons, {maximum}"
    of_all = (
        f"the same for all attributes at once, by the least p of any (Westfall and Young 1993), {maximum}"
    )
    for question, method, limits, p in (
        ("significant_neurons", each, critical(largest, ALPHA / 2), (largest >= largest[0]).mean(axis=0)),
        ("significant_neurons_of_all", of_all, critical(largest, level), least),
    ):
        counts = (tau > limits).sum(axis=0)
        for attribute, limit, count, p_largest in zip(attribute_rdms, limits, counts, p, strict=True):
            rows.append(
                row(
                    question,
                    method,
                    "p",
                    count,
                    p=doubled(p_largest),
                    n=neurons,
                    key=attribute,
                    reference=limit,
                )
            )
    return rows


def partial_tau(tau: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return each neuron's tau with each attribute, given all other attributes: [neurons, attributes].

    tau: [neurons, attributes]. among: tau of the attributes with each other, [attributes, attributes]. The
    partial correlation is -P[0, a] / sqrt(P[0, 0] P[a, a]), where P is the inverse of the correlations R of
    the neuron and the attributes (Whittaker 1990), with Kendall's tau as the correlation (Kendall 1942). NaN
    if R has no inverse.
    """
    inverse = np.linalg.inv(among)
    slopes = product(tau, inverse)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = 1 / (1 - (slopes * tau).sum(axis=1, keepdims=True))
        return slopes * own / np.sqrt(own * (np.diag(inverse) + slopes**2 * own))


def own_neurons(activations: np.ndarray, attribute_rdms: pd.DataFrame, k: int, seed: int) -> list[Row]:
    """What share of an attribute's k best neurons is still among its k best, given the other attributes?

    Both taus are of the same data, so the share is large if attributes have little in common, whatever
    neurons do. `reference` is therefore the mean share under PERMUTATIONS of the emotions, the same for all
    attributes. p is twice the share of the permutations in which as many neurons stay. For reference and
    p, SAMPLED neurons are drawn, with as many fewer best ones. No rows if an attribute follows from the
    others. activations: [seed, emotion, neuron]. attribute_rdms: frame [pairs, attributes].
    """
    rdms = attribute_rdms.to_numpy()
    among = np.array([[stats.kendalltau(a, b).statistic for b in rdms.T] for a in rdms.T])
    if np.linalg.matrix_rank(among) < len(among):
        return []
    share = _kept(_tau(activations, rdms), among, k)
    generator, emotions = np.random.default_rng(seed), activations.shape[1]
    drawn, best_of_drawn = _sampled(activations.shape[2], k, generator)
    of_drawn = activations[:, :, drawn]
    there = permuted_pairs(np.r_[np.arange(emotions)[None], permutations(emotions, PERMUTATIONS, seed)])
    shares = []
    for orders in np.array_split(there, -(-len(there) // AT_ONCE)):
        tau = _tau(of_drawn, rdms[orders].transpose(1, 0, 2).reshape(len(rdms), -1))
        shares += [_kept(of_order, among, best_of_drawn) for of_order in np.split(tau, len(orders), axis=1)]
    by_chance = np.array(shares[1:])
    p = doubled((1 + (by_chance >= shares[0] - 1e-12).sum(axis=0)) / (1 + PERMUTATIONS))
    method = (
        "share of the k neurons of largest tau that are among those of largest partial tau given the other "
        f"attributes; reference: mean of {PERMUTATIONS} orders of the emotions; two-sided p"
    )
    values = zip(attribute_rdms, share, by_chance.mean(axis=0), p, strict=True)
    return [
        row("own_neurons", method, "p", found, p=of, n=k, key=attribute, k=k, reference=chance)
        for attribute, found, chance, of in values
    ]


def _kept(tau: np.ndarray, among: np.ndarray, k: int) -> np.ndarray:
    """Return the share [attributes] of the k neurons of largest tau that have one of the k largest partials.

    tau, among: as for `partial_tau`.
    """
    both = [_best(values, k) for values in (tau, partial_tau(tau, among))]
    return (both[0] & both[1]).sum(axis=0) / k


def _sampled(neurons: int, k: int, generator: np.random.Generator) -> tuple[np.ndarray, int]:
    """Draw SAMPLED neurons, or all if they are fewer; return them and as large a share of them as k is."""
    drawn = np.sort(generator.permutation(neurons)[:SAMPLED]) if neurons > SAMPLED else np.arange(neurons)
    return drawn, max(1, round(k * len(drawn) / neurons))


def split_half(
    activations: np.ndarray, attribute_rdms: pd.DataFrame, k: int, halvings: int, seed: int
) -> list[Row]:
    """Would other seeds find the same neurons? Three rows per attribute, means over halvings of the seeds.

    The interval is the range of the middle 95 % of the halvings: a spread, not a confidence interval. Each
    halving draws SAMPLED neurons and takes as large a share of them as k is of all.

    split_half: the share of the k best neurons that both halves have in common; `reference` is that by
    chance. split_half_reliability: Pearson's r over the neurons of the halves' taus, stepped up to all seeds
    (Spearman 1910, Brown 1910). split_half_best: the mean tau in one half of the k best neurons of the other
    half; `reference` is their mean tau in the half that found them. No rows if a half has fewer than two
    seeds. activations: [seed, emotion, neuron]. attribute_rdms: frame [pairs, attributes].
    """
    seeds, rdms, generator = len(activations), attribute_rdms.to_numpy(), np.random.default_rng(seed)
    if seeds < 4:
        return []
    shares, reliabilities, elsewhere, found = [], [], [], []
    for _ in progress(range(halvings), "halves of the seeds", unit="halving"):
        order = generator.permutation(seeds)
        drawn, best_of = _sampled(activations.shape[2], k, generator)
        halves = order[: seeds // 2], order[seeds // 2 :]
        of_drawn = activations[:, :, drawn]
        taus = [_tau(of_drawn[half], rdms) for half in halves]
        chosen = [_best(tau, best_of) for tau in taus]
        shares.append((chosen[0] & chosen[1]).sum(axis=0) / best_of)
        varied = np.isfinite(taus).all(axis=(0, 2))  # a neuron that is constant over emotions has no tau
        r = np.array([regression(a, b).r for a, b in zip(taus[0][varied].T, taus[1][varied].T, strict=True)])
        reliabilities.append(2 * r / (1 + r))
        both = list(zip(taus, taus[::-1], chosen, strict=True))
        found.append(np.mean([_mean_where(own, best_of_own) for own, _, best_of_own in both], axis=0))
        elsewhere.append(np.mean([_mean_where(other, best_of_own) for _, other, best_of_own in both], axis=0))
    share = "share of the k neurons of largest tau that two halves of the seeds have in common"
    reliability = (
        "r over the neurons of the taus of two halves of the seeds, stepped up (Spearman 1910, Brown 1910)"
    )
    best_elsewhere = "mean tau in one half of the seeds of the k neurons of largest tau in the other"
    chance = np.full(rdms.shape[1], k / activations.shape[2])
    rows, neurons = [], activations.shape[2]
    for question, what, found_in, references, size in (
        ("split_half", share, shares, chance, k),
        ("split_half_reliability", reliability, reliabilities, 0 * chance, None),
        (
            "split_half_best",
            f"{best_elsewhere}; reference: in the other itself",
            elsewhere,
            np.mean(found, axis=0),
            k,
        ),
    ):
        method = f"{what}; mean and middle 95 % of {halvings} halvings"
        spread = np.quantile(found_in, [0.025, 0.975], axis=0).T
        values = zip(attribute_rdms, np.mean(found_in, axis=0), spread, references, strict=True)
        rows += [
            row(question, method, "", value, ends, n=neurons, key=attribute, k=size, reference=reference)
            for attribute, value, ends, reference in values
        ]
    return rows


def _mean_where(tau: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return [attributes] the mean of tau [neurons, attributes] over the chosen neurons that have one."""
    return np.nanmean(np.where(chosen, tau, np.nan), axis=0)


def _tau(activations: np.ndarray, rdms: np.ndarray) -> np.ndarray:
    """Return [neurons, attributes] tau-b of every neuron with RDMs [pairs, attributes]."""
    return correlate(lambda rows: mean_rdm(activations[:, :, rows]), activations.shape[2], pattern(rdms))[0]


def _best(tau: np.ndarray, k: int) -> np.ndarray:
    """Return bool [neurons, attributes]: each attribute's k neurons of largest tau, as masks choose them."""
    return np.column_stack([best(-column, k) for column in np.nan_to_num(tau, nan=-2).T])


def label_rdm(labels: np.ndarray) -> pd.DataFrame:
    """Return a control RDM, frame [pairs, 1]: 1 - phi of how often raters gave two emotions to the same text.

    labels: [texts, emotions], 0 or 1.
    """
    a, b = pair_indices(labels.shape[1])
    given, together = labels.sum(axis=0), labels.T @ labels  # whole numbers, so that BLAS is exact
    deviation = np.sqrt(given * (len(labels) - given))
    phi = (len(labels) * together[a, b] - given[a] * given[b]) / (deviation[a] * deviation[b])
    return pd.DataFrame({"label co-occurrence": 1 - phi})
