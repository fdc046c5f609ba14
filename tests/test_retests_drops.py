"""Re-tests of H2 over all attributes: t tests against scipy, and their error rates."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import at_least, at_most, cube, shared
from scipy import stats
from statsmodels.stats.multitest import fdrcorrection

from model_emotion.masking.drops import accuracy_drops, drop_table
from model_emotion.retests import drops, power
from model_emotion.retests.rows import table as table_of


def test_masks_hurt_is_the_t_test_of_its_cases():
    table, drop = cube()
    dropped = accuracy_drops(table)
    rows = [*drops.hurt_over_attributes(table, dropped, 10), *drops.hurt_over_emotions(dropped, 10)]
    for found, means in zip(rows, (drop.mean(axis=(0, 1)), drop.mean(axis=(1, 2))), strict=True):
        test = stats.ttest_1samp(means, 0)
        assert (found["estimate"], found["p"], found["n"]) == pytest.approx(
            (drop.mean(), test.pvalue, len(means))
        )
        assert (found["ci_low"], found["ci_high"]) == pytest.approx(tuple(test.confidence_interval()))


def test_random_masks_that_all_share_are_cases_too():
    table, own, random = shared(5)
    (found,) = drops.hurt_over_attributes(table, accuracy_drops(table), 10)
    welch = stats.ttest_ind(random.mean(axis=(0, 1)), own.mean(axis=(0, 1)), equal_var=False)
    assert (found["estimate"], found["p"], found["n"]) == pytest.approx(
        (random.mean() - own.mean(), welch.pvalue, 14)
    )
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(tuple(welch.confidence_interval()))


@pytest.mark.parametrize("draws", [1, 3])
def test_few_shared_random_masks_say_nothing_over_masks(draws):
    table, _, _ = shared(draws)
    dropped = accuracy_drops(table)
    assert drops.hurt_over_attributes(table, dropped, 10) == []
    assert [row["question"] for row in power.detectable_over_attributes(table, dropped, 10)] == [
        "detectable_correlation"
    ]


def with_permuted(draws, seed, effect=0.0):
    """Accuracies with masks by permuted ratings too; the attributes' masks cost `effect` more."""
    table, own, random = shared(draws + 6, seed=seed)
    permuted = (table["kind"] == "random") & (table["draw"] > 6)
    names = "a" + (table["draw"] % 14).astype("string").str.zfill(2)
    table = table.assign(
        kind=table["kind"].mask(permuted, "permuted"),
        attribute=table["attribute"].mask(permuted, names),
        draw=table["draw"] - 6 * permuted,
        accuracy=table["accuracy"] - effect * (table["kind"] == "attribute"),
    )
    return table, own - effect, random[..., 6:], random[..., :6]


def test_masks_by_permuted_ratings_are_compared_by_welch_s_test():
    table, own, permuted, random = with_permuted(5, 0)
    found = table_of(drops.hurt_beyond_permuted(table, 10)).to_dict("records")
    pairs = {"": (permuted, own, "inconclusive"), "permuted and random": (random, permuted, "")}
    assert [row["key"] for row in found] == list(pairs)
    for row in found:
        above, below, verdict = pairs[row["key"]]
        test = stats.ttest_ind(above.mean(axis=(0, 1)), below.mean(axis=(0, 1)), equal_var=False)
        assert (row["estimate"], row["p"]) == pytest.approx((above.mean() - below.mean(), test.pvalue))
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(test.confidence_interval()))
        assert row["verdict"] == verdict
    assert drops.hurt_beyond_permuted(shared(5)[0], 10) == []
    pd.testing.assert_frame_equal(
        accuracy_drops(table), accuracy_drops(table[table["kind"] != "permuted"]), check_like=True
    )


def test_masks_by_permuted_ratings_have_the_error_rate_and_the_power_of_the_test():
    def share(effect):
        tables = (with_permuted(20, seed, effect)[0] for seed in range(150))
        found = table_of([drops.hurt_beyond_permuted(table, 10)[0] for table in tables])
        return (found["verdict"] == "holds").mean(), (found["verdict"] == "does not hold").mean()

    assert max(share(0.0)) <= at_most(0.025, 150)
    power = stats.norm.sf(1.96 - 0.06 / (0.05 * np.sqrt(1 / 14 + 1 / 20)))  # .9 by the normal distribution
    assert at_least(power - 0.03, 150) <= share(0.06)[0] <= at_most(power, 150)


def test_masks_that_are_all_alike_leave_no_doubt():
    table, _, _ = shared(4, spread=0.0)
    (found,) = drops.hurt_over_attributes(table, accuracy_drops(table), 10)
    assert (found["estimate"], found["ci_low"], found["ci_high"]) == pytest.approx((0, 0, 0), abs=1e-12)


def test_few_attributes_that_differ_show_less_than_many_emotions_that_agree():
    table, _ = cube(emotions=20, effect=0.05, seed=1)
    dropped = accuracy_drops(table)
    rows = [*drops.hurt_over_attributes(table, dropped, 10), *drops.hurt_over_emotions(dropped, 10)]
    assert table_of(rows)["verdict"].tolist() == ["inconclusive", "holds"]


def test_without_seeds_leaves_them_out_or_has_nothing_to_say():
    table, _ = cube()
    name, kept = drops.without_seeds(table, (1, 42))
    assert name == "without seeds 1" and set(kept["seed"]) == {0, 2}
    assert drops.without_seeds(table, (42,)) is None and drops.without_seeds(table, (0, 1, 2)) is None


def test_corrected_stars_are_statsmodels(study_masks):
    found = {
        row["key"]: row
        for row in table_of(drops.corrected_stars(accuracy_drops(study_masks), 0.05)).to_dict("records")
    }
    for cases, row in found.items():
        tests = drop_table(accuracy_drops(study_masks), [cases], 0.05)
        assert row["estimate"] == fdrcorrection(tests["p"], 0.05)[0].sum() and row["n"] == len(tests)
    assert (found["emotion"]["reference"], found["attribute"]["reference"]) == (
        20,
        7,
    )  # stars at this size alone
