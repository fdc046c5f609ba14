"""Re-tests of accuracy, against scipy and by hand."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import accuracies, between, one
from scipy import stats

from model_emotion.base import study
from model_emotion.base.results import ACCURACY
from model_emotion.inputs.goemotions import read_labels, read_split
from model_emotion.retests import accuracy

EMOTIONS = study.EMOTIONS[:6]


def test_accuracy_above_majority_takes_each_emotion_once():
    row = one(
        accuracy.accuracy_above_majority(accuracies({"joy": [0.8, 0.6], "fear": [0.7], "love": [0.5, 0.6]}))
    )
    above = np.array([0.2, 0.2, 0.05])
    half = stats.t.ppf(0.975, 2) * above.std(ddof=1) / np.sqrt(3)
    assert (row["estimate"], row["ci_low"], row["ci_high"], row["n"]) == pytest.approx(
        (0.15, 0.15 - half, 0.15 + half, 3)
    )
    assert row["p"] == pytest.approx(stats.ttest_1samp(above, 0).pvalue)
    assert row["verdict"] == "inconclusive"  # three emotions are too few
    assert (
        one(
            accuracy.accuracy_above_majority(accuracies({name: [0.7, 0.8] for name in "abcd"} | {"e": [0.7]}))
        )["verdict"]
        == "holds"
    )
    assert (
        one(
            accuracy.accuracy_above_majority(accuracies({name: [0.3, 0.2] for name in "abcd"} | {"e": [0.2]}))
        )["verdict"]
        != "holds"
    )


def test_a_run_of_unknown_majority_is_not_asked():
    assert accuracy.accuracy_above_majority(accuracies({"joy": [0.8]}, majority=np.nan)) == []


def test_accuracy_order_is_spearmans_rho_of_the_emotions_by_name():
    rng = np.random.default_rng(0)
    ours = {emotion: list(rng.random(2)) for emotion in study.EMOTIONS}
    theirs = {emotion: [np.mean(of) + rng.normal(0, 0.2)] for emotion, of in reversed(ours.items())}
    del ours["joy"]
    row = one(accuracy.accuracy_order(accuracies(ours), accuracies(theirs)))
    expected = stats.spearmanr(
        [np.mean(of) for of in ours.values()], [theirs[emotion][0] for emotion in ours]
    )
    assert (row["estimate"], row["p"], row["n"]) == pytest.approx((expected.statistic, expected.pvalue, 26))
    assert row["ci_low"] < row["estimate"] < row["ci_high"] and row["verdict"] == "holds"
    against = {emotion: [1 - of[0]] for emotion, of in theirs.items()}
    assert one(accuracy.accuracy_order(accuracies(ours), accuracies(against)))["verdict"] == "does not hold"


def test_the_interval_of_a_rank_correlation_by_hand():
    # Bonett and Wright's example, corrected Fisher: rho .5, n 28 -> .5493 +- 1.96 sqrt(1.125 / 25)
    assert accuracy.rank_interval(0.5, 28) == pytest.approx(
        np.tanh([0.549306 - 0.415774, 0.549306 + 0.415774]), abs=1e-4
    )
    assert accuracy.rank_interval(1.0, 27) == (1, 1)


@pytest.mark.parametrize("r", [0.0, 0.6])
def test_the_interval_of_a_rank_correlation_covers_it_in_19_of_20(r):
    draw, n, worlds = np.random.default_rng(1), 27, 2000
    rho = 6 / np.pi * np.arcsin(r / 2)  # Spearman's rho of a normal population with this Pearson's r
    draws = draw.multivariate_normal([0, 0], [[1, r], [r, 1]], (worlds, n))
    ranks = stats.rankdata(draws, axis=1) - (n + 1) / 2
    found = (ranks[..., 0] * ranks[..., 1]).sum(axis=1) / (ranks[..., 0] ** 2).sum(axis=1)
    covered = [low < rho < high for low, high in (accuracy.rank_interval(one, n) for one in found)]
    assert between(np.mean(covered), 0.95, worlds)


def test_accuracies_of_other_emotions_have_no_order_in_the_study():
    released = accuracies({emotion: [0.7 + 0.04 * place] for place, emotion in enumerate(EMOTIONS)})
    assert (
        accuracy.accuracy_order(accuracies({"zest": [0.5], "calm": [0.6], EMOTIONS[0]: [0.7]}), released)
        == []
    )


def test_the_majority_of_the_studys_tasks_is_filled_in_and_a_known_one_kept():
    texts = pd.DataFrame({"joy": [1, 0, 0, 1, 0, 0, 0, 0], "fear": [0, 0, 0, 0, 0, 0, 1, 0]})
    both = pd.concat(
        [accuracies({"joy": [0.8, 0.7]}, majority=np.nan), accuracies({"fear": [0.7]}, majority=0.625)],
        ignore_index=True,
    )
    drawn = [
        np.random.RandomState(seed).choice(8, 2) for seed in (1, 2)
    ]  # numpy's legacy generator, as the study
    shares = [(2 + np.isin(rows, (0, 3)).sum()) / 4 for rows in drawn]
    assert accuracy.with_majority(both, texts)["majority"].tolist() == [
        max(share, 1 - share) for share in shares
    ] + [0.625]


def test_the_studys_majority_is_the_catalogues(raw):
    labels = read_labels(raw("human", "Data/raw_data/subjective_comparison/emotions.txt"))
    dev = read_split(raw("goemotions", "goemotions/data/dev.tsv"), labels)
    every = pd.DataFrame(
        [(emotion, seed, 0.8, np.nan, 100) for emotion in study.EMOTIONS for seed in study.SEEDS],
        columns=ACCURACY,
    )
    filled = accuracy.with_majority(every, dev)
    assert filled["majority"].mean() == pytest.approx(0.51582, abs=5e-6)
