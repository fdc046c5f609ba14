"""The re-tests: against scipy, statsmodels and counting by hand, on made-up runs with and without an effect, on the study's masks."""

import shutil
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import fdrcorrection
from statsmodels.stats.power import TTestPower

from model_emotion.base import results, study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv
from model_emotion.base.results import ACCURACY, MASKED_ACCURACY, Activations, write_activations
from model_emotion.inputs import released
from model_emotion.inputs.goemotions import read_labels, read_split
from model_emotion.masking import drops
from model_emotion.retests import accuracy, neurons, power, space
from model_emotion.retests import masks as retests_of_masks
from model_emotion.retests import rows as retest_rows
from model_emotion.retests import weights as retests_of_weights
from model_emotion.rsa import rdm
from model_emotion.rsa.kendall import tau_b
from model_emotion.rsa.permutation import least_p
from stages import retests as stage

ROOT = Path(__file__).parents[1]
EMOTIONS = study.EMOTIONS[:6]


def one(rows):
    """The only row, as the table has it."""
    (row,) = retest_rows.table(rows).to_dict("records")
    return row


def accuracies(values, majority=0.5, n=100):
    """{emotion: accuracies of its seeds} -> accuracy.csv"""
    rows = [
        (emotion, seed, value, majority, n)
        for emotion, of in values.items()
        for seed, value in enumerate(of, 1)
    ]
    return pd.DataFrame(rows, columns=ACCURACY)


def masked_accuracies(attribute, random, emotions=("joy", "fear"), k=10):
    """{attribute: accuracy}, {(attribute or None, draw): accuracy} -> masked_accuracy.csv; emotions lie around these means."""
    shift = np.linspace(-0.02, 0.02, len(emotions))
    rows = []
    for emotion, by in zip(emotions, shift, strict=True):
        rows += [
            (emotion, 1, name, "attribute", None, k, value + by, 64) for name, value in attribute.items()
        ]
        rows += [
            (emotion, 1, name, "random", draw, k, value + by, 64) for (name, draw), value in random.items()
        ]
    return pd.DataFrame(rows, columns=MASKED_ACCURACY).astype({"draw": "Int64"})


# Verdicts


@pytest.mark.parametrize(
    ("decided_by", "ci", "p", "verdict"),
    [
        ("interval", (0.01, 0.3), 0.9, "holds"),
        ("interval", (0.0, 0.3), 0.01, "does not hold"),
        ("interval", (-0.3, -0.1), 0.01, "does not hold"),  # the other direction
        ("interval", (np.nan, np.nan), 0.01, "does not hold"),
        ("p", (-0.1, 0.3), 0.049, "holds"),
        ("p", (0.1, 0.3), 0.05, "does not hold"),
        ("p", (0.1, 0.3), np.nan, "does not hold"),
        ("", (0.1, 0.3), 0.01, ""),
    ],
)
def test_a_verdict_needs_the_interval_or_the_p_that_decides(decided_by, ci, p, verdict):
    assert one([retest_rows.row("q", "m", decided_by, 0.1, ci, p, 5)])["verdict"] == verdict


# Accuracy


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
    assert row["verdict"] == "does not hold"  # three emotions are too few
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


def test_the_interval_of_a_rank_correlation_by_hand_and_by_its_coverage():
    # Bonett and Wright's example, corrected Fisher: rho .5, n 28 -> .5493 +- 1.96 sqrt(1.125 / 25)
    assert accuracy.rank_interval(0.5, 28) == pytest.approx(
        np.tanh([0.549306 - 0.415774, 0.549306 + 0.415774]), abs=1e-4
    )
    assert accuracy.rank_interval(1.0, 27) == (1, 1)
    rng, r, n, worlds = np.random.default_rng(1), 0.6, 27, 2000
    rho = 6 / np.pi * np.arcsin(r / 2)  # Spearman's rho of a normal population whose Pearson's r is .6
    draws = rng.multivariate_normal([0, 0], [[1, r], [r, 1]], (worlds, n))
    ranks = stats.rankdata(draws, axis=1) - (n + 1) / 2
    found = (ranks[..., 0] * ranks[..., 1]).sum(axis=1) / (ranks[..., 0] ** 2).sum(axis=1)
    covered = [low < rho < high for low, high in (accuracy.rank_interval(one, n) for one in found)]
    assert 0.93 < np.mean(covered) < 0.97


# Neurons


@pytest.fixture(scope="module")
def planted():
    """Activations of 12 emotions and 60 neurons, of which 6 follow the first attribute; RDMs of two attributes; the rows."""
    rng = np.random.default_rng(2)
    ratings, activations = rng.random((2, 12)), rng.standard_normal((3, 12, 60))
    activations[:, :, :6] = ratings[0][None, :, None] * 9 + 0.1 * activations[:, :, :6]
    rdms = pd.DataFrame(rdm.absolute_rdm(ratings).T, columns=["valence", "arousal"])
    return activations, rdms, retest_rows.table(neurons.significant_neurons(activations, rdms, 199, 1))


def test_planted_neurons_are_found_and_no_others(planted):
    table = planted[2].set_index(["question", "key"])
    for question in ("significant_neurons", "significant_neurons_of_all"):
        assert table.loc[(question, "valence")][["estimate", "p", "n", "verdict"]].tolist() == [
            6,
            1 / 200,
            60,
            "holds",
        ]
        assert table.loc[(question, "arousal")][["estimate", "verdict"]].tolist() == [0, "does not hold"]
        assert table.loc[(question, "arousal"), "p"] > 0.05


def test_counts_and_p_follow_from_the_maxima_of_all_permutations(planted, monkeypatch):
    activations, rdms, _ = planted
    orders = np.random.default_rng(3).permuted(np.tile(np.arange(12), (99, 1)), axis=1)
    monkeypatch.setattr(neurons, "permutations", lambda n, samples, seed: orders)
    table = retest_rows.table(
        neurons.significant_neurons(activations[:, :, 6:], rdms, 99, 1)
    )  # without those planted
    pairs = np.triu_indices(12, 1)
    distances = np.abs(activations[:, :, None, 6:] - activations[:, None, :, 6:]).mean(axis=0)[pairs].T
    matrices = [rdm.square(rdms[name].to_numpy()) for name in rdms]
    tau = tau_b(distances, rdms.to_numpy())
    maxima = np.array(
        [
            tau_b(distances, np.array([m[np.ix_(order, order)][pairs] for m in matrices]).T).max(axis=0)
            for order in orders
        ]
    )
    maxima = np.concatenate([tau.max(axis=0, keepdims=True), maxima])
    least = [
        min((maxima[:, c] >= maxima[order, c]).mean() for c in range(maxima.shape[1])) for order in range(100)
    ]
    for row in table.itertuples():
        column = list(rdms).index(row.key)

        def p(value, column=column, corrected=row.question == "significant_neurons_of_all"):
            by_itself = (maxima[:, column] >= value).mean()
            return (np.array(least) <= by_itself).mean() if corrected else by_itself

        assert row.p == pytest.approx(p(tau[:, column].max()))
        assert row.estimate == sum(p(value) <= 0.05 for value in tau[:, column])
        if row.question == "significant_neurons":
            assert row.reference == pytest.approx(
                np.sort(maxima[:, column])[-6]
            )  # five of a hundred may be above
        assert row.estimate == (tau[:, column] > row.reference + 1e-12).sum()
    assert (table["estimate"] == 0).any()


def test_what_every_order_gives_is_no_finding(planted, monkeypatch):
    activations, rdms, _ = planted
    monkeypatch.setattr(neurons, "permutations", lambda n, samples, seed: np.tile(np.arange(n), (samples, 1)))
    table = retest_rows.table(neurons.significant_neurons(activations, rdms[["valence"]], 99, 1))
    assert (table["p"] == 1).all() and (table["estimate"] == 0).all()


def test_correcting_for_all_attributes_is_the_stricter(planted):
    activations, rdms, _ = planted
    rng = np.random.default_rng(4)
    weak = activations + rng.standard_normal(activations.shape) * 2.5
    table = retest_rows.table(neurons.significant_neurons(weak, rdms, 99, 1))
    table = table.pivot(index="key", columns="question", values=["p", "reference"])
    for name in ("p", "reference"):
        assert (table[name]["significant_neurons_of_all"] >= table[name]["significant_neurons"]).all()


def test_an_attribute_of_small_taus_is_corrected_as_one_of_large_ones():
    draw = np.random.default_rng(0)
    largest = draw.normal(size=(2000, 3)) * [1, 10, 100]
    largest[0] = [4, 0, 0]  # of the first, more than ever; the maximum over all three would not see it
    p, level = least_p(largest, 0.05)
    assert p[0] < 0.005 and (p[1:] > 0.5).all()
    by_itself = np.array([(largest >= row).mean(axis=0).min() for row in largest])
    assert (by_itself <= level).mean() <= 0.05 < (by_itself <= level + 1 / 2000).mean()
    assert 0.014 < level < 0.02  # three attributes that have nothing to do with each other: .05 / 3
    assert least_p(largest[:10], 0.05)[1] == 0  # ten orders cannot show that much


# Masks


def test_place_among_shared_random_masks_by_counting():
    random = {(None, draw): value for draw, value in enumerate(np.linspace(0.60, 0.79, 20), 1)}
    masked = masked_accuracies({"valence": 0.5, "arousal": 0.625, "control": 0.9}, random)
    table = retest_rows.table(retests_of_masks.place_among_random(masked, 10)).set_index("key")
    assert table["n"].tolist() == [20, 20, 20] and (table["decided_by"] == "p").all()
    assert table["p"].tolist() == pytest.approx([1 / 21, 4 / 21, 21 / 21])  # none, three, all are as low
    assert table["verdict"].tolist() == ["holds", "does not hold", "does not hold"]
    assert table["reference"].tolist() == pytest.approx([0.5, 0.625, 0.9])
    values = np.array(list(random.values()))
    half = stats.t.ppf(0.975, 19) * values.std(ddof=1) * np.sqrt(21 / 20)
    estimate = values.mean() - 0.5
    assert table.loc["valence", ["estimate", "ci_low", "ci_high"]].tolist() == pytest.approx(
        [estimate, estimate - half, estimate + half]
    )


def test_a_random_mask_that_leaves_as_much_counts_as_low():
    masked = masked_accuracies({"valence": 0.25}, {(None, 1): 0.25, (None, 2): 0.25, (None, 3): 0.75})
    assert one(retests_of_masks.place_among_random(masked, 10))["p"] == 3 / 4


def test_random_masks_are_its_own_else_the_shared_else_those_of_all():
    own = {("valence", draw): 0.7 for draw in (1, 2, 3)}
    shared = {(None, draw): 0.8 for draw in (1, 2)}
    table = retest_rows.table(
        retests_of_masks.place_among_random(
            masked_accuracies({"valence": 0.5, "arousal": 0.5}, own | shared), 10
        )
    )
    assert table[["n", "estimate"]].to_numpy().tolist() == [[3, pytest.approx(0.2)], [2, pytest.approx(0.3)]]
    one_each = {("valence", 1): 0.7, ("arousal", 1): 0.9}  # as the study's
    table = retest_rows.table(
        retests_of_masks.place_among_random(masked_accuracies({"valence": 0.5, "arousal": 0.5}, one_each), 10)
    )
    assert table[["n", "estimate"]].to_numpy().tolist() == [[2, pytest.approx(0.3)], [2, pytest.approx(0.3)]]


@pytest.mark.parametrize(("lowest", "verdict"), [(0.70, "holds"), (0.49, "does not hold")])
def test_with_few_random_masks_the_interval_decides_and_one_as_low_speaks_against(lowest, verdict):
    random = {(None, draw): value for draw, value in enumerate([lowest, *np.linspace(0.70, 0.72, 13)], 1)}
    row = one(retests_of_masks.place_among_random(masked_accuracies({"valence": 0.5}, random), 10))
    assert (row["decided_by"], row["verdict"]) == ("interval", verdict)


def test_a_single_random_mask_shows_nothing():
    row = one(retests_of_masks.place_among_random(masked_accuracies({"valence": 0.1}, {(None, 1): 0.9}), 10))
    assert np.isnan(row["ci_low"]) and row["verdict"] == "does not hold"


def test_a_mask_that_was_not_measured_everywhere_is_an_error():
    masked = masked_accuracies({"valence": 0.5}, {(None, 1): 0.7, (None, 2): 0.8}).iloc[:-1]
    with pytest.raises(UserError, match="size 10"):
        retests_of_masks.place_among_random(masked, 10)


def test_other_sizes_do_not_matter():
    masked = masked_accuracies({"valence": 0.5}, {(None, 1): 0.7, (None, 2): 0.8})
    both = pd.concat([masked, masked.assign(k=20, accuracy=0.1)])
    weights = pd.Series({"valence": 0.6})
    for question in (retests_of_masks.place_among_random, power.detectable_drop):
        pd.testing.assert_frame_equal(
            retest_rows.table(question(both, 10)), retest_rows.table(question(masked, 10))
        )
    assert (
        retests_of_weights.human_correlation_of_attributes(both, 10, weights) == []
    )  # one attribute has no correlation


def test_places_under_the_null_are_uniform():
    rng, places = np.random.default_rng(5), []
    for _ in range(100):
        values = rng.random(25)
        masked = masked_accuracies(
            dict(zip("abcde", values, strict=False)),
            {(None, draw): values[4 + draw] for draw in range(1, 21)},
        )
        places += [row["p"] for row in retests_of_masks.place_among_random(masked, 10)]
    assert 0.02 < np.mean(np.array(places) < 0.05) < 0.08 and 0.45 < np.mean(places) < 0.6


@pytest.fixture(scope="module")
def studys(raw):
    """The study's own masked accuracies, N = 4000."""
    folders = {"attribute": "RSA_tau_14property", "random": "random"}

    def file(kind, emotion, seed):
        return raw(
            "masking", f"Result/masking/RoBERTa/{folders[kind]}/Acc_perSeed_JSON/{emotion}-{seed}.json"
        )

    return released.read_masked_accuracy(
        file, study.EMOTIONS, study.SEEDS, {"attribute": (4000,), "random": (4000,)}
    )


def test_the_studys_masks_are_set_among_its_fourteen_random_ones(studys):
    table = retest_rows.table(retests_of_masks.place_among_random(studys, 4000)).set_index("key")
    random = studys[studys["kind"] == "random"].groupby("attribute")["accuracy"].mean()
    assert (random.min(), random.max()) == pytest.approx(
        (0.591, 0.776), abs=5e-4
    )  # as the catalogue has them
    assert (table["n"] == 14).all() and (table["decided_by"] == "interval").all()
    happy = studys.query("kind == 'attribute' and attribute == 'happy-face'")["accuracy"].mean()
    assert table.loc["happy-face", "estimate"] == pytest.approx(random.mean() - happy)
    assert table["verdict"][table["p"] > 1 / 15].eq("does not hold").all()


def test_the_studys_h3_over_its_attributes(studys):
    # with the weights read off Feature_weights_in_Human.pdf; the catalogue: r = .53, p = .053
    read_off = [
        -0.002,
        0.583,
        0.600,
        0.381,
        0.361,
        0.265,
        0.044,
        0.380,
        0.068,
        0.422,
        0.067,
        0.008,
        0.082,
        0.029,
    ]
    weights = pd.Series(read_off, study.ATTRIBUTES)
    row = one(retests_of_weights.human_correlation_of_attributes(studys, 4000, weights))
    assert (row["estimate"], row["p"], row["n"]) == pytest.approx((0.527, 0.053, 14), abs=2e-3)
    half = 1.959964 / np.sqrt(14 - 3)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(
        np.tanh(np.arctanh(row["estimate"]) + [-half, half]), abs=1e-6
    )
    assert row["verdict"] == "does not hold"


def test_a_drop_that_follows_the_weights_holds():
    weights = pd.Series(np.linspace(0, 0.6, 14), study.ATTRIBUTES)
    noise = np.random.default_rng(6).normal(0, 0.01, 14)
    masked = masked_accuracies(
        dict(zip(weights.index, 0.7 - weights / 4 + noise, strict=True)), {(None, 1): 0.7}
    )
    assert one(retests_of_weights.human_correlation_of_attributes(masked, 10, weights))["verdict"] == "holds"
    assert (
        retests_of_weights.human_correlation_of_attributes(masked, 10, weights.drop("valence")) == []
    )  # masks of something else


@pytest.mark.parametrize("n", [2, 5, 27, 324])
def test_the_smallest_effect_is_statsmodels(n):
    expected = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8, alternative="larger")
    assert power.smallest_effect(n) == pytest.approx(expected, rel=1e-4)


def test_the_detectable_drop_is_found_four_times_in_five():
    rng = np.random.default_rng(7)
    rows = [(emotion, 1, None, "random", 1, 10, 0.8, 64) for emotion in study.EMOTIONS]
    for attribute, spread in (("a", 0.01), ("b", 0.1), ("c", 0.3)):
        rows += [
            (emotion, 1, attribute, "attribute", None, 10, 0.8 - rng.normal(0, spread), 64)
            for emotion in study.EMOTIONS
        ]
    masked = pd.DataFrame(rows, columns=MASKED_ACCURACY).astype({"draw": "Int64"})
    row = one(power.detectable_drop(masked, 10))
    spread = (0.8 - masked.query("attribute == 'b'")["accuracy"]).std(ddof=1)  # the median of the three
    assert (row["n"], row["verdict"]) == (27, "")
    tests = stats.ttest_1samp(
        rng.normal(row["estimate"], spread, (4000, 27)), 0, axis=1, alternative="greater"
    )
    assert (tests.pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.025)


# Emotions at floor


def test_floor_is_wilsons_interval_that_does_not_lie_above_the_majority():
    few, unknown = accuracies({"pride": [0.75]}, n=8), accuracies({"anger": [0.5]}, np.nan)
    every = pd.concat([accuracies({"joy": [0.7, 0.8], "fear": [0.6], "love": [0.3]}), few, unknown])
    table = drops.floor(every).set_index("emotion")
    assert list(table.columns) == ["accuracy", "ci_low", "ci_high", "majority", "floor"]
    assert table["floor"].to_dict() == {
        "joy": False,
        "fear": False,
        "love": True,
        "pride": True,
        "anger": False,
    }
    wilson = stats.binomtest(75, 100).proportion_ci(
        method="wilson"
    )  # of the examples of one seed, not of both
    assert table.loc["joy", ["accuracy", "ci_low", "ci_high"]].tolist() == pytest.approx([0.75, *wilson])
    # 60 of 100: .502 to .691, just above .5; .6 of 95 is not
    assert drops.floor(accuracies({"fear": [0.6]}, n=95))["floor"].tolist() == [True]


# H2 with fewer and fewer independent cases


def cube(emotions=5, seeds=3, attributes=4, effect=0.0, seed=0):
    """masked_accuracy.csv of effects that differ by attribute, with one random mask each; and the drops [emotion, seed, attribute]."""
    draw = np.random.default_rng(seed)
    drop = effect + draw.normal(0, 0.1, attributes) + draw.normal(0, 0.02, (emotions, seeds, attributes))
    rows = []
    for e, s, a in np.ndindex(drop.shape):
        masks = (("attribute", None, 0.7 - drop[e, s, a]), ("random", 1, 0.7))
        rows += [(f"e{e}", s, f"a{a}", kind, number, 10, value, 64) for kind, number, value in masks]
    return pd.DataFrame(rows, columns=MASKED_ACCURACY).astype({"draw": "Int64"}), drop


def test_masks_hurt_is_the_t_test_of_its_cases_and_a_bootstrap_by_hand():
    table, drop = cube()
    attributes, emotions, everything = retest_rows.table(
        retests_of_masks.masks_hurt(table, 10, 400, 7)
    ).to_dict("records")
    for found, means in ((attributes, drop.mean(axis=(0, 1))), (emotions, drop.mean(axis=(1, 2)))):
        p = stats.ttest_1samp(means, 0, alternative="greater").pvalue
        assert (found["estimate"], found["p"], found["n"]) == pytest.approx((drop.mean(), p, len(means)))
        assert (found["ci_low"], found["ci_high"]) == pytest.approx(
            tuple(stats.ttest_1samp(means, 0).confidence_interval())
        )
    generator = np.random.default_rng(7)
    counts = [generator.multinomial(n, np.full(n, 1 / n), 400) for n in drop.shape]
    means = []
    for by_emotion, by_seed, by_attribute in zip(*counts, strict=True):
        drawn = drop.repeat(by_emotion, axis=0).repeat(by_seed, axis=1).repeat(by_attribute, axis=2)
        means.append(drawn.mean())
    assert (everything["ci_low"], everything["ci_high"]) == pytest.approx(
        tuple(np.quantile(means, [0.025, 0.975]))
    )


def shared(draws, attributes=14, spread=0.05, seed=0):
    """masked_accuracy.csv of attributes' masks as good as random, and of the random ones they share; [emotion, seed, mask] of both."""
    draw = np.random.default_rng(seed)
    masks = draw.normal(0.7, spread, attributes + draws) + draw.normal(0, 0.01, (3, 2, 1))
    rows = []
    for e, s, m in np.ndindex(masks.shape):
        kind, name, number = (
            ("attribute", f"a{m:02}", None) if m < attributes else ("random", None, m - attributes + 1)
        )
        rows.append((f"e{e}", s, name, kind, number, 10, masks[e, s, m], 64))
    return (
        pd.DataFrame(rows, columns=MASKED_ACCURACY).astype({"draw": "Int64"}),
        masks[..., :attributes],
        masks[..., attributes:],
    )


def test_random_masks_that_all_share_are_cases_too():
    table, own, random = shared(5)
    attributes, _, everything = retest_rows.table(retests_of_masks.masks_hurt(table, 10, 300, 7)).to_dict(
        "records"
    )
    welch = stats.ttest_ind(
        random.mean(axis=(0, 1)), own.mean(axis=(0, 1)), equal_var=False, alternative="greater"
    )
    both = stats.ttest_ind(
        random.mean(axis=(0, 1)), own.mean(axis=(0, 1)), equal_var=False
    ).confidence_interval()
    assert (attributes["estimate"], attributes["p"], attributes["n"]) == pytest.approx(
        (random.mean() - own.mean(), welch.pvalue, 14)
    )
    assert (attributes["ci_low"], attributes["ci_high"]) == pytest.approx(tuple(both))
    generator = np.random.default_rng(7)
    counts = [generator.multinomial(n, np.full(n, 1 / n), 300) for n in (*own.shape, random.shape[2])]
    apart = []
    for by_emotion, by_seed, by_attribute, by_draw in zip(*counts, strict=True):
        left = (cube.repeat(by_emotion, axis=0).repeat(by_seed, axis=1) for cube in (random, own))
        apart.append(
            next(left).repeat(by_draw, axis=2).mean() - next(left).repeat(by_attribute, axis=2).mean()
        )
    assert (everything["ci_low"], everything["ci_high"]) == pytest.approx(
        tuple(np.quantile(apart, [0.025, 0.975]))
    )


@pytest.mark.parametrize("draws", [2, 5])
def test_few_shared_random_masks_do_not_make_findings_of_nothing(draws):
    held = [
        retests_of_masks.masks_hurt(shared(draws, seed=seed)[0], 10, 10, 1)[0]["p"] < 0.05
        for seed in range(200)
    ]
    assert np.mean(held) < 0.10  # .27 and .19 if the random masks' mean were taken as known


def test_a_single_shared_random_mask_says_nothing_over_masks():
    table, own, random = shared(1)
    assert [row["question"] for row in retests_of_masks.masks_hurt(table, 10, 10, 1)] == [
        "masks_hurt_over_emotions",
        "masks_hurt_over_all",
    ]
    drop, _ = retest_rows.table(power.detectable_over_attributes(table, 10)).to_dict("records")
    assert np.isnan(drop["estimate"])


def test_masks_that_are_all_alike_leave_no_doubt():
    table, _, _ = shared(3, spread=0.0)
    found = retests_of_masks.masks_hurt(table, 10, 10, 1)[0]
    assert (found["estimate"], found["ci_low"], found["ci_high"]) == pytest.approx((0, 0, 0), abs=1e-12)


def test_pooling_random_masks_takes_their_mean_for_every_attribute():
    table, _ = cube()
    table.loc[table["kind"] == "random", "accuracy"] += np.random.default_rng(0).normal(
        0, 0.1, (table["kind"] == "random").sum()
    )
    name, pooled = retests_of_weights.pooled(table)
    random = table.query("kind == 'random'").groupby(["emotion", "seed"])["accuracy"].mean()
    found = drops.accuracy_drops(pooled).groupby(["emotion", "seed"])["random"].agg(["min", "max"])
    np.testing.assert_allclose(found["min"], random)
    np.testing.assert_allclose(found["max"], random)
    assert retests_of_weights.pooled(pooled) is None and "pooled" in name


def test_every_size_is_asked_and_none_decides():
    weights = pd.Series({"a": 0.1, "b": 0.2, "c": 0.35, "d": 0.5})
    sizes = [masked_accuracies(dict(zip("abcd", values, strict=True)), {(None, n): 0.7 + n / 100 for n in range(3)}, k=k)
             for k, values in ((10, [0.7, 0.6, 0.5, 0.4]), (9, [0.4, 0.5, 0.69, 0.7]))]  # fmt: skip
    found = retests_of_weights.human_correlation_of_size(pd.concat(sizes), weights)
    assert (
        [row["key"] for row in found] == ["9", "10"]
        and found[0]["estimate"] < -0.9
        and found[1]["estimate"] > 0.9
    )
    assert (retest_rows.table(found)["verdict"] == "").all()
    places = retest_rows.table(retests_of_masks.place_of_size(pd.concat(sizes)))
    assert (
        places["estimate"].tolist() == [2, 3]
        and places["n"].tolist() == [4, 4]
        and (places["verdict"] == "").all()
    )


@pytest.mark.parametrize("draws", [3, 14, 20, 39, 100])
def test_a_mask_holds_its_place_just_beyond_the_distance_that_is_said(draws):
    random = {
        (None, n): value for n, value in enumerate(np.random.default_rng(draws).normal(0.7, 0.02, draws))
    }
    needed = one(power.detectable_place(masked_accuracies({"a": 0.5}, random), 10))["estimate"]
    limit = np.mean(list(random.values())) - needed
    for accuracy_left, verdict in ((limit - 1e-9, "holds"), (limit + 1e-9, "does not hold")):
        assert (
            one(retests_of_masks.place_among_random(masked_accuracies({"a": accuracy_left}, random), 10))[
                "verdict"
            ]
            == verdict
        )


def test_few_attributes_that_differ_show_less_than_many_emotions_that_agree():
    table, _ = cube(emotions=20, effect=0.05, seed=1)
    verdicts = retest_rows.table(retests_of_masks.masks_hurt(table, 10, 400, 7)).set_index("question")[
        "verdict"
    ]
    assert verdicts.to_dict() == {
        "masks_hurt_over_attributes": "does not hold", "masks_hurt_over_emotions": "holds", "masks_hurt_over_all": "does not hold",
    }  # fmt: skip


def test_without_seeds_leaves_them_out_or_has_nothing_to_say():
    table, _ = cube()
    name, kept = retests_of_masks.without_seeds(table, (1, 42))
    assert name == "without seeds 1" and set(kept["seed"]) == {0, 2}
    assert (
        retests_of_masks.without_seeds(table, (42,)) is None
        and retests_of_masks.without_seeds(table, (0, 1, 2)) is None
    )


def test_corrected_stars_are_statsmodels(studys):
    found = {
        row["key"]: row
        for row in retest_rows.table(retests_of_masks.corrected_stars(studys, 0.05)).to_dict("records")
    }
    for cases, row in found.items():
        tests = drops.drop_table(drops.accuracy_drops(studys), [cases], 0.05)
        assert row["estimate"] == fdrcorrection(tests["p"], 0.05)[0].sum() and row["n"] == len(tests)
    assert (found["emotion"]["reference"], found["attribute"]["reference"]) == (
        20,
        7,
    )  # stars at this size alone


# Whose neurons are they?


def test_partial_tau_of_two_is_kendalls_formula_and_of_many_the_inverse():
    draw = np.random.default_rng(3)
    rdms, of_neurons = draw.normal(size=(40, 4)), draw.normal(size=(40, 6))
    for count in (2, 4):
        among = tau_b(rdms.T[:count], rdms[:, :count])
        tau = tau_b(of_neurons.T, rdms[:, :count])
        found = neurons.partial_tau(tau, among)
        if count == 2:
            (x, y), z = tau.T, among[0, 1]
            np.testing.assert_allclose(
                found[:, 0], (x - y * z) / np.sqrt((1 - y**2) * (1 - z**2)), rtol=1e-12
            )
        for neuron, row in zip(tau, found, strict=True):
            inverse = np.linalg.inv(np.block([[np.ones((1, 1)), neuron[None]], [neuron[:, None], among]]))
            np.testing.assert_allclose(
                row, -inverse[0, 1:] / np.sqrt(inverse[0, 0] * np.diag(inverse)[1:]), rtol=1e-10
            )


def test_halves_of_the_same_seeds_agree_and_of_noise_do_as_chance_says():
    draw = np.random.default_rng(0)
    attributes = pd.DataFrame(draw.random((15, 2)), columns=["a", "b"])
    once = draw.normal(size=(1, 6, 400))
    same = retest_rows.table(neurons.split_half(np.repeat(once, 4, axis=0), attributes, 40, 2, 1)).set_index(
        "question"
    )
    assert same.loc["split_half", "estimate"].tolist() == [1, 1] and same.loc[
        "split_half", "reference"
    ].tolist() == [0.1, 0.1]
    assert same.loc["split_half_reliability", "estimate"].tolist() == pytest.approx([1, 1])
    best = same.loc["split_half_best"]
    assert (
        best["estimate"].tolist() == pytest.approx(best["reference"].tolist())
        and (same["verdict"] == "").all()
    )
    noise = retest_rows.table(
        neurons.split_half(draw.normal(size=(4, 6, 400)), attributes, 40, 4, 1)
    ).set_index("question")
    assert noise.loc["split_half", "estimate"].between(0, 0.35).all()
    assert (
        noise.loc["split_half_best", "estimate"].abs().max()
        < 0.2
        < noise.loc["split_half_best", "reference"].min()
    )
    assert neurons.split_half(draw.normal(size=(3, 6, 400)), attributes, 40, 4, 1) == []


def test_neurons_that_are_the_same_for_all_emotions_are_not_reliable():
    draw = np.random.default_rng(3)
    activations, attributes = draw.normal(size=(4, 8, 300)), pd.DataFrame({"a": draw.random(28)})
    noise = retest_rows.table(neurons.split_half(activations, attributes, 20, 2, 1))
    padded = np.concatenate([activations, np.ones((4, 8, 300))], axis=2)
    pd.testing.assert_series_equal(
        retest_rows.table(neurons.split_half(padded, attributes, 20, 2, 1))["estimate"], noise["estimate"]
    )


def test_the_reliability_of_two_halves_by_hand():
    """Four seeds have three halvings; whichever is drawn, r of the halves' taus is stepped up to the whole."""
    draw = np.random.default_rng(5)
    activations, attributes = draw.normal(size=(4, 6, 50)), pd.DataFrame({"a": draw.random(15)})
    found = retest_rows.table(neurons.split_half(activations, attributes, 10, 1, 3)).set_index("question")
    order = np.random.default_rng(3).permutation(4)
    pairs = np.triu_indices(6, 1)
    taus = []
    for half in (order[:2], order[2:]):
        distances = np.abs(activations[half][:, pairs[0]] - activations[half][:, pairs[1]]).mean(axis=0)
        taus.append(np.array([stats.kendalltau(neuron, attributes["a"]).statistic for neuron in distances.T]))
    r = np.corrcoef(taus)[0, 1]
    assert found.loc["split_half_reliability", "estimate"] == pytest.approx(2 * r / (1 + r))
    top = [np.argsort(-tau, kind="stable")[:10] for tau in taus]
    assert found.loc["split_half", "estimate"] == len(set(top[0]) & set(top[1])) / 10
    elsewhere = np.mean([taus[1][top[0]].mean(), taus[0][top[1]].mean()])
    assert found.loc["split_half_best", "estimate"] == pytest.approx(elsewhere)
    assert found.loc["split_half_best", "reference"] == pytest.approx(
        np.mean([taus[0][top[0]].mean(), taus[1][top[1]].mean()])
    )


def test_neurons_of_an_attribute_that_another_explains_are_not_its_own():
    draw = np.random.default_rng(1)
    activations = draw.normal(size=(2, 8, 300))
    pairs = np.triu_indices(8, 1)
    first = np.abs(np.subtract.outer(np.arange(8), np.arange(8)))[pairs].astype(float)
    activations[:, :, :30] = np.arange(8)[:, None] + draw.normal(0, 0.3, (2, 8, 30))
    shadow = first + draw.normal(0, 1.0, first.shape)
    found = retest_rows.table(
        neurons.own_neurons(activations, pd.DataFrame({"first": first, "shadow": shadow}), 30, 1)
    ).set_index("key")
    assert found.loc["first", "estimate"] > 0.9 > 0.5 > found.loc["shadow", "estimate"]


def test_neurons_of_noise_stay_as_often_as_permuted_emotions_say():
    draw = np.random.default_rng(2)
    base = draw.random(45)
    rdms = pd.DataFrame(
        {"a": base + 0.3 * draw.random(45), "b": base + 0.3 * draw.random(45), "c": draw.random(45)}
    )
    found = retest_rows.table(neurons.own_neurons(draw.normal(size=(2, 10, 2000)), rdms, 200, 1)).set_index(
        "key"
    )
    assert found["estimate"].tolist() == pytest.approx(found["reference"].tolist(), abs=0.12)
    assert (
        found.loc["c", "reference"] > 0.8 > 0.6 > found.loc["a", "reference"] > 0.1
    )  # by chance, by what they have in common alone


def test_an_attribute_that_follows_from_others_leaves_no_neurons_its_own():
    draw = np.random.default_rng(1)
    activations, once = draw.normal(size=(1, 5, 20)), draw.random(10)
    twice = pd.DataFrame({"first": once, "again": 2 * once, "other": draw.random(10)})
    assert neurons.own_neurons(activations, twice, 5, 1) == []
    assert len(neurons.own_neurons(activations, twice[["first", "other"]], 5, 1)) == 2


def test_accuracies_of_other_emotions_have_no_order_in_the_study():
    released = accuracies({emotion: [0.7 + 0.04 * place] for place, emotion in enumerate(EMOTIONS)})
    assert (
        accuracy.accuracy_order(accuracies({"zest": [0.5], "calm": [0.6], EMOTIONS[0]: [0.7]}), released)
        == []
    )


def test_labels_given_together_are_near():
    labels = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=float)
    frame = neurons.label_rdm(labels)
    assert frame.iloc[0, 0] == pytest.approx(0) and (frame.iloc[1:, 0] > 1).all()  # pairs (0,1), (0,2), (1,2)
    labels = (np.random.default_rng(1).random((200, 6)) < 0.3).astype(float)
    np.testing.assert_allclose(
        neurons.label_rdm(labels).iloc[:, 0], 1 - np.corrcoef(labels, rowvar=False)[np.triu_indices(6, 1)]
    )


# What attributes as the cases can show, and how large drops are


def test_what_fourteen_attributes_can_show_is_found_four_times_in_five():
    drop, r = retest_rows.table(power.detectable_over_attributes(cube(attributes=14)[0], 10)).to_dict(
        "records"
    )
    assert (drop["n"], r["n"], drop["verdict"], r["verdict"]) == (14, 14, "", "")
    spread = cube(attributes=14)[1].mean(axis=(0, 1)).std(ddof=1)
    expected = TTestPower().solve_power(nobs=14, alpha=0.05, power=0.8, alternative="larger")
    assert drop["estimate"] == pytest.approx(spread * expected, rel=1e-4)
    rng, rho = np.random.default_rng(2), r["estimate"]
    x = rng.normal(size=(4000, 14))
    y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=x.shape)
    found = np.mean([stats.pearsonr(*pair).pvalue < 0.05 for pair in zip(x, y, strict=True)])
    assert found == pytest.approx(0.8, abs=0.03)


def test_permuted_weights_give_the_p_of_all_orders():
    """Five attributes have 120 orders: the p by permutation lies near the share of them that correlate as closely, either way."""
    weights = pd.Series({"a": 0.1, "b": 0.2, "c": 0.35, "d": 0.5, "e": 0.6})
    values = dict(zip("abcde", [0.70, 0.66, 0.68, 0.60, 0.52], strict=True))
    row = one(
        retests_of_weights.human_correlation_permuted(
            masked_accuracies(values, {(None, 1): 0.7}), 10, weights, 5000, 1
        )
    )
    drop = 0.7 - np.array(list(values.values()))
    every = np.array([np.corrcoef(drop, order)[0, 1] for order in permutations(weights)])
    least = min(
        (every >= row["estimate"] - 1e-12).mean(), (every <= row["estimate"] + 1e-12).mean()
    )  # scipy doubles the smaller tail
    assert row["estimate"] == pytest.approx(np.corrcoef(drop, weights)[0, 1]) and row["p"] == pytest.approx(
        2 * least, abs=0.01
    )


def test_the_share_of_distance_is_the_drop_over_what_there_is_to_lose():
    table, drop = cube(emotions=5, attributes=3)
    names = table["emotion"].unique()
    unmasked = accuracies({name: [0.9, 0.8] for name in names}, majority=0.5)
    rows = retest_rows.table(retests_of_masks.share_of_distance(table, unmasked, 10, 300, 1)).set_index("key")
    assert rows["estimate"].tolist() == pytest.approx([drop.mean() / 0.35, *(drop.mean(axis=(0, 1)) / 0.35)])
    assert (
        (rows["ci_low"] < rows["estimate"]).all()
        and (rows["estimate"] < rows["ci_high"]).all()
        and (rows["verdict"] == "").all()
    )
    assert retests_of_masks.share_of_distance(table, unmasked.assign(majority=np.nan), 10, 300, 1) == []
    assert (
        retests_of_masks.share_of_distance(table, unmasked.assign(majority=0.9), 10, 300, 1) == []
    )  # there is nothing to lose
    nearly = unmasked.assign(
        majority=[0.8] * 8 + [0.95] * 2
    )  # of one of five emotions less than nothing is known
    rows = retest_rows.table(retests_of_masks.share_of_distance(table, nearly, 10, 300, 1))
    assert rows["estimate"].notna().all() and rows[["ci_low", "ci_high"]].isna().all(axis=None)


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


# The human space


def subjects_and_models(seed=1, subjects=7, emotions=6):
    rng = np.random.default_rng(seed)
    common = rng.random(emotions * (emotions - 1) // 2)
    people = rng.integers(1, 10, (subjects, len(common))) + 6 * common  # with ties
    return np.round(people), pd.DataFrame({"common": common, "other": rng.random(len(common))})


def test_the_noise_ceiling_by_a_plain_loop():
    people, _ = subjects_and_models()
    lower, upper = space.noise_ceiling(people)
    ranks = [stats.rankdata(person) for person in people]
    everyone = np.sum(ranks, axis=0)
    others = [
        stats.kendalltau(person, everyone - rank).statistic
        for person, rank in zip(people, ranks, strict=True)
    ]
    assert lower == pytest.approx(np.mean(others))
    assert (
        upper == pytest.approx(np.mean([stats.kendalltau(person, everyone).statistic for person in people]))
        and lower < upper
    )


def test_the_noise_ceiling_is_rsatoolboxs():
    rsatoolbox = pytest.importorskip("rsatoolbox")
    people, _ = subjects_and_models(subjects=12, emotions=8)
    ours = space.noise_ceiling(people)
    theirs = rsatoolbox.inference.boot_noise_ceiling(rsatoolbox.rdm.RDMs(people), method="tau-b")
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_agreement_is_a_loop_over_scipy_and_its_draws_too():
    people, models = subjects_and_models()
    found = space.agreement(people, models.to_numpy())
    assert found == pytest.approx(
        [np.mean([stats.kendalltau(person, models[name]).statistic for person in people]) for name in models]
    )
    draws = space.resampled_agreement(people, models.to_numpy(), 6, 3, 4)
    generator, matrix = np.random.default_rng(4), [rdm.square(models[name].to_numpy()) for name in models]
    for draw in draws:
        drawn, chosen = generator.integers(6, size=6), generator.integers(len(people), size=len(people))
        pairs = [(a, b) for a, b in zip(*np.triu_indices(6, 1), strict=True) if drawn[a] != drawn[b]]
        at = tuple(np.array([(drawn[a], drawn[b]) for a, b in pairs]).T)
        each = [
            [stats.kendalltau(rdm.square(people[one])[at], of[at]).statistic for of in matrix]
            for one in chosen
        ]
        assert draw == pytest.approx(np.mean(each, axis=0))


def test_few_emotions_are_drawn_with_three_at_least():
    people, models = subjects_and_models(emotions=4)
    draws = space.resampled_agreement(people, models.to_numpy(), 4, 200, 1)
    assert np.isfinite(draws).all() and (np.abs(draws) <= 1).all()


def test_a_model_like_the_subjects_comes_near_the_ceiling_and_noise_does_not():
    people, models = subjects_and_models(subjects=20, emotions=12)
    table = retest_rows.table(space.agreement_with_subjects(people, models, 12, 1)).set_index("key")
    lower, upper = table.loc[["lower", "upper"], "estimate"]
    assert table.loc["common", "verdict"] == "holds" and table.loc["other", "verdict"] == "does not hold"
    assert (
        lower * 0.9 < table.loc["common", "estimate"] <= upper
        and (table["reference"].dropna() == lower).all()
    )


def test_mantels_p_counts_the_orders_of_the_emotions():
    """Four emotions have 24 orders: the p of many drawn is near that of all."""
    rng = np.random.default_rng(3)
    human = rng.random(6)
    model = human + rng.normal(0, 0.2, 6)
    row = one(space.model_and_human(model, human, 4, 9999, 1))
    pairs = np.triu_indices(4, 1)
    every = [
        stats.kendalltau(rdm.square(model)[np.ix_(order, order)][pairs], human).statistic
        for order in permutations(range(4))
    ]
    assert row["estimate"] == pytest.approx(stats.kendalltau(model, human).statistic)
    assert row["p"] == pytest.approx(np.mean(np.array(every) >= row["estimate"] - 1e-12), abs=0.015)


# The stage


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a made-up run `live` of six emotions in which masking valence hurts most; returns a function that runs the stage."""
    rng = np.random.default_rng(8)
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for name in ("live", "published"):
        (tmp_path / "results" / name).mkdir(parents=True)
    ratings = rng.random((14, 27))
    rdms = pd.DataFrame(rdm.absolute_rdm(ratings).T, columns=study.ATTRIBUTES)
    weights = pd.DataFrame({"attribute": study.ATTRIBUTES, "tau_boot": np.linspace(0, 0.6, 14)})
    (tmp_path / "data/texts").mkdir(parents=True)
    labels = pd.DataFrame(rng.integers(0, 2, (50, 6)).astype("uint8"), columns=EMOTIONS)
    pairs = rdm.pair_names(study.EMOTIONS)
    judged = pd.DataFrame(
        rng.integers(1, 10, (4, 351)).astype(float), columns=pairs["emotion_a"] + "|" + pairs["emotion_b"]
    )
    (tmp_path / "results/human").mkdir()
    judged.assign(subject=[f"s{number:02d}" for number in range(1, 5)]).to_csv(
        "results/human/similarity.csv", index=False
    )
    unmasked = accuracies({emotion: [0.7 + 0.04 * place] for place, emotion in enumerate(EMOTIONS)})
    unmasked.loc[0, "accuracy"] = 0.4  # realization is at floor
    for run in ("live", "published"):
        rdm.pair_names(study.EMOTIONS).join(rdms).to_csv(f"results/{run}/attribute_rdms.csv", index=False)
        pairs.assign(distance=judged.mean().to_numpy()).to_csv(f"results/{run}/mean_rdm.csv", index=False)
        weights.to_csv(f"results/{run}/weights.csv", index=False)
        pd.concat([labels.assign(split=split) for split in ("train", "dev")]).to_parquet(
            f"data/texts/{run}.parquet"
        )
        unmasked.to_csv(f"results/{run}/accuracy.csv", index=False)
        write_activations(
            Activations(rng.random((1, 6, 24)), (1,), EMOTIONS, 2, 12, "none"),
            f"results/{run}/activations.safetensors",
        )
        random = {(None, draw): 0.7 + draw / 1000 for draw in range(1, 21)}
        attributes = {attribute: 0.75 for attribute in study.ATTRIBUTES} | {"valence": 0.5}
        masked = masked_accuracies(attributes, random, EMOTIONS)
        masked.loc[masked["emotion"] == EMOTIONS[0], "accuracy"] = 0
        masked.to_csv(f"results/{run}/masked_accuracy.csv", index=False)

    def of(run):
        monkeypatch.setattr(sys, "argv", ["retests", "--run", run])
        stage.main()
        return read_csv(f"results/{run}/retests.csv")

    return of


def test_the_stage_asks_each_run_what_applies_to_it(project):
    live, theirs = project("live"), project("published")
    assert list(live.columns) == results.RETESTS
    sizes = {
        "accuracy_above_majority": 1,
        "accuracy_order": 1,
        "significant_neurons": 15,
        "significant_neurons_of_all": 14,
    }
    sizes |= {
        "own_neurons": 14,
        "place_among_random": 14,
        "masks_hurt_over_attributes": 1,
        "masks_hurt_over_emotions": 1,
    }
    sizes |= {
        "masks_hurt_over_all": 1,
        "human_correlation_attributes": 1,
        "human_correlation_permuted": 1,
        "share_of_distance": 15,
    }
    sizes |= {
        "detectable_place": 1,
        "corrected_stars": 2,
        "detectable_drop": 1,
        "detectable_drop_over_attributes": 1,
    }
    sizes |= {"detectable_correlation": 1}
    sizes |= {"model_and_human": 1, "noise_ceiling": 2, "agreement_with_subjects": 15}
    assert live["question"].value_counts(sort=False).to_dict() == sizes
    assert set(sizes) - set(theirs["question"]) == {"accuracy_order"}
    valence = live.query("question == 'place_among_random' and key == 'valence'").iloc[0]
    # the first emotion, at floor, is left out: with it the means would be lower by its share
    assert valence["reference"] == pytest.approx(0.504) and valence["k"] == 10
    assert live.query("question == 'place_among_random' and verdict == 'holds'")["key"].tolist() == [
        "valence"
    ]
    assert live.query("question == 'accuracy_order'")["estimate"].item() == pytest.approx(1)
