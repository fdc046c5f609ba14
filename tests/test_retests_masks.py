"""Re-tests of single masks: their places among random masks, by counting and on the study's masks."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import masked_accuracies, one
from scipy import stats

from model_emotion.base.errors import UserError
from model_emotion.masking.drops import accuracy_drops
from model_emotion.retests import masks, power
from model_emotion.retests.rows import table as table_of
from model_emotion.retests.weights import human_correlation_of_attributes


def test_place_among_shared_random_masks_by_counting():
    random = {(None, draw): value for draw, value in enumerate(np.linspace(0.60, 0.79, 20), 1)}
    masked = masked_accuracies({"valence": 0.5, "arousal": 0.625, "control": 0.9}, random)
    table = table_of(masks.place_among_random(masked, 10)).set_index("key")
    assert table["n"].tolist() == [20, 20, 20] and (table["decided_by"] == "p").all()
    assert table["p"].tolist() == pytest.approx([1 / 21, 4 / 21, 21 / 21])  # none, three, all are as low
    assert table["verdict"].tolist() == ["holds", "does not hold", "does not hold"]
    assert table["reference"].tolist() == pytest.approx([0.5, 0.625, 0.9])
    values = np.array(list(random.values()))
    half = stats.t.ppf(0.975, 19) * values.std(ddof=1) * np.sqrt(21 / 20)
    estimate = values.mean() - 0.5
    assert table.loc["valence", ["estimate", "ci_low", "ci_high"]].tolist() == pytest.approx(
        [estimate, estimate - half, estimate + half]
    )


def test_a_random_mask_that_leaves_as_much_counts_as_low():
    masked = masked_accuracies({"valence": 0.25}, {(None, 1): 0.25, (None, 2): 0.25, (None, 3): 0.75})
    assert one(masks.place_among_random(masked, 10))["p"] == 3 / 4


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


@pytest.mark.parametrize(("lowest", "verdict"), [(0.70, "holds"), (0.49, "does not hold")])
def test_with_few_random_masks_the_interval_decides_and_one_as_low_speaks_against(lowest, verdict):
    random = {(None, draw): value for draw, value in enumerate([lowest, *np.linspace(0.70, 0.72, 13)], 1)}
    row = one(masks.place_among_random(masked_accuracies({"valence": 0.5}, random), 10))
    assert (row["decided_by"], row["verdict"]) == ("interval", verdict)


def test_a_single_random_mask_shows_nothing():
    row = one(masks.place_among_random(masked_accuracies({"valence": 0.1}, {(None, 1): 0.9}), 10))
    assert np.isnan(row["ci_low"]) and row["verdict"] == "does not hold"


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


def test_places_under_the_null_are_uniform():
    rng, places = np.random.default_rng(5), []
    for _ in range(100):
        values = rng.random(25)
        masked = masked_accuracies(
            dict(zip("abcde", values, strict=False)),
            {(None, draw): values[4 + draw] for draw in range(1, 21)},
        )
        places += [row["p"] for row in masks.place_among_random(masked, 10)]
    assert 0.02 < np.mean(np.array(places) < 0.05) < 0.08 and 0.45 < np.mean(places) < 0.6


def test_the_studys_masks_are_set_among_its_fourteen_random_ones(study_masks):
    table = table_of(masks.place_among_random(study_masks, 4000)).set_index("key")
    random = study_masks[study_masks["kind"] == "random"].groupby("attribute")["accuracy"].mean()
    assert (random.min(), random.max()) == pytest.approx(
        (0.591, 0.776), abs=5e-4
    )  # as the catalogue has them
    assert (table["n"] == 14).all() and (table["decided_by"] == "interval").all()
    happy = study_masks.query("kind == 'attribute' and attribute == 'happy-face'")["accuracy"].mean()
    assert table.loc["happy-face", "estimate"] == pytest.approx(random.mean() - happy)
    assert table["verdict"][table["p"] > 1 / 15].eq("does not hold").all()
