"""The share of accuracy that masks remove: by hand, against the delta method, and by simulation."""

import numpy as np
import pytest
from made_up_runs import accuracies, at_most, cube, masked_of, shared
from scipy import stats

from model_emotion.masking.drops import accuracy_drops
from model_emotion.retests.crossed import share_of_distance
from model_emotion.retests.rows import table as table_of


def test_the_share_of_distance_is_the_drop_over_what_there_is_to_lose():
    table, drop = cube(emotions=5, attributes=3)
    dropped, names = accuracy_drops(table), table["emotion"].unique()
    unmasked = accuracies({name: [0.9, 0.8] for name in names}, majority=0.5)

    def share(majority):
        found = share_of_distance(table, dropped, unmasked.assign(majority=majority), 10)
        return table_of(list(found)).set_index("key")

    rows = share(0.5)
    assert rows["estimate"].tolist() == pytest.approx([drop.mean() / 0.35, *(drop.mean(axis=(0, 1)) / 0.35)])
    assert (rows["ci_low"] < rows["estimate"]).all() and (rows["estimate"] < rows["ci_high"]).all()
    assert (rows["verdict"] == "").all()
    assert share(np.nan).empty and share(0.9).empty  # there is nothing to lose
    rows = share([0.8] * 8 + [0.95] * 2)  # one of five emotions is less accurate than the majority class
    assert rows["estimate"].tolist()[1:] == pytest.approx((drop.mean(axis=(0, 1)) / 0.02).tolist())


def test_the_interval_of_one_attribute_is_that_of_a_ratio_by_the_delta_method():
    table, drop = cube(emotions=9, attributes=2, seed=2)
    above = np.linspace(0.1, 0.4, 9)
    unmasked = accuracies({f"e{place}": [0.5 + value] for place, value in enumerate(above)}, majority=0.5)
    found = list(share_of_distance(table, accuracy_drops(table), unmasked, 10))[1]
    of_emotions = drop[..., 0].mean(axis=1)
    ratio = of_emotions.mean() / above.mean()
    (a, ab), (_, b) = np.cov(of_emotions, above)
    se = np.sqrt((a - 2 * ratio * ab + ratio**2 * b) / 9) / above.mean()  # Cochran 1977, equation 6.4
    half = stats.t.ppf(0.975, 8) * se
    assert (found["estimate"], found["ci_low"], found["ci_high"]) == pytest.approx(
        (ratio, ratio - half, ratio + half)
    )


def test_the_share_of_distance_varies_with_the_random_masks_that_all_attributes_share():
    """Masks alone differ here, so that it is Welch's interval of two means, over what there is to lose."""
    own, random = (of + np.random.default_rng(0).normal(0, 1e-5, of.shape) for of in shared(6)[1:])
    masked = masked_of(own, random)
    unmasked = accuracies({name: [0.9] for name in masked["emotion"].unique()}, majority=0.5)
    found = next(share_of_distance(masked, accuracy_drops(masked), unmasked, 10))
    means = random.mean(axis=(0, 1)), own.mean(axis=(0, 1))
    welch = stats.ttest_ind(*means, equal_var=False).confidence_interval()
    ends = found["ci_low"] * 0.4, found["ci_high"] * 0.4
    assert ends == pytest.approx(tuple(welch), rel=1e-3)
    assert found["estimate"] == pytest.approx((means[0].mean() - means[1].mean()) / 0.4)
    assert "and masks" in found["method"]


@pytest.mark.parametrize(("sd", "given"), [(0.083, True), (0.085, False)])
def test_a_share_of_an_uncertain_distance_has_no_interval(sd, given):
    """Fieller's g of the mean distance is .196 and .206; with 9 emotions t is 2.306."""
    above = 0.144 + sd * stats.zscore(np.arange(9), ddof=1)
    assert ((2.306 * sd / 3 / 0.144) ** 2 < 0.2) is given
    table, _ = cube(emotions=9, attributes=2, seed=2)
    unmasked = accuracies({f"e{place}": [0.5 + value] for place, value in enumerate(above)}, majority=0.5)
    for found in share_of_distance(table, accuracy_drops(table), unmasked, 10):
        assert np.isfinite(found["estimate"])
        assert np.isfinite([found["ci_low"], found["ci_high"]]).all() == given


@pytest.mark.parametrize("draws", [None, 5])
def test_intervals_of_a_share_miss_it_in_one_of_twenty(draws):
    """6 emotions; masks remove a fifth of what there is to lose, more or less by mask and by emotion.

    Percentiles of emotions drawn with replacement miss one mask's share in 14 %.
    """
    draw, n, missed = np.random.default_rng(1), 200, []
    for _ in range(n):
        above, masks = draw.uniform(0.2, 0.4, 6), draw.normal(0, 0.05, 14 + (draws or 0))
        values = 0.7 + masks + draw.normal(0, 0.02, (6, 1, len(masks)))
        own = values[..., :14] - 0.2 * above[:, None, None]
        masked = masked_of(own, values[..., 14:] if draws else None)
        unmasked = accuracies({f"e{place}": [0.5 + value] for place, value in enumerate(above)}, majority=0.5)
        rows = list(share_of_distance(masked, accuracy_drops(masked), unmasked, 10))[:2]
        random = masks[14:].mean() if draws else 0.0
        true = 0.2, 0.2 - (masks[0] - random) / 0.3  # of all masks, and of the first one
        missed.append([not row["ci_low"] < of < row["ci_high"] for row, of in zip(rows, true, strict=True)])
    assert (np.mean(missed, axis=0) <= at_most(0.05, n)).all(), np.mean(missed, axis=0)
