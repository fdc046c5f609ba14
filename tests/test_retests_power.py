"""The smallest effects that re-tests can find: against statsmodels and by simulation."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import cube, masked_accuracies, one, shared
from scipy import stats
from statsmodels.stats.power import TTestPower

from model_emotion.base import study
from model_emotion.base.results import MASKED_ACCURACY
from model_emotion.masking.drops import accuracy_drops
from model_emotion.retests import masks, power
from model_emotion.retests.rows import table as table_of


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
    row = one(power.detectable_drop(accuracy_drops(masked), 10))
    spread = (0.8 - masked.query("attribute == 'b'")["accuracy"]).std(ddof=1)  # the median of the three
    assert (row["n"], row["verdict"]) == (27, "")
    tests = stats.ttest_1samp(
        rng.normal(row["estimate"], spread, (4000, 27)), 0, axis=1, alternative="greater"
    )
    assert (tests.pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.025)


@pytest.mark.parametrize("draws", [3, 14, 20, 39, 100])
def test_a_mask_holds_its_place_just_beyond_the_distance_that_is_said(draws):
    random = {
        (None, n): value for n, value in enumerate(np.random.default_rng(draws).normal(0.7, 0.02, draws))
    }
    needed = one(power.detectable_place(masked_accuracies({"a": 0.5}, random), 10))["estimate"]
    limit = np.mean(list(random.values())) - needed
    for accuracy_left, verdict in ((limit - 1e-9, "holds"), (limit + 1e-9, "inconclusive")):
        assert (
            one(masks.place_among_random(masked_accuracies({"a": accuracy_left}, random), 10))["verdict"]
            == verdict
        )


def test_what_fourteen_attributes_can_show_is_found_four_times_in_five():
    masked = cube(attributes=14)[0]
    drop, r = table_of(power.detectable_over_attributes(masked, accuracy_drops(masked), 10)).to_dict(
        "records"
    )
    assert (drop["n"], r["n"], drop["verdict"], r["verdict"]) == (14, 14, "", "")
    spread = cube(attributes=14)[1].mean(axis=(0, 1)).std(ddof=1)
    expected = TTestPower().solve_power(nobs=14, alpha=0.05, power=0.8, alternative="two-sided")
    assert drop["estimate"] == pytest.approx(spread * expected, rel=1e-4)
    rng, rho = np.random.default_rng(2), r["estimate"]
    x = rng.normal(size=(4000, 14))
    y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=x.shape)
    found = np.mean([stats.pearsonr(*pair).pvalue < 0.05 for pair in zip(x, y, strict=True)])
    assert found == pytest.approx(0.8, abs=0.03)


def test_what_fourteen_attributes_can_show_beside_shared_random_masks_is_found_four_times_in_five():
    """By Welch's test of new masks, which vary as those do from which the drop follows."""
    masked, own, random = shared(20)
    drop = power.detectable_over_attributes(masked, accuracy_drops(masked), 10)[0]["estimate"]
    below, above = (of.mean(axis=(0, 1)).std(ddof=1) for of in (own, random))
    draw, n = np.random.default_rng(3), 4000
    pair = draw.normal(drop, above, (n, 20)), draw.normal(0, below, (n, 14))
    found = stats.ttest_ind(*pair, axis=1, equal_var=False).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.025)  # Welch's degrees of freedom vary with the sample
