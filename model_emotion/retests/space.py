"""H4, and the human space that H3 rests on: how well could any model do, and would other people and other emotions say the same?"""

import numpy as np
from scipy import stats

from model_emotion.base.progress import progress
from model_emotion.base.statistics import product
from model_emotion.retests.rows import row
from model_emotion.rsa.kendall import tau_b
from model_emotion.rsa.permutation import permutations, permuted_pairs
from model_emotion.rsa.rdm import pair_indices

RESAMPLED = 1000
"""Draws of subjects and emotions."""


def noise_ceiling(subjects):
    """(lower, upper): mean tau-b of each subject's RDM with the mean of the others' ranks, and of all (Nili et al. 2014).

    subjects [subjects, pairs]. A perfect model of what subjects have in common lies between the two.
    """
    ranks = stats.rankdata(subjects, axis=1)
    total = ranks.sum(axis=0)
    # sums of half ranks are exact, so that what is tied stays tied
    others = [
        tau_b(own[None], (total - rank)[:, None])[0, 0] for own, rank in zip(subjects, ranks, strict=True)
    ]
    return float(np.mean(others)), float(tau_b(subjects, total[:, None]).mean())


def agreement(subjects, models):
    """[models] mean over subjects [subjects, pairs] of tau-b with each of models [pairs, models]."""
    return tau_b(subjects, models).mean(axis=0)


def resampled_agreement(subjects, models, emotions, samples, seed):
    """[samples, models] `agreement` with subjects and emotions drawn anew; a pair of an emotion with itself is left out.

    Other people and other emotions at once: the interval is somewhat too wide (Schütt et al. 2023). A draw has three emotions at least;
    distances that are all the same agree with nothing.
    """
    generator = np.random.default_rng(seed)
    place = np.zeros((emotions, emotions), dtype=int)
    a, b = pair_indices(emotions)
    place[a, b] = place[b, a] = np.arange(len(a))
    found = np.empty((samples, models.shape[1]))
    for sample in progress(range(samples), "subjects and emotions drawn anew", unit="draw"):
        drawn = np.zeros(1)
        while len(set(drawn)) < 3:
            drawn = generator.integers(emotions, size=emotions)
        people = np.bincount(generator.integers(len(subjects), size=len(subjects)), minlength=len(subjects))
        first, second = drawn[a], drawn[b]
        pairs = place[first, second][first != second]
        there = people > 0
        found[sample] = product(
            people[None, there], np.nan_to_num(tau_b(subjects[there][:, pairs], models[pairs]))
        ) / len(subjects)
    return found


def model_and_human(model, human, emotions, samples, seed):
    """Is the model's RDM more like the human one than with its emotions permuted (Mantel 1967)? One row; both RDMs [pairs]."""
    tau = tau_b(model[None], human[:, None])[0, 0]
    shuffled = model[permuted_pairs(permutations(emotions, samples, seed))]
    p = (1 + (tau_b(shuffled, human[:, None])[:, 0] >= tau - 1e-12).sum()) / (samples + 1)
    method = f"tau-b of the whole model's RDM with the mean human one; p: emotions permuted {samples} times (Mantel 1967)"
    return [row("model_and_human", method, "p", tau, p=p, n=emotions)]


def agreement_with_subjects(subjects, models, emotions, seed):
    """How near the noise ceiling are the model's RDM and the attributes'? Two rows of the ceiling, then one a model.

    subjects [subjects, pairs]; models: frame [pairs, models]. An estimate is the mean tau-b with each subject's RDM, `reference` the lower
    noise ceiling, the interval that of subjects and emotions drawn anew.
    """
    ceilings = noise_ceiling(subjects)
    method = "mean tau-b of each subject's RDM with the mean rank of {} subjects (Nili et al. 2014)"
    rows = [
        row("noise_ceiling", method.format(of), "", limit, n=len(subjects), key=key)
        for key, of, limit in zip(("lower", "upper"), ("the other", "all"), ceilings, strict=True)
    ]
    found = agreement(subjects, models.to_numpy())
    low, high = np.quantile(
        resampled_agreement(subjects, models.to_numpy(), emotions, RESAMPLED, seed), [0.025, 0.975], axis=0
    )
    method = f"mean tau-b with each subject's RDM; subjects and emotions drawn anew {RESAMPLED} times, percentile interval"
    return rows + [
        row(
            "agreement_with_subjects",
            method,
            "interval",
            tau,
            ci,
            n=len(subjects),
            key=name,
            reference=ceilings[0],
        )
        for name, tau, *ci in zip(models, found, low, high, strict=True)
    ]
