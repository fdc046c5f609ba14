"""H4 given controls, and in layers: against pingouin, plain loops, and by simulation."""

import numpy as np
import pandas as pd
import pingouin
import pytest
from made_up_runs import at_least, at_most
from scipy import stats

from model_emotion.base.results import Activations
from model_emotion.retests import controls
from model_emotion.retests.rows import table as table_of
from model_emotion.rsa import rdm
from model_emotion.rsa.whole_model import model_rdm


def rdms(*scores):
    """Return the RDM [pairs] of each list of scores."""
    return rdm.absolute_rdm(np.array(scores))


def given_rows(model, human, given, samples=199, seed=1):
    return table_of(list(controls.model_and_human_given(model, human, given, samples, seed))).set_index("key")


def test_the_partial_correlations_are_pingouins_and_kendalls():
    draw = np.random.default_rng(1)
    model, human, *others = rdms(*draw.random((5, 9)).round(1))  # with ties
    given = dict(zip(("size", "accuracy", "valence"), others, strict=True))
    found = given_rows(model, human, given)
    assert list(found.index) == [*given, "size + accuracy", "size + accuracy + valence"]
    frame = pd.DataFrame({"model": model, "human": human} | given)
    for key, row in found.iterrows():
        rho = pingouin.partial_corr(frame, "model", "human", key.split(" + "), method="spearman")["r"].item()
        assert row["estimate"] == pytest.approx(rho)
    for name, other in given.items():
        pairs = (model, human), (model, other), (human, other)
        a, b, c = (stats.kendalltau(*pair).statistic for pair in pairs)
        expected = (a - b * c) / np.sqrt((1 - b**2) * (1 - c**2))
        assert found.loc[name, "reference"] == pytest.approx(expected)


def test_p_counts_permuted_residuals_by_a_plain_loop():
    draw = np.random.default_rng(2)
    model, human, other = rdms(*draw.random((3, 7)))
    found = given_rows(model, human, {"other": other}, samples=49, seed=3)
    orders = np.random.default_rng(3).permuted(np.tile(np.arange(7), (49, 1)), axis=1)
    pairs = np.triu_indices(7, 1)
    x, y, z = (stats.rankdata(of) for of in (model, human, other))
    line = np.polynomial.Polynomial.fit(z, x, 1)(z)
    residuals = rdm.square(x - line)

    def partial(of):
        return pingouin.partial_corr(pd.DataFrame({"x": of, "y": y, "z": z}), "x", "y", "z")["r"].item()

    shuffled = np.array([partial(line + residuals[np.ix_(order, order)][pairs]) for order in orders])
    fewer = min((shuffled >= partial(x) - 1e-9).sum(), (shuffled <= partial(x) + 1e-9).sum())
    assert found.loc["other", "p"] == pytest.approx(min(1, 2 * (1 + fewer) / 50))


def test_what_only_a_control_makes_alike_is_no_finding_and_more_is():
    draw, alone, given, more, tau = np.random.default_rng(4), [], [], [], []
    for seed in range(100):
        control, of_model, of_human, both = rdms(*draw.normal(size=(4, 14)))
        model, human = control + 0.7 * of_model, control + 0.7 * of_human
        found = given_rows(model, human, {"control": control}, seed=seed).loc["control"]
        given.append(found["verdict"] == "holds")
        alone.append(stats.spearmanr(model, human).statistic)
        tau.append(found["reference"])
        model, human = control + both + 0.5 * of_model, control + both + 0.5 * of_human
        found = given_rows(model, human, {"control": control}, seed=seed).loc["control"]
        more.append(found["verdict"] == "holds")
    assert (
        np.mean(alone) > 0.3
        and np.mean(given) <= at_most(0.025, 100)
        and np.mean(more) >= at_least(0.95, 100)
    )
    assert np.mean(tau) > 0.1  # why partial tau has no p


def test_scores_that_the_emotions_share_are_not_taken_out_of_distances():
    """A limit that docs/method.md states: distances of a sum of scores are no sum of distances."""
    draw, n, p = np.random.default_rng(8), 80, []
    for seed in range(n):
        score, of_model, of_human = draw.normal(size=(3, 14))
        control, model, human = rdms(score, score + of_model / 2, score + of_human / 2)
        p.append(given_rows(model, human, {"control": control}, 99, seed).loc["control", "p"])
    assert np.mean(np.array(p) < 0.05) > at_most(0.05, n)


def test_controls_that_follow_from_each_other_have_no_row():
    model, human, other = rdms(*np.random.default_rng(5).random((3, 8)))
    found = given_rows(model, human, {"a": other, "b": 2 * other, "constant": 0 * other})
    assert list(found.index) == ["a", "b"]


def test_training_controls_are_differences_of_log_size_and_accuracy():
    labels = pd.DataFrame({"joy": [1, 1, 1, 1], "fear": [1, 0, 0, 0], "grief": 0})
    accuracy = pd.DataFrame({"emotion": ["joy", "fear", "joy", "grief"], "accuracy": [0.9, 0.6, 0.7, 0.5]})
    found = controls.training_controls(labels, accuracy, ("joy", "fear", "grief"))
    assert found["training size"].tolist() == pytest.approx([np.log(4), np.log(4), 0])
    assert found["unmasked accuracy"].tolist() == pytest.approx([0.2, 0.3, 0.1])


def made(draw, emotions=9, layers=3, width=8):
    values = draw.normal(size=(2, emotions, layers * width))
    return Activations(values, (1, 3), tuple(f"e{n}" for n in range(emotions)), layers, width, "made up")


def test_planted_layers_are_found_and_noise_is_not():
    draw = np.random.default_rng(6)
    score, other = draw.normal(size=(2, 9))
    activations = made(draw)
    activations.values[:, :, 8:16] += 4 * score[:, None] * np.linspace(-1, 1, 8)  # the second layer
    references = pd.DataFrame({"own": model_rdm(activations.values[:, :, 8:16]), "other": rdms(other)[0]})
    found = table_of(controls.layers_and_references(activations, references, 199, 1)).set_index("key")
    assert found.loc["own", "verdict"] == "holds" and 1 <= found.loc["own", "estimate"] <= 2  # and the whole
    assert found.loc["other", "verdict"] == "inconclusive" and found.loc["other", "n"] == 4


def test_of_noise_any_layer_follows_any_reference_in_one_of_forty():
    draw, held = np.random.default_rng(7), []
    for seed in range(80):
        references = pd.DataFrame(rdms(*draw.normal(size=(4, 9))).T, columns=list("abcd"))
        found = table_of(controls.layers_and_references(made(draw), references, 99, seed))
        held.append((found["estimate"] > 0).any())
        assert ((found["p"] <= 0.05) == (found["estimate"] > 0)).all()
    assert np.mean(held) <= at_most(0.025, 80)
