"""Re-tests of H3: drops and human weights, made up and the study's."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from made_up_runs import cube, masked_accuracies, one

from model_emotion.base import study
from model_emotion.masking.drops import accuracy_drops, pool_random_masks
from model_emotion.retests import masks
from model_emotion.retests.rows import table as table_of
from model_emotion.retests.weights import (
    human_correlation_of_attributes,
    human_correlation_of_size,
    human_correlation_permuted,
)


def test_the_studys_h3_over_its_attributes(study_masks):
    # with the weights read off Feature_weights_in_Human.pdf; the catalogue: r = .53, p = .053
    read_off = [
        -0.002,
        0.583,
        0.600,
        0.381,
        0.361,
        0.265,
        0.044,
        0.380,
        0.068,
        0.422,
        0.067,
        0.008,
        0.082,
        0.029,
    ]
    weights = pd.Series(read_off, study.ATTRIBUTES)
    row = one(human_correlation_of_attributes(accuracy_drops(study_masks), 4000, weights))
    assert (row["estimate"], row["p"], row["n"]) == pytest.approx((0.527, 0.053, 14), abs=2e-3)
    half = 1.959964 / np.sqrt(14 - 3)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(
        np.tanh(np.arctanh(row["estimate"]) + [-half, half]), abs=1e-6
    )
    assert (row["verdict"], row["one_sided"]) == ("inconclusive", "holds")


def test_a_drop_that_follows_the_weights_holds():
    weights = pd.Series(np.linspace(0, 0.6, 14), study.ATTRIBUTES)
    noise = np.random.default_rng(6).normal(0, 0.01, 14)
    masked = masked_accuracies(
        dict(zip(weights.index, 0.7 - weights / 4 + noise, strict=True)), {(None, 1): 0.7}
    )
    assert one(human_correlation_of_attributes(accuracy_drops(masked), 10, weights))["verdict"] == "holds"
    assert (
        human_correlation_of_attributes(accuracy_drops(masked), 10, weights.drop("valence")) == []
    )  # masks of something else


def test_pooling_random_masks_takes_their_mean_for_every_attribute():
    table, _ = cube()
    table.loc[table["kind"] == "random", "accuracy"] += np.random.default_rng(0).normal(
        0, 0.1, (table["kind"] == "random").sum()
    )
    together = pool_random_masks(table)
    random = table.query("kind == 'random'").groupby(["emotion", "seed"])["accuracy"].mean()
    found = accuracy_drops(together).groupby(["emotion", "seed"])["random"].agg(["min", "max"])
    np.testing.assert_allclose(found["min"], random)
    np.testing.assert_allclose(found["max"], random)
    assert pool_random_masks(together) is None


def test_every_size_is_asked_and_none_decides():
    weights = pd.Series({"a": 0.1, "b": 0.2, "c": 0.35, "d": 0.5})
    random = {(None, n): 0.7 + n / 100 for n in range(3)}
    sizes = [
        masked_accuracies(dict(zip("abcd", values, strict=True)), random, k=k)
        for k, values in ((10, [0.7, 0.6, 0.5, 0.4]), (9, [0.4, 0.5, 0.69, 0.7]))
    ]
    found = human_correlation_of_size(accuracy_drops(pd.concat(sizes)), weights)
    assert (
        [row["key"] for row in found] == ["9", "10"]
        and found[0]["estimate"] < -0.9
        and found[1]["estimate"] > 0.9
    )
    assert (table_of(found)["verdict"] == "").all()
    places = table_of(masks.place_of_size(pd.concat(sizes)))
    assert (
        places["estimate"].tolist() == [2, 3]
        and places["n"].tolist() == [4, 4]
        and (places["verdict"] == "").all()
    )


def test_permuted_weights_give_the_p_of_all_orders():
    """Five attributes have 120 orders: p is near the share of them that correlate as closely, either way."""
    weights = pd.Series({"a": 0.1, "b": 0.2, "c": 0.35, "d": 0.5, "e": 0.6})
    values = dict(zip("abcde", [0.70, 0.66, 0.68, 0.60, 0.52], strict=True))
    row = one(
        human_correlation_permuted(
            accuracy_drops(masked_accuracies(values, {(None, 1): 0.7})), 10, weights, 5000, 1
        )
    )
    drop = 0.7 - np.array(list(values.values()))
    every = np.array([np.corrcoef(drop, order)[0, 1] for order in permutations(weights)])
    least = min(
        (every >= row["estimate"] - 1e-12).mean(), (every <= row["estimate"] + 1e-12).mean()
    )  # scipy doubles the smaller tail
    assert row["estimate"] == pytest.approx(np.corrcoef(drop, weights)[0, 1]) and row["p"] == pytest.approx(
        2 * least, abs=0.01
    )
