"""H4, and the human space behind H3: noise ceiling, other people and other emotions."""

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.progress import progress
from model_emotion.base.statistics import product
from model_emotion.retests.rows import Row, permuted_p, resampled_p, row
from model_emotion.rsa.kendall import tau_b
from model_emotion.rsa.permutation import permutations, permuted_pairs
from model_emotion.rsa.rdm import pair_indices

RESAMPLED = 1000
"""Draws of subjects and emotions."""


def noise_ceiling(subjects: np.ndarray) -> tuple[float, float]:
    """Return the lower and the upper noise ceiling (Nili et al. 2014).

    They are the mean tau-b of each subject's RDM with the mean ranks of the other subjects, and of all. A
    perfect model of what subjects have in common lies between the two. subjects: RDMs [subjects, pairs].
    """
    ranks = stats.rankdata(subjects, axis=1)
    total = ranks.sum(axis=0)
    # sums of half ranks are exact, so ties stay ties
    others = [
        tau_b(own[None], (total - rank)[:, None])[0, 0] for own, rank in zip(subjects, ranks, strict=True)
    ]
    return float(np.mean(others)), float(tau_b(subjects, total[:, None]).mean())


def agreement(subjects: np.ndarray, models: np.ndarray) -> np.ndarray:
    """Return for each model the mean over subjects of tau-b with the subject's RDM: [models].

    subjects: RDMs [subjects, pairs]. models: RDMs [pairs, models].
    """
    return tau_b(subjects, models).mean(axis=0)


def resampled_agreement(
    subjects: np.ndarray, models: np.ndarray, emotions: int, samples: int, seed: int
) -> np.ndarray:
    """Return `agreement` [samples, models] with subjects and emotions drawn with replacement.

    Pairs of an emotion with itself are left out, and a draw has at least three different emotions. If all
    distances are equal, their tau counts as 0. The interval is too wide, most of all for two RDMs that have
    nothing in common: tau is then a degenerate U-statistic of the emotions, whose variance the bootstrap
    overstates (Arcones and Giné 1992).
    """
    generator = np.random.default_rng(seed)
    place = np.zeros((emotions, emotions), dtype=int)
    a, b = pair_indices(emotions)
    place[a, b] = place[b, a] = np.arange(len(a))
    found = np.empty((samples, models.shape[1]))
    for sample in progress(range(samples), "subjects and emotions drawn anew", unit="draw"):
        drawn = np.zeros(1, dtype=int)
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


def model_and_human(
    model: np.ndarray, human: np.ndarray, emotions: int, samples: int, seed: int
) -> list[Row]:
    """Is the model's RDM more like the human RDM than with its emotions permuted (Mantel 1967)?

    model, human: RDMs [pairs].
    """
    tau = tau_b(model[None], human[:, None])[0, 0]
    shuffled = model[permuted_pairs(permutations(emotions, samples, seed))]
    p = permuted_p(tau, tau_b(shuffled, human[:, None])[:, 0])
    of = "tau-b of the whole model's RDM with the mean human one"
    method = f"{of}; two-sided p, emotions permuted {samples} times (Mantel 1967)"
    return [row("model_and_human", method, "p", tau, p=p, n=emotions)]


def agreement_with_subjects(
    subjects: np.ndarray, models: pd.DataFrame, emotions: int, seed: int
) -> list[Row]:
    """How close to the noise ceiling are the RDMs of the model and of the attributes?

    Two rows of the noise ceiling, then one per model. The estimate is the mean tau-b with each subject's RDM,
    and `reference` the lower noise ceiling. For the interval, subjects and emotions are drawn with
    replacement. subjects: RDMs [subjects, pairs]. models: frame [pairs, models].
    """
    ceilings = noise_ceiling(subjects)
    method = "mean tau-b of each subject's RDM with the mean rank of {} subjects (Nili et al. 2014)"
    rows = [
        row("noise_ceiling", method.format(of), "", limit, n=len(subjects), key=key)
        for key, of, limit in zip(("lower", "upper"), ("the other", "all"), ceilings, strict=True)
    ]
    found = agreement(subjects, models.to_numpy())
    resampled = resampled_agreement(subjects, models.to_numpy(), emotions, RESAMPLED, seed)
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    p = resampled_p(resampled)
    drawn = f"subjects and emotions drawn anew {RESAMPLED} times, percentile interval"
    method, n, question = (
        f"mean tau-b with each subject's RDM; {drawn}",
        len(subjects),
        "agreement_with_subjects",
    )
    return rows + [
        row(question, method, "interval", tau, ci, p_of, n, key=name, reference=ceilings[0])
        for name, tau, p_of, *ci in zip(models, found, p, low, high, strict=True)
    ]
