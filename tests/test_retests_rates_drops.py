"""H2: how often re-tests err without a drop, and find one that is there: simulations with a known answer.

The power is that of the noncentral t distribution, or of an integral over normal masks. Other rates are
tested beside what they belong to: those of pooled masks, masks by permuted ratings, shares of accuracy,
specification curves, and what can be detected. A re-test that decides nothing, such as leave_one_out, has no
error rate.
"""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import (
    at_least,
    at_most,
    between,
    masked_of,
    run_with_huge_neurons,
    shared,
    simulated,
)
from scipy import integrate, stats

from model_emotion.masking.drops import accuracy_drops
from model_emotion.retests import bayes, crossed, drops, huge_neurons, masks, tails
from model_emotion.retests.rows import table as table_of


def t_power(effect, n):
    """The power of a two-sided t test of n cases to find an effect, in standard deviations, above 0."""
    return stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, effect * np.sqrt(n))


@pytest.mark.parametrize(("cases", "question"), [(14, "over_attributes"), (20, "over_emotions")])
def test_the_t_tests_of_drops_have_the_error_rate_and_the_power_of_t(cases, question):
    """Attributes differ and emotions do not, or the other way round; each cell has noise of its own."""
    draw, n, held = np.random.default_rng(1), 80, {}
    shape = (2, 2, 14) if cases == 14 else (20, 1, 3)
    differ = (1, 1, 14) if cases == 14 else (20, 1, 1)
    for effect in (0.0, 0.045):
        rows = []
        for _ in range(n):
            own = 0.7 - effect - draw.normal(0, 0.05, differ) - draw.normal(0, 0.02, shape)
            masked = masked_of(own)
            if cases == 14:
                rows += drops.hurt_over_attributes(masked, accuracy_drops(masked), 10)
            else:
                rows += drops.hurt_over_emotions(accuracy_drops(masked), 10)
        verdicts = table_of(rows)["verdict"]
        held[effect] = [(verdicts == words).mean() for words in ("holds", "does not hold")]
    assert max(held[0.0]) <= at_most(0.025, n)
    spread = np.sqrt(0.05**2 + 0.02**2 * cases / np.prod(shape))
    assert between(held[0.045][0], t_power(0.045 / spread, cases), n), (question, held)


@pytest.mark.parametrize("draws", [5, 20])
def test_over_masks_that_share_random_ones_a_drop_of_none_is_missed_in_one_of_twenty(draws):
    """With two shared random masks Welch's test errs in 11 %, with three in 7 % (40,000 runs)."""
    draw, n, size = np.random.default_rng(2), 1000, {}
    for effect in (0.0, 0.06):
        random, own = draw.normal(0.7, 0.05, (n, draws)), draw.normal(0.7 - effect, 0.05, (n, 14))
        found = [drops.welch(*pair) for pair in zip(random, own, strict=True)]
        size[effect] = np.mean([[test.ci_low > 0, test.ci_high < 0] for test in found], axis=0)
    assert max(size[0.0]) <= at_most(0.025, n)
    # Welch's degrees of freedom lie between those of the smaller sample and those of both
    shift = 0.06 / (0.05 * np.sqrt(1 / 14 + 1 / draws))
    least, most = (stats.nct.sf(stats.t.ppf(0.975, df), df, shift) for df in (draws - 1, 12 + draws))
    assert at_least(least, n) <= size[0.06][0] <= at_most(most, n)


def test_a_mask_among_forty_errs_in_one_of_forty_one_and_is_found_if_it_lies_far_below():
    """Of 40 random masks none may leave as little: the power is an integral over the attribute's mask."""
    draw, n = np.random.default_rng(3), 2000
    power = integrate.quad(lambda x: stats.norm.pdf(x, -4) * stats.norm.sf(x) ** 40, -12, 6)[0]
    for below, probability in ((0, 1 / 41), (4, power)):
        pairs = zip(draw.normal(size=(n, 40)), draw.normal(-below, 1, n), strict=True)
        held = np.mean([masks.RandomMasks(random, "", 10).p(own) < 0.05 for random, own in pairs])
        assert between(held, probability, n)


def test_a_mask_below_the_t_prediction_interval_of_twenty_is_found_as_often_as_noncentral_t_says():
    draw, n = np.random.default_rng(4), 3000
    random, own = draw.normal(size=(n, 20)), draw.normal(-3, 1, n)
    pairs = zip(random, own, strict=True)
    held = np.mean([accuracy < masks.RandomMasks(of, "", 10).limits[0] for of, accuracy in pairs])
    power = stats.nct.sf(stats.t.ppf(0.975, 19), 19, 3 / np.sqrt(1 + 1 / 20))
    assert between(held, power, n)


def test_a_mask_far_below_its_size_is_mostly_found_among_pooled_masks():
    """4 standard deviations below normal masks: the power would be .98 if centres and scales were known."""
    draw, n, held = np.random.default_rng(5), 100, 0
    for _ in range(n):
        sizes = {k: pd.Series(0.8 + k * draw.normal(-0.02, 0.003, 14)) for k in range(1, 10)}
        own = 0.8 + 4 * draw.normal(-0.02 - 4 * 0.003, 0.003)
        held += own < tails.pool(pd.concat(sizes)).limits(4)[0]
    assert held / n >= at_least(0.95, n)


def test_crossed_factors_hold_in_one_of_forty_without_a_drop_and_mostly_with_one():
    """The standard error of the mean is .8 here, and the t quantile 2.3: power .95 at a mean of 3.5."""
    draw, n, held = np.random.default_rng(11), 300, {}
    for mean in (0.0, 3.5):
        intervals = [crossed.mean_and_interval(simulated(draw, mean=mean))[1] for _ in range(n)]
        held[mean] = np.mean([low > 0 for low, _ in intervals])
    assert held[0.0] <= at_most(0.025, n) and held[3.5] >= at_least(0.95, n)


@pytest.mark.parametrize("draws", [5, 20])
def test_crossed_factors_hold_as_often_with_random_masks_that_all_attributes_share(draws):
    """14 masks as good as the random ones; with the latter taken as exact, too few intervals have 0."""
    draw, n, outside, exact = np.random.default_rng(13), 300, 0, 0
    for seed in range(n):
        _, *both = shared(draws, seed=seed)
        own, random = (of + draw.normal(0, 0.01, of.shape) for of in both)
        of_masks = random.mean(axis=2, keepdims=True) - own
        low, high = crossed.mean_and_interval(of_masks, random)[1]
        outside += not low < 0 < high
        low, high = crossed.mean_and_interval(of_masks)[1]
        exact += not low < 0 < high
    assert outside / n <= at_most(0.05, n) < exact / n
    for few, said in ((1, False), (3, False), (4, True)):
        some = masked_of(own, random[..., :few])
        questions = {row["question"] for row in crossed.crossed(some, accuracy_drops(some), 10)}
        assert ("masks_hurt_crossed" in questions) == said and "share_of_variance" in questions


def test_steps_that_lose_accuracy_to_a_huge_neuron_are_mostly_found():
    """A loss of .5 points, where single steps vary by a standard deviation of .28 points.

    Three steps of 27 take the neuron, so that the standard error is .17 points and the power about .82.
    """
    n, found = 100, 0
    for seed in range(n):
        values, made, masked = run_with_huge_neurons(np.random.default_rng(seed), 0.005)
        steps = huge_neurons.loss_steps(masked, made, np.arange(400).reshape(2, 200) == 7)
        excess, p, _ = huge_neurons.excess_loss(steps, 999, seed)
        found += p < 0.05 and excess > 0
    assert found / n >= at_least(0.8, n)


@pytest.mark.parametrize("side", [-1, 1])
def test_equivalence_of_drops_errs_in_one_of_twenty_at_either_bound(side):
    """The 90 % interval lies inside the bounds; masks alone (14), or with 20 random masks that all share."""
    draw, n = np.random.default_rng(6), 1000
    mean = side * bayes.BOUND
    own, random = draw.normal(-mean, 0.01, (n, 1, 1, 14)), draw.normal(0, 0.01, (n, 1, 1, 20))
    alone = [drops.over_masks(-of, None) for of in own]
    both = [drops.over_masks(*pair) for pair in zip(own, random, strict=True)]
    for tests in (alone, both):
        p = np.array([bayes.equivalence_of_mean(test.drop, test.se, test.df, bayes.BOUND) for test in tests])
        assert between((p < 0.05).mean(), 0.05, n)
