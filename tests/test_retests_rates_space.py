"""H1 and H4: how often re-tests err on noise, and find what was planted: simulations with a known answer.

tests/test_retests_controls.py has the rates of H4 given controls and of noise in layers, and
tests/test_retests_neurons.py those of own_neurons.
"""

import numpy as np
import pandas as pd
from made_up_runs import accuracies, at_least, at_most, between, one
from scipy import stats

from model_emotion.base.results import Activations
from model_emotion.retests import accuracy, controls, neurons, space
from model_emotion.retests.rows import table as table_of
from model_emotion.rsa import rdm


def rdms(scores, names):
    """Return a frame [pairs, names] of the RDMs of scores [names, emotions]."""
    return pd.DataFrame(rdm.absolute_rdm(np.array(scores)).T, columns=list(names))


def test_prompts_no_better_than_the_majority_rate_hold_in_one_of_forty_and_better_ones_as_t_says():
    """20 emotions whose accuracies above the majority rate vary by .05 around 0, or around .03."""
    draw, n, held = np.random.default_rng(1), 100, {}
    for above in (0.0, 0.03):
        found = [
            one(accuracy.accuracy_above_majority(accuracies({f"e{e}": [of] for e, of in enumerate(values)})))
            for values in draw.normal(0.5 + above, 0.05, (n, 20))
        ]
        held[above] = np.mean([row["verdict"] == "holds" for row in found])
    power = stats.nct.sf(stats.t.ppf(0.975, 19), 19, 0.03 / 0.05 * np.sqrt(20))
    assert held[0.0] <= at_most(0.025, n) and between(held[0.03], power, n)


def test_of_noise_any_neuron_is_significant_in_one_of_forty_also_over_all_attributes():
    draw, n, any_of = np.random.default_rng(15), 60, {}
    for seed in range(n):
        of = rdms(draw.random((3, 9)), "abc")
        rows = neurons.significant_neurons(draw.normal(size=(2, 9, 30)), of, 99, seed)
        for question, found in table_of(rows).groupby("question"):
            any_of.setdefault(question, []).append((found["estimate"] > 0).to_numpy())
    one, every = (np.array(any_of[f"significant_neurons{name}"]) for name in ("", "_of_all"))
    assert one.mean() <= at_most(0.025, 3 * n) and every.any(axis=1).mean() <= at_most(0.025, n)


def test_planted_neurons_are_mostly_found_and_seldom_for_another_attribute():
    """5 of 40 neurons follow an attribute: its scores vary 1.5 times as much as the noise of each seed."""
    draw, n, held = np.random.default_rng(2), 60, []
    for seed in range(n):
        own, other = draw.normal(size=(2, 10))
        activations = draw.normal(size=(2, 10, 40))
        activations[:, :, :5] += 1.5 * own[:, None]
        rows = neurons.significant_neurons(activations, rdms([own, other], ["own", "other"]), 99, seed)
        held.append(table_of(rows).set_index(["question", "key"])["verdict"] == "holds")
    rates = pd.concat(held, axis=1).mean(axis=1)
    for question in ("significant_neurons", "significant_neurons_of_all"):
        assert rates[question, "own"] >= at_least(0.8, n), rates
        assert rates[question, "other"] <= at_most(0.025, n), rates


def test_planted_layers_are_mostly_found_and_seldom_for_another_reference():
    """Each neuron of the second of three layers follows an attribute, with a weight of its own."""
    draw, n, held = np.random.default_rng(3), 60, []
    for seed in range(n):
        own, other = draw.normal(size=(2, 9))
        values = draw.normal(size=(2, 9, 24))
        values[:, :, 8:16] += own[:, None] * draw.normal(size=8) * 2
        activations = Activations(values, (1, 3), tuple(f"e{e}" for e in range(9)), 3, 8, "made up")
        rows = controls.layers_and_references(activations, rdms([own, other], ["own", "other"]), 99, seed)
        held.append(table_of(rows).set_index("key")["verdict"] == "holds")
    rates = pd.concat(held, axis=1).mean(axis=1)
    assert rates["own"] >= at_least(0.8, n) and rates["other"] <= at_most(0.025, n), rates


def test_mantels_test_errs_in_one_of_twenty_and_finds_a_model_like_people():
    """RDMs of one score each, which correlate in the population with r = 0 or .95."""
    draw, found = np.random.default_rng(4), {}
    for r, n in ((0.0, 300), (0.95, 40)):
        p = []
        for seed in range(n):
            x, noise = draw.normal(size=(2, 10))
            model, human = rdm.absolute_rdm(np.array([x, r * x + np.sqrt(1 - r**2) * noise]))
            p.append(space.model_and_human(model, human, 10, 99, seed)[0]["p"])
        found[r] = np.mean(np.array(p) < 0.05)
    assert found[0.0] <= at_most(0.05, 300) and found[0.95] >= at_least(0.95, 40), found


def distances(scores):
    """Return the RDM [pairs] of scores [dimensions, emotions] by Euclidean distance."""
    first, second = np.triu_indices(scores.shape[1], 1)
    return np.sqrt(((scores[:, first] - scores[:, second]) ** 2).sum(axis=0))


def test_agreement_of_noise_holds_in_less_than_one_of_forty_and_of_a_model_like_people_mostly(monkeypatch):
    """People share an RDM of three scores; the like model has it with noise. Both factors are samples.

    The interval is too wide (`space.resampled_agreement`): of 200 models of noise, it held for 1.
    """
    monkeypatch.setattr(space, "RESAMPLED", 100)
    draw, n, verdicts = np.random.default_rng(16), 60, []
    for number in range(n):
        common, error, noise = (distances(draw.normal(size=(3, 12))) for _ in range(3))
        people = np.array([common + 0.5 * distances(draw.normal(size=(1, 12))) for _ in range(8)])
        models = pd.DataFrame({"like": common + 0.5 * error, "noise": noise})
        rows = table_of(space.agreement_with_subjects(people, models, 12, number)).set_index("key")
        verdicts.append(rows.loc[["like", "noise"], "verdict"])
    like, noise = np.array(verdicts).T
    assert (like == "holds").mean() >= at_least(0.95, n)
    assert all((noise == words).mean() <= at_most(0.025, n) for words in ("holds", "does not hold"))
