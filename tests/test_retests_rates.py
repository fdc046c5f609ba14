"""How often re-tests err without an effect, and find one that is there: simulations with a known answer.

Other rates are tested beside what they belong to: those of place_among_random and the specification curves,
of Bayes factors and equivalence of drops, of H4 given controls and in layers, of own_neurons, and of what
can be detected. A re-test that decides nothing, such as leave_one_out, has no error rate.
"""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import at_most, run_with_huge_neurons, shared, simulated
from scipy import integrate, stats

from model_emotion.masking.drops import accuracy_drops
from model_emotion.retests import bayes, crossed, huge_neurons, layers, neurons, space
from model_emotion.retests.rows import table as table_of
from model_emotion.rsa import rdm


def test_crossed_factors_hold_in_one_of_forty_without_a_drop_and_mostly_with_one():
    """The standard error of the mean is .8 here, and the t quantile 2.3: power .95 at a mean of 3.5."""
    draw, n, held = np.random.default_rng(11), 300, {}
    for mean in (0.0, 3.5):
        intervals = [crossed.mean_and_interval(simulated(draw, mean=mean))[1] for _ in range(n)]
        held[mean] = np.mean([low > 0 for low, _ in intervals])
    assert held[0.0] <= at_most(0.025, n) and held[3.5] > 0.85


@pytest.mark.parametrize("draws", [5, 20])
def test_crossed_factors_hold_as_often_with_random_masks_that_all_attributes_share(draws):
    """14 masks as good as the random ones; with the latter taken as exact, too few intervals have 0."""
    draw, n, outside, exact = np.random.default_rng(13), 300, 0, 0
    for seed in range(n):
        masked, *both = shared(draws, seed=seed)
        own, random = (of + draw.normal(0, 0.01, of.shape) for of in both)
        of_masks = random.mean(axis=2, keepdims=True) - own
        low, high = crossed.mean_and_interval(of_masks, random)[1]
        outside += not low < 0 < high
        low, high = crossed.mean_and_interval(of_masks)[1]
        exact += not low < 0 < high
    assert outside / n <= at_most(0.05, n) < exact / n
    alone = masked[masked["draw"].isna() | (masked["draw"] == 1)]  # how much random masks differ is unknown
    questions = {row["question"] for row in crossed.crossed(alone, accuracy_drops(alone), 10)}
    assert questions == {"share_of_variance"}


def test_a_weight_that_matters_beside_the_layer_is_mostly_found():
    """Freedman and Lane's test; the partial correlation of the population is .8."""
    draw, n, found = np.random.default_rng(12), 150, 0
    for seed in range(n):
        layer = draw.normal(size=14)
        weight = layer + draw.normal(size=14)
        effect = 2 * layer + 0.8 * (weight - layer) + draw.normal(0, 0.6, 14)
        r, p = layers.freedman_lane(effect, weight, layer, 99, seed)
        found += p < 0.05 and r > 0
    assert found / n > 0.8


def test_steps_that_lose_accuracy_to_a_huge_neuron_are_mostly_found():
    """A loss of .5 points, where single steps vary by a standard deviation of .28 points."""
    n, found = 40, 0
    for seed in range(n):
        values, masks, masked = run_with_huge_neurons(np.random.default_rng(seed), 0.005)
        steps = huge_neurons.loss_steps(masked, masks, np.arange(400).reshape(2, 200) == 7)
        excess, p, _ = huge_neurons.excess_loss(steps, 99, seed)
        found += p < 0.05 and excess > 0
    assert found / n > 0.6


def correlations(rho, n, samples, draw):
    """Return r of samples of n cases from a population with the correlation rho."""
    x, noise = draw.normal(size=(2, samples, n))
    y = rho * x + np.sqrt(1 - rho**2) * noise
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    return (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))


def test_the_bayes_factor_of_r_rarely_misleads_and_finds_a_close_correlation():
    draw = np.random.default_rng(13)
    none, close = (
        np.array([bayes.bayes_factor_of_r(r, 14) for r in correlations(rho, 14, 1000, draw)])
        for rho in (0.0, 0.8)
    )
    assert np.mean(none > 3) < 0.05 and np.mean(close > 3) > 0.85
    # without a correlation, the mean of the Bayes factor over the density of r is 1
    density = stats.beta(6, 6, loc=-1, scale=2)  # of r of 14 normal cases
    mean = integrate.quad(lambda r: bayes.bayes_factor_of_r(r, 14) * density.pdf(r), -1, 1)[0]
    assert mean == pytest.approx(1, abs=1e-4)


def test_equivalence_of_r_errs_in_one_of_twenty_at_its_bound_and_needs_more_than_14_cases():
    draw, n = np.random.default_rng(14), 1000

    def share(rho, cases):
        found = correlations(rho, cases, n, draw)
        return np.mean([bayes.equivalence_of_r(r, cases, bayes.BOUND_R) < 0.05 for r in found])

    assert share(bayes.BOUND_R, 200) <= at_most(0.05, n) and share(0.0, 200) > 0.95
    assert bayes.equivalence_of_r(0.0, 14, bayes.BOUND_R) == pytest.approx(0.152, abs=1e-3)


def test_of_noise_any_neuron_is_significant_in_one_of_forty_also_over_all_attributes():
    draw, n, any_of = np.random.default_rng(15), 30, {}
    for seed in range(n):
        rdms = pd.DataFrame(rdm.absolute_rdm(draw.random((3, 9))).T, columns=list("abc"))
        rows = neurons.significant_neurons(draw.normal(size=(2, 9, 30)), rdms, 99, seed)
        for question, of in table_of(rows).groupby("question"):
            any_of.setdefault(question, []).append((of["estimate"] > 0).to_numpy())
    one, every = (np.array(any_of[f"significant_neurons{name}"]) for name in ("", "_of_all"))
    assert one.mean() <= at_most(0.025, 3 * n) and every.any(axis=1).mean() <= at_most(0.025, n)


def test_agreement_of_a_model_of_noise_holds_rarely_and_of_a_like_one_mostly(monkeypatch):
    """Emotions and subjects are drawn anew. People share one RDM, and the like model has it with noise.

    Of 300 models of noise, 2 held: the percentile interval is wider than it must be.
    """
    monkeypatch.setattr(space, "RESAMPLED", 200)
    draw, n, held = np.random.default_rng(16), 40, []
    for seed in range(n):
        common, noise, error = rdm.absolute_rdm(draw.normal(size=(3, 12)))
        people = common + 0.5 * np.array(rdm.absolute_rdm(draw.normal(size=(8, 12))))
        models = pd.DataFrame({"like": common + 0.5 * error, "noise": noise})
        rows = table_of(space.agreement_with_subjects(people, models, 12, seed)).set_index("key")
        held.append((rows.loc[["like", "noise"], "verdict"] == "holds").to_numpy())
    like, noise = np.mean(held, axis=0)
    assert like > 0.9 and noise <= at_most(0.01, n)
