"""The searchlight and RSA of the whole model, against scipy on the study's files and on planted data."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

from model_emotion.base import study
from model_emotion.base.files import read_csv
from model_emotion.inputs import released
from model_emotion.rsa import rdm
from model_emotion.rsa.searchlight import mean_rdm, searchlight, significant_by_layer, space_rdms, table
from model_emotion.rsa.selectivity import overlap, rank_table, selectivity
from model_emotion.rsa.whole_model import model_rsa


@pytest.fixture(scope="module")
def study_rdms(raw):
    return read_csv(raw("reference", "Data/preprocessed/emotional_features/dist_emotional_PCs.csv"))


@pytest.fixture(scope="module")
def some_neurons(raw):
    """[12, 27, 60] activations of neurons spread over the model, read from the study's files."""
    some = np.linspace(0, study.LAYERS * study.WIDTH - 1, 60).astype(int)
    folder = "Data/raw_data/PLM/prompt_tuning_RoBERTa/neurons_activation_before_relu"
    return np.array(
        [
            [
                released.read_neurons(raw("activations", f"{folder}/{emotion}-{seed}.csv"))[some]
                for emotion in study.EMOTIONS
            ]
            for seed in study.SEEDS
        ]
    )


def plain_mean_rdm(activations):
    """One neuron's mean RDM by a plain loop, in the column-wise order of the lower triangle."""
    seeds, emotions = activations.shape
    return [
        np.mean([abs(activations[seed, row] - activations[seed, column]) for seed in range(seeds)])
        for column in range(emotions)
        for row in range(column + 1, emotions)
    ]


def test_equals_scipy_on_the_studys_neurons(some_neurons, study_rdms):
    found = searchlight(some_neurons, study_rdms.to_numpy())
    for neuron in range(0, 60, 3):
        own = plain_mean_rdm(some_neurons[:, :, neuron])
        for column in range(14):
            scipys = stats.kendalltau(
                own, study_rdms.iloc[:, column], method="asymptotic", alternative="greater"
            )
            assert found.tau[neuron, column] == pytest.approx(scipys.statistic, abs=1e-9)
            assert found.p[neuron, column] == pytest.approx(scipys.pvalue, rel=1e-6, abs=1e-12)
    np.testing.assert_allclose(found.q_bh.ravel(), stats.false_discovery_control(found.p.ravel()))
    np.testing.assert_array_equal(found.rank[:, 0], stats.rankdata(-found.tau[:, 0]))


def test_spaces_equal_scipy(some_neurons, study_rdms, raw):
    # scipy's pdist on the raw mean ratings gives the same distances for the affective space
    spaces = space_rdms(study_rdms)
    assert list(spaces) == ["affective", "basic-emotions", "appraisal"]
    by_hand = [np.sqrt(row["arousal"] ** 2 + row["valence"] ** 2) for _, row in study_rdms.iterrows()]
    np.testing.assert_allclose(spaces["affective"], by_hand)
    neuron = some_neurons[:, :, [7]]
    for column, space in enumerate(spaces):
        expected = stats.kendalltau(plain_mean_rdm(neuron[:, :, 0]), spaces[space]).statistic
        assert searchlight(neuron, spaces.to_numpy()).tau[0, column] == pytest.approx(expected, abs=1e-9)


def test_model_rsa_equals_scipy(some_neurons, study_rdms):
    found = model_rsa(some_neurons, 3, study_rdms[["arousal", "valence"]])
    assert len(found) == 4 * 2
    for layer, part in enumerate([some_neurons, *np.split(some_neurons, 3, axis=2)]):
        mean = np.mean([pdist(of_seed, "cosine") for of_seed in part], axis=0)
        expected = stats.kendalltau(mean, study_rdms["valence"], method="asymptotic", alternative="greater")
        row = found[(found["layer"] == layer) & (found["reference"] == "valence")].iloc[0]
        assert row["tau"] == pytest.approx(expected.statistic, abs=1e-12)
        assert row["p"] == pytest.approx(expected.pvalue, rel=1e-9)


def test_mean_rdm_averages_distances_not_activations():
    activations = np.array([[[0.0], [1.0]], [[1.0], [0.0]]])  # two seeds that differ in sign
    assert mean_rdm(activations) == [[1.0]]


def test_float32_activations_are_measured_in_float64():
    activations = np.random.default_rng(0).random((2, 5, 3)).astype(np.float32)
    assert mean_rdm(activations).dtype == np.float64
    np.testing.assert_array_equal(mean_rdm(activations), mean_rdm(activations.astype(float)))


def test_planted_neurons_are_found_and_others_are_not():
    rng = np.random.default_rng(3)
    ratings = rng.random((12, 3))
    activations = rng.random((4, 12, 40))
    activations[:, :, 5] = 2 * ratings[:, 1] - 1  # neuron 6 follows the second attribute
    found = searchlight(activations, rdm.absolute_rdm(ratings.T).T)
    assert found.tau[5, 1] == pytest.approx(1)
    assert found.rank[5, 1] == 1
    long = table(found, ["a", "b", "c"], width=10, alpha=0.01)
    assert long.query("attribute == 'b' and rank == 1")[["neuron", "layer", "unit"]].to_numpy().tolist() == [
        [6, 1, 6]
    ]
    assert long.query("significant")[["neuron", "attribute"]].to_numpy().tolist() == [[6, "b"]]
    by_layer = significant_by_layer(long)
    assert by_layer["significant"].sum() == 1 and by_layer["neurons"].eq(10).all()
    np.testing.assert_array_equal(rank_table(long), found.rank)


def test_a_constant_neuron_comes_last_and_disturbs_no_other():
    rng = np.random.default_rng(4)
    activations, rdms = rng.random((2, 8, 5)), rng.random((28, 2))
    without = searchlight(activations[:, :, 1:], rdms)
    activations[:, :, 0] = 0.25
    found = searchlight(activations, rdms)
    assert np.isnan(found.tau[0]).all() and (found.p[0] == 1).all() and (found.rank[0] == 5).all()
    np.testing.assert_array_equal(found.rank[1:], without.rank)


def test_overlap_and_selectivity_by_hand():
    table_of_ranks = pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, 4, 2, 3]})
    shared = overlap(table_of_ranks, [2]).set_index(["attribute_a", "attribute_b"])["shared"]
    assert shared.to_dict() == {("a", "a"): 2, ("b", "a"): 1, ("a", "b"): 1, ("b", "b"): 2}
    significant = np.array([[True, True], [False, False], [True, False], [True, True]])
    of, weak = selectivity(table_of_ranks, significant, [2])
    assert of.to_numpy().tolist() == [
        [2, 1, 2],
        [2, 2, 1],
    ]  # two neurons belong to one attribute, one to both
    assert weak.to_numpy().tolist() == [[2, "a", 1], [2, "b", 1]]
