"""Re-tests of single masks: their places among random masks, by counting and on the study's masks."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import between, masked_accuracies, one
from scipy import stats

from model_emotion.base.errors import UserError
from model_emotion.masking.drops import accuracy_drops
from model_emotion.retests import masks, power, tails
from model_emotion.retests.rows import table as table_of
from model_emotion.retests.weights import human_correlation_of_attributes


def test_place_among_shared_random_masks_by_counting():
    random = {(None, draw): value for draw, value in enumerate(np.linspace(0.60, 0.79, 40), 1)}
    masked = masked_accuracies({"valence": 0.5, "arousal": 0.625, "control": 0.9}, random)
    table = table_of(masks.place_among_random(masked, 10)).set_index("key")
    assert table["n"].tolist() == [40, 40, 40] and (table["decided_by"] == "p").all()
    assert table["p"].tolist() == pytest.approx([2 / 41, 2 * 7 / 41, 1])  # none, six, all are as low
    assert table["verdict"].tolist() == ["holds", "inconclusive", "inconclusive"]
    assert table["reference"].tolist() == pytest.approx([0.5, 0.625, 0.9])
    ends = table.loc["valence", ["estimate", "ci_low", "ci_high"]].tolist()
    assert ends == pytest.approx([0.695 - 0.5, 0.6 - 0.5, 0.79 - 0.5])


def test_with_few_random_masks_the_t_prediction_interval_decides():
    random = {(None, draw): value for draw, value in enumerate(np.linspace(0.60, 0.79, 20), 1)}
    row = one(masks.place_among_random(masked_accuracies({"valence": 0.5}, random), 10))
    values = np.array(list(random.values()))
    half = stats.t.ppf(0.975, 19) * values.std(ddof=1) * np.sqrt(21 / 20)
    estimate = values.mean() - 0.5
    assert (row["decided_by"], row["verdict"]) == ("interval", "holds")
    assert (row["estimate"], row["ci_low"], row["ci_high"]) == pytest.approx(
        (estimate, estimate - half, estimate + half)
    )
    assert row["p"] == pytest.approx(2 * stats.t.sf(estimate / (values.std(ddof=1) * np.sqrt(21 / 20)), 19))


def test_a_random_mask_that_leaves_as_much_counts_as_low():
    random = {(None, draw): 0.25 if draw < 3 else 0.75 for draw in range(1, 51)}
    masked = masked_accuracies({"valence": 0.25}, random)
    assert one(masks.place_among_random(masked, 10))["p"] == pytest.approx(2 * 3 / 51)


def test_random_masks_are_its_own_else_the_shared_else_those_of_all():
    own = {("valence", draw): 0.7 for draw in (1, 2, 3)}
    shared = {(None, draw): 0.8 for draw in (1, 2)}
    table = table_of(
        masks.place_among_random(masked_accuracies({"valence": 0.5, "arousal": 0.5}, own | shared), 10)
    )
    assert table[["n", "estimate"]].to_numpy().tolist() == [[3, pytest.approx(0.2)], [2, pytest.approx(0.3)]]
    one_each = {("valence", 1): 0.7, ("arousal", 1): 0.9}  # as the study's
    table = table_of(
        masks.place_among_random(masked_accuracies({"valence": 0.5, "arousal": 0.5}, one_each), 10)
    )
    assert table[["n", "estimate"]].to_numpy().tolist() == [[2, pytest.approx(0.3)], [2, pytest.approx(0.3)]]


def test_a_single_random_mask_shows_nothing():
    row = one(masks.place_among_random(masked_accuracies({"valence": 0.1}, {(None, 1): 0.9}), 10))
    assert np.isnan(row["ci_low"]) and row["verdict"] == "inconclusive"


def test_a_mask_that_was_not_measured_everywhere_is_an_error():
    masked = masked_accuracies({"valence": 0.5}, {(None, 1): 0.7, (None, 2): 0.8}).iloc[:-1]
    with pytest.raises(UserError, match="size 10"):
        masks.place_among_random(masked, 10)


def test_other_sizes_do_not_matter():
    masked = masked_accuracies({"valence": 0.5}, {(None, 1): 0.7, (None, 2): 0.8})
    both = pd.concat([masked, masked.assign(k=20, accuracy=0.1)])
    weights = pd.Series({"valence": 0.6})
    dropped, dropped_of_both = accuracy_drops(masked), accuracy_drops(both)
    for question, of_both, alone in (
        (masks.place_among_random, both, masked),
        (power.detectable_drop, dropped_of_both, dropped),
    ):
        pd.testing.assert_frame_equal(table_of(question(of_both, 10)), table_of(question(alone, 10)))
    # one attribute has no correlation
    assert human_correlation_of_attributes(dropped_of_both, 10, weights) == []


def of_sizes(rng, sizes=(1, 2, 3, 4, 5, 6, 7, 8, 9), each=14, extra=0):
    """Return skewed accuracies {k: [masks]} of random masks that fall and spread with size."""
    return {k: 0.8 - 0.02 * k * (1 + rng.exponential(size=each + extra) ** 1.5 / 4) for k in sizes}


def masks_of(accuracy, attributes=0):
    """Return masked_accuracy.csv of {k: accuracies}; the first of each size are attributes' masks."""
    return pd.concat(
        masked_accuracies(
            {f"a{place}": value for place, value in enumerate(values[:attributes])},
            {(f"a{place}", 1): value for place, value in enumerate(values[attributes:])},
            ("joy",),
            k=k,
        )
        for k, values in accuracy.items()
    )


@pytest.mark.parametrize(("skewed", "by_interval"), [(True, 0.05), (False, 0.0)])
def test_masks_that_are_no_worse_hold_their_place_in_one_of_forty_whatever_the_tails(skewed, by_interval):
    """On skewed accuracies, the t interval has more than twice that rate."""
    rng, held, below = np.random.default_rng(5), [], []
    for _ in range(80):
        if skewed:
            accuracy = of_sizes(rng, each=34)
        else:
            accuracy = {k: 0.8 - 0.02 * k + 0.003 * k * rng.normal(size=34) for k in range(1, 10)}
        random = pd.concat({k: pd.Series(values[:14]) for k, values in accuracy.items()})
        pooled = tails.pool(random)
        for k, values in accuracy.items():
            t_interval = masks.RandomMasks(values[:14], "", k).limits[0]
            held += list(values[14:] < pooled.limits(k)[0])
            below += list(values[14:] < t_interval)
    assert 0.015 < np.mean(held) < 0.04 and np.mean(below) > by_interval


def test_a_mask_that_is_far_worse_than_its_size_allows_holds_its_place():
    accuracy = of_sizes(np.random.default_rng(6), extra=1)
    accuracy[4][0] = 0.05
    assert one(masks.place_among_random(masks_of(accuracy, 1), 4))["verdict"] == "holds"


def test_standardised_masks_by_a_plain_loop():
    accuracy = of_sizes(np.random.default_rng(7), each=15)
    masked = masks_of(accuracy, 1)
    row = one(masks.place_among_random(masked, 5))
    random = {k: values[1:] for k, values in accuracy.items()}
    centre = {k: np.median(values) for k, values in random.items()}
    scale = {k: np.median(np.abs(values - centre[k])) for k, values in random.items()}
    centre = dict(zip(centre, isotonic(list(centre.values())[::-1])[::-1], strict=True))
    scale = dict(zip(scale, isotonic(list(scale.values())), strict=True))
    pooled = [(centre[k] - value) / scale[k] for k, values in random.items() for value in values]
    own = (centre[5] - accuracy[5][0]) / scale[5]
    assert row["p"] == pytest.approx(min(1, 2 * (1 + sum(value >= own for value in pooled)) / 127))
    low = centre[5] - scale[5] * sorted(pooled)[-3]  # two of 126 may lie as far out
    assert row["ci_low"] == pytest.approx(low - accuracy[5][0])


def isotonic(values):
    """Pool adjacent violators until the values rise."""
    blocks = [[value] for value in values]
    while falls := [i for i in range(len(blocks) - 1) if np.mean(blocks[i]) > np.mean(blocks[i + 1])]:
        blocks[falls[0]] += blocks.pop(falls[0] + 1)
    return [np.mean(block) for block in blocks for _ in block]


def test_normal_random_masks_hold_a_place_as_often_as_is_said():
    rng = np.random.default_rng(8)
    masked = pd.concat(
        masked_accuracies({}, dict(zip([(None, n) for n in range(14)], values, strict=True)), ("joy",), k=k)
        for k, values in enumerate(rng.normal(0.7, 0.03, (150, 14)))
    )
    found = table_of(masks.place_error_rate(masked)).set_index("key")
    assert between(found.loc["prediction interval", "estimate"], 0.025, 2100)
    assert found.loc["former rule", "estimate"] <= found.loc["prediction interval", "estimate"]
    assert (found["n"] == 2100).all() and (found["verdict"] == "").all()
    assert masks.place_error_rate(masked[masked["draw"] < 2]) == []


def test_the_studys_masks_are_set_among_its_random_ones(released_masks, study_masks):
    random = study_masks[study_masks["kind"] == "random"].groupby("attribute")["accuracy"].mean()
    assert (random.min(), random.max()) == pytest.approx(
        (0.591, 0.776), abs=5e-4
    )  # as the catalogue has them
    happy = study_masks.query("kind == 'attribute' and attribute == 'happy-face'")["accuracy"].mean()
    alone = table_of(masks.place_among_random(study_masks, 4000)).set_index("key")
    assert (alone["n"] == 14).all() and (alone["decided_by"] == "interval").all()
    table = table_of(masks.place_among_random(released_masks, 4000)).set_index("key")
    assert (table["n"] == 126).all() and (table["decided_by"] == "p").all()
    for found in (alone, table):
        assert found.loc["happy-face", "estimate"] == pytest.approx(random.mean() - happy)
        assert (found["p"].lt(0.05) == found["ci_low"].gt(0)).all()
