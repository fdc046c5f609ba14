"""Re-tests of H2 over all attributes: t tests against scipy, the bootstrap and shares by hand."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import accuracies, cube, shared
from scipy import stats
from statsmodels.stats.multitest import fdrcorrection

from model_emotion.masking.drops import accuracy_drops, drop_table
from model_emotion.retests import drops, power
from model_emotion.retests.rows import table as table_of


def masks_hurt(masked, k, samples, seed):
    """Return the rows of the three questions that take ever fewer measurements as independent."""
    dropped = accuracy_drops(masked)
    return [
        *drops.hurt_over_attributes(masked, dropped, k),
        *drops.hurt_over_emotions(dropped, k),
        *drops.hurt_over_all(masked, dropped, k, samples, seed),
    ]


def test_masks_hurt_is_the_t_test_of_its_cases_and_a_bootstrap_by_hand():
    table, drop = cube()
    attributes, emotions, everything = table_of(masks_hurt(table, 10, 400, 7)).to_dict("records")
    for found, means in ((attributes, drop.mean(axis=(0, 1))), (emotions, drop.mean(axis=(1, 2)))):
        p = stats.ttest_1samp(means, 0).pvalue
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


def test_random_masks_that_all_share_are_cases_too():
    table, own, random = shared(5)
    attributes, _, everything = table_of(masks_hurt(table, 10, 300, 7)).to_dict("records")
    welch = stats.ttest_ind(random.mean(axis=(0, 1)), own.mean(axis=(0, 1)), equal_var=False)
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
    held = [masks_hurt(shared(draws, seed=seed)[0], 10, 10, 1)[0]["ci_low"] > 0 for seed in range(200)]
    assert np.mean(held) < 0.10  # nominal .025; far more if the random masks' mean were taken as known


def test_a_single_shared_random_mask_says_nothing_over_masks():
    table, own, random = shared(1)
    assert [row["question"] for row in masks_hurt(table, 10, 10, 1)] == [
        "masks_hurt_over_emotions",
        "masks_hurt_over_all",
    ]
    drop, _ = table_of(power.detectable_over_attributes(table, accuracy_drops(table), 10)).to_dict("records")
    assert np.isnan(drop["estimate"])


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

    assert max(share(0.0)) < 0.07  # nominal .025 on each side; .07 is 3.5 standard errors above
    power = stats.norm.sf(1.96 - 0.06 / (0.05 * np.sqrt(1 / 14 + 1 / 20)))
    assert share(0.06)[0] == pytest.approx(power, abs=0.12) and power > 0.9


def test_masks_that_are_all_alike_leave_no_doubt():
    table, _, _ = shared(3, spread=0.0)
    found = masks_hurt(table, 10, 10, 1)[0]
    assert (found["estimate"], found["ci_low"], found["ci_high"]) == pytest.approx((0, 0, 0), abs=1e-12)


def test_few_attributes_that_differ_show_less_than_many_emotions_that_agree():
    table, _ = cube(emotions=20, effect=0.05, seed=1)
    verdicts = table_of(masks_hurt(table, 10, 400, 7)).set_index("question")["verdict"]
    assert verdicts.to_dict() == {
        "masks_hurt_over_attributes": "inconclusive",
        "masks_hurt_over_emotions": "holds",
        "masks_hurt_over_all": "inconclusive",
    }


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


def test_the_share_of_distance_is_the_drop_over_what_there_is_to_lose():
    table, drop = cube(emotions=5, attributes=3)
    dropped, names = accuracy_drops(table), table["emotion"].unique()
    unmasked = accuracies({name: [0.9, 0.8] for name in names}, majority=0.5)

    def share(majority):
        of = unmasked.assign(majority=majority)
        return table_of(drops.share_of_distance(table, dropped, of, 10, 300, 1))

    rows = share(0.5).set_index("key")
    assert rows["estimate"].tolist() == pytest.approx([drop.mean() / 0.35, *(drop.mean(axis=(0, 1)) / 0.35)])
    assert (rows["ci_low"] < rows["estimate"]).all() and (rows["estimate"] < rows["ci_high"]).all()
    assert (rows["verdict"] == "").all()
    assert share(np.nan).empty and share(0.9).empty  # there is nothing to lose
    rows = share([0.8] * 8 + [0.95] * 2)  # one of five emotions is less accurate than the majority class
    assert rows["estimate"].notna().all() and rows[["ci_low", "ci_high"]].isna().all(axis=None)


def test_the_share_of_distance_varies_with_the_random_masks_that_all_attributes_share():
    """By the variance of a bootstrapped mean, s2 (n - 1) / n2 of n masks with the variance s2 of a sample."""
    masked, own, random = shared(6)
    unmasked = accuracies({name: [0.9] for name in masked["emotion"].unique()}, majority=0.5)
    found = drops.share_of_distance(masked, accuracy_drops(masked), unmasked, 10, 4000, 1)[0]
    means = own.mean(axis=(0, 1)), random.mean(axis=(0, 1))
    variance = sum(of.var(ddof=1) * (len(of) - 1) / len(of) ** 2 for of in means)
    assert found["ci_high"] - found["ci_low"] == pytest.approx(3.92 * np.sqrt(variance) / 0.4, rel=0.07)
    assert found["estimate"] == pytest.approx((means[1].mean() - means[0].mean()) / 0.4)
    assert "and masks" in found["method"]
