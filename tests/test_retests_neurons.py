"""Re-tests of H1: planted neurons, neurons of noise, and statistics against scipy and plain loops."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import at_least, at_most
from scipy import stats

from model_emotion.retests import neurons
from model_emotion.retests.rows import table as table_of
from model_emotion.rsa import rdm
from model_emotion.rsa.kendall import tau_b
from model_emotion.rsa.permutation import least_p


@pytest.fixture(scope="module")
def planted():
    """Return activations (6 of 60 neurons follow the first attribute), RDMs of two attributes, and rows."""
    rng = np.random.default_rng(2)
    ratings, activations = rng.random((2, 12)), rng.standard_normal((3, 12, 60))
    activations[:, :, :6] = ratings[0][None, :, None] * 9 + 0.1 * activations[:, :, :6]
    rdms = pd.DataFrame(rdm.absolute_rdm(ratings).T, columns=["valence", "arousal"])
    return activations, rdms, table_of(neurons.significant_neurons(activations, rdms, 199, 1))


def test_planted_neurons_are_found_and_no_others(planted):
    table = planted[2].set_index(["question", "key"])
    for question in ("significant_neurons", "significant_neurons_of_all"):
        assert table.loc[(question, "valence")][["estimate", "p", "n", "verdict"]].tolist() == [
            6,
            2 / 200,
            60,
            "holds",
        ]
        assert table.loc[(question, "arousal")][["estimate", "verdict"]].tolist() == [0, "inconclusive"]
        assert table.loc[(question, "arousal"), "p"] > 0.05


def test_counts_and_p_follow_from_the_maxima_of_all_permutations(planted, monkeypatch):
    activations, rdms, _ = planted
    orders = np.random.default_rng(3).permuted(np.tile(np.arange(12), (99, 1)), axis=1)
    monkeypatch.setattr(neurons, "permutations", lambda n, samples, seed: orders)
    table = table_of(neurons.significant_neurons(activations[:, :, 6:], rdms, 99, 1))  # without those planted
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

        assert row.p == pytest.approx(min(1, 2 * p(tau[:, column].max())))
        assert row.estimate == sum(p(value) <= 0.025 for value in tau[:, column])
        if row.question == "significant_neurons":
            assert row.reference == pytest.approx(
                np.sort(maxima[:, column])[-3]
            )  # two of a hundred may be above
        assert row.estimate == (tau[:, column] > row.reference + 1e-12).sum()
    assert (table["estimate"] == 0).any()


def test_what_every_order_gives_is_no_finding(planted, monkeypatch):
    activations, rdms, _ = planted
    monkeypatch.setattr(neurons, "permutations", lambda n, samples, seed: np.tile(np.arange(n), (samples, 1)))
    table = table_of(neurons.significant_neurons(activations, rdms[["valence"]], 99, 1))
    assert (table["p"] == 1).all() and (table["estimate"] == 0).all()


def test_correcting_for_all_attributes_is_the_stricter(planted):
    activations, rdms, _ = planted
    rng = np.random.default_rng(4)
    weak = activations + rng.standard_normal(activations.shape) * 2.5
    table = table_of(neurons.significant_neurons(weak, rdms, 99, 1))
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
    same = table_of(neurons.split_half(np.repeat(once, 4, axis=0), attributes, 40, 2, 1)).set_index(
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
    noise = table_of(neurons.split_half(draw.normal(size=(4, 6, 400)), attributes, 40, 4, 1)).set_index(
        "question"
    )
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
    noise = table_of(neurons.split_half(activations, attributes, 20, 2, 1))
    padded = np.concatenate([activations, np.ones((4, 8, 300))], axis=2)
    pd.testing.assert_series_equal(
        table_of(neurons.split_half(padded, attributes, 20, 2, 1))["estimate"], noise["estimate"]
    )


def test_the_reliability_of_two_halves_by_hand():
    """Four seeds have three halvings; whichever is drawn, r of the halves' taus is stepped up."""
    draw = np.random.default_rng(5)
    activations, attributes = draw.normal(size=(4, 6, 50)), pd.DataFrame({"a": draw.random(15)})
    found = table_of(neurons.split_half(activations, attributes, 10, 1, 3)).set_index("question")
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
    found = table_of(
        neurons.own_neurons(activations, pd.DataFrame({"first": first, "shadow": shadow}), 30, 1)
    ).set_index("key")
    assert found.loc["first", "estimate"] > 0.9 > 0.5 > found.loc["shadow", "estimate"]


def test_neurons_of_noise_stay_as_often_as_permuted_emotions_say():
    draw = np.random.default_rng(2)
    base = draw.random(45)
    rdms = pd.DataFrame(
        {"a": base + 0.3 * draw.random(45), "b": base + 0.3 * draw.random(45), "c": draw.random(45)}
    )
    found = table_of(neurons.own_neurons(draw.normal(size=(2, 10, 2000)), rdms, 200, 1)).set_index("key")
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


def test_labels_given_together_are_near():
    labels = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=float)
    frame = neurons.label_rdm(labels)
    assert frame.iloc[0, 0] == pytest.approx(0) and (frame.iloc[1:, 0] > 1).all()  # pairs (0,1), (0,2), (1,2)
    labels = (np.random.default_rng(1).random((200, 6)) < 0.3).astype(float)
    np.testing.assert_allclose(
        neurons.label_rdm(labels).iloc[:, 0], 1 - np.corrcoef(labels, rowvar=False)[np.triu_indices(6, 1)]
    )


def test_own_neurons_have_a_p_that_is_uniform_at_most_and_small_for_planted_ones():
    draw, p = np.random.default_rng(8), []
    for seed in range(20):
        rdms = pd.DataFrame(rdm.absolute_rdm(draw.random((3, 9))).T, columns=["a", "b", "c"])
        found = table_of(neurons.own_neurons(draw.normal(size=(1, 9, 200)), rdms, 20, seed))
        p += list(found["p"])
    assert np.mean(np.array(p) < 0.05) <= at_most(0.05, 60) and np.mean(p) > 0.5
    planted = []
    for seed in range(20):
        own, other = draw.normal(size=(2, 9))
        activations = draw.normal(size=(1, 9, 400))
        activations[0, :, :20] = 5 * own[:, None] + 0.3 * activations[0, :, :20]
        both = rdm.absolute_rdm(np.array([own, own + 0.7 * other])).T  # attributes with much in common
        found = table_of(neurons.own_neurons(activations, pd.DataFrame(both, columns=["a", "b"]), 20, seed))
        planted.append(found["p"].tolist())
    own, shadow = (np.array(planted) < 0.05).mean(axis=0)
    assert own >= at_least(0.8, 20) and shadow <= at_most(0.05, 20)


def test_a_sample_of_neurons_gives_the_shares_of_all(monkeypatch):
    draw = np.random.default_rng(9)
    ratings, activations = draw.random((2, 8)), draw.normal(size=(4, 8, 1200))
    activations[:, :, :300] += 3 * ratings[0][None, :, None]
    rdms = pd.DataFrame(rdm.absolute_rdm(ratings).T, columns=["a", "b"])
    whole = table_of(neurons.split_half(activations, rdms, 120, 30, 1))
    monkeypatch.setattr(neurons, "SAMPLED", 400)
    part = table_of(neurons.split_half(activations, rdms, 120, 30, 1))
    assert part["estimate"].tolist() == pytest.approx(whole["estimate"].tolist(), abs=0.05)
    assert (part["ci_low"] <= part["estimate"]).all() and (part["estimate"] <= part["ci_high"]).all()
    assert (whole["ci_high"] - whole["ci_low"]).lt(part["ci_high"] - part["ci_low"]).mean() > 0.5
