"""Drops and their tests, against scipy and plain loops on the study's own files, and small cases by hand."""

import importlib.util
import json
import sys

import numpy as np
import pandas as pd
import pytest
from made_up_runs import accuracies
from scipy import stats

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.results import MASKED_ACCURACY
from model_emotion.masking.drops import (
    accuracy_by_mask,
    accuracy_drops,
    drop_table,
    drop_tables,
    floor,
    human_correlation,
    metrics,
    pool_random_masks,
    pooled_tables,
    unimodality,
)

FOLDER = {"attribute": "RSA_tau_14property", "random": "random"}


@pytest.fixture(scope="module")
def json_file(raw):
    return lambda kind, emotion, seed: raw(
        "masking", f"Result/masking/RoBERTa/{FOLDER[kind]}/Acc_perSeed_JSON/{emotion}-{seed}.json"
    )


@pytest.fixture(scope="module")
def drops(released_masks):
    return accuracy_drops(released_masks)


def plain(json_file, kind, emotion, seed, attribute, k):
    """One masked accuracy straight from its JSON."""
    name = next(name for name, ours in study.MASK_NAMES.items() if ours == attribute)
    return json.loads(json_file(kind, emotion, seed).read_text())[
        f"{name}_{'top' if kind == 'attribute' else 'random'}{k}"
    ]


def test_every_cell_equals_scipys_paired_t(drops, json_file):
    table = drop_table(drops, ["emotion", "attribute"], 0.05).set_index(["emotion", "attribute", "k"])
    assert len(table) == 27 * 14 * 7
    rng = np.random.default_rng(0)
    for emotion, attribute, k in table.index[rng.choice(len(table), 40, replace=False)]:
        random, own = (
            [plain(json_file, kind, emotion, seed, attribute, k) for seed in study.SEEDS]
            for kind in ("random", "attribute")
        )
        test = stats.ttest_rel(random, own, alternative="greater")
        row = table.loc[(emotion, attribute, k)]
        assert (row["t"], row["p"], row["df"]) == pytest.approx((test.statistic, test.pvalue, 11))


def test_pooled_drops_equal_scipys_paired_t(drops, json_file):
    row = drop_table(drops, ["attribute"], 0.05).query("attribute == 'fear-face' and k == 3000").iloc[0]
    random, own = (
        [
            plain(json_file, kind, emotion, seed, "fear-face", 3000)
            for emotion in study.EMOTIONS
            for seed in study.SEEDS
        ]
        for kind in ("random", "attribute")
    )
    test = stats.ttest_rel(random, own, alternative="greater")
    assert (row["t"], row["p"], row["df"]) == pytest.approx((test.statistic, test.pvalue, 323))
    assert row["drop"] == pytest.approx(np.mean(random) - np.mean(own))


def test_tables_with_all_random_masks_pooled_equal_scipys_paired_t(drops, released_masks, json_file):
    weights = pd.Series(range(14), study.ATTRIBUTES)
    unmasked = accuracies({emotion: [0.9] * 12 for emotion in study.EMOTIONS})
    tables = drop_tables(unmasked, released_masks, drops, weights, 0.05)
    pooled = pooled_tables(released_masks, tables, weights, 0.05)
    row = pooled["drop_by_attribute"].query("attribute == 'fear-face' and k == 3000").iloc[0]
    cells = [(emotion, seed) for emotion in study.EMOTIONS for seed in study.SEEDS]
    own = [plain(json_file, "attribute", *cell, "fear-face", 3000) for cell in cells]
    random = [
        np.mean([plain(json_file, "random", *cell, name, 3000) for name in study.ATTRIBUTES])
        for cell in cells
    ]
    test = stats.ttest_rel(random, own, alternative="greater")
    assert (row["t"], row["p"], row["df"]) == pytest.approx((test.statistic, test.pvalue, 323))
    assert {name: list(table) for name, table in pooled.items()} == {
        name: list(tables[name]) for name in pooled
    }
    shared = pooled_tables(pool_random_masks(released_masks), tables, weights, 0.05)
    assert set(shared) == set(pooled) and not any(len(table) for table in shared.values())


def test_accuracy_by_mask_equals_a_plain_loop(released_masks, json_file):
    table = accuracy_by_mask(released_masks).set_index(["emotion", "attribute", "kind", "k"])
    for emotion, attribute, kind, k in [
        ("joy", "novelty", "random", 500),
        ("grief", "control", "attribute", 6000),
    ]:
        values = [plain(json_file, kind, emotion, seed, attribute, k) for seed in study.SEEDS]
        row = table.loc[(emotion, attribute, kind, k)]
        assert (row["accuracy"], row["se"], row["n"]) == pytest.approx(
            (np.mean(values), stats.sem(values), 12)
        )


def made_up(rows):
    return pd.DataFrame(rows, columns=MASKED_ACCURACY).astype({"draw": "Int64"})


def test_a_drop_is_against_the_mean_of_the_random_draws():
    table = accuracy_drops(
        made_up(
            [
                ("joy", 1, "valence", "attribute", None, 10, 0.5, None),
                ("joy", 1, "arousal", "attribute", None, 10, 0.6, None),
                ("joy", 1, "arousal", "random", 1, 10, 0.9, None),  # arousal's own
                ("joy", 1, None, "random", 1, 10, 0.7, None),  # shared by all
                ("joy", 1, None, "random", 2, 10, 0.8, None),
            ]
        )
    ).set_index("attribute")
    assert table.loc["valence", "drop"] == pytest.approx(0.25)
    assert table.loc["arousal", "drop"] == pytest.approx(0.3)


def test_a_mask_without_a_random_one_of_its_size_is_an_error():
    rows = [
        ("joy", 1, "valence", "attribute", None, 10, 0.5, None),
        ("joy", 1, None, "random", 1, 20, 0.9, None),
    ]
    with pytest.raises(UserError, match="no random mask of size 10 for joy, seed 1"):
        accuracy_drops(made_up(rows))


def test_the_drop_grows_with_the_weight_gives_a_positive_r():
    weights = pd.Series({"a": 0.1, "b": 0.2, "c": 0.6, "d": 0.3})
    noise = iter(np.random.default_rng(0).normal(0, 0.01, 100))
    rows = [
        {"k": 10, "seed": 1, "attribute": a, "emotion": e, "drop": w + next(noise)}
        for e in ("joy", "fear")
        for a, w in weights.items()
    ]
    each, over_emotions, over_attributes = human_correlation(pd.DataFrame(rows), weights)
    assert (each["r"] > 0.9).all() and list(each["emotion"]) == ["joy", "fear"]
    values = pd.DataFrame(rows).query("emotion == 'fear'")["drop"]
    test = stats.pearsonr(values, weights)
    assert (each["r"][1], each["p"][1]) == pytest.approx((test.statistic, test.pvalue))
    assert over_emotions["mean_r"][0] == pytest.approx(np.tanh(each["z"].mean()))
    assert over_attributes["n"][0] == 4


def test_metrics_are_those_of_the_size_to_six_decimals_without_a_sums_noise():
    by_attribute = pd.DataFrame(
        {
            "attribute": ["valence", "happy-face", "valence"],
            "k": [2, 2, 1],
            "drop": [-1.85e-17, 1 / 3, 0.5],
            "star": [False, True, True],
        }
    )
    tables = {
        "drop_by_attribute": by_attribute,
        "drop_by_emotion": pd.DataFrame({"emotion": ["joy", "fear"], "k": [2, 1], "star": [True, True]}),
        "human_correlation_summary": pd.DataFrame({"k": [1, 2], "mean_r": [0.5, np.nan]}),
        "floor": pd.DataFrame({"emotion": ["joy", "fear"], "floor": [True, False]}),
    }
    accuracy = pd.DataFrame({"emotion": ["joy", "fear"], "accuracy": [0.6, 0.7], "majority": [0.5, np.nan]})
    found = metrics(accuracy, tables, 2)
    assert found == {
        "mean_accuracy": 0.65,
        "k": 2,
        "emotions_hurt": 1,
        "attributes_hurting": 1,
        "drop": {"happy-face": 0.333333, "valence": 0.0},
    }
    assert "-0" not in json.dumps(found)
    found = metrics(accuracy.fillna(0.5), tables, 1)
    assert (
        found["mean_majority"] == 0.5
        and found["emotions_above_floor"] == 1
        and found["human_correlation"] == 0.5
    )
    assert metrics(accuracy, tables, 3)["k"] == 2  # a run without that size: its first


def test_what_no_mask_changes_has_no_drop_and_no_star():
    """A mean of 20 equal accuracies can be off in its last digit; in all rows, that would be significant."""
    rows = []
    for correct in range(57):
        for name in ("valence", "arousal"):
            rows.append((f"e{correct}", 1, name, "attribute", None, 10, correct / 56, 56))
        rows += [(f"e{correct}", 1, None, "random", draw, 10, correct / 56, 56) for draw in range(1, 21)]
    masked = pd.DataFrame(rows, columns=MASKED_ACCURACY)
    assert (
        masked.groupby(["emotion", "kind"])["accuracy"].mean().unstack().diff(axis=1).iloc[:, 1] != 0
    ).any()  # so pandas' mean is
    drops = accuracy_drops(masked)
    assert (drops["drop"] == 0).all() and not drop_table(drops, ["emotion"], 0.05)["star"].any()


def test_without_diptest_unimodality_has_no_rows_and_the_rest_is_as_it_was(drops, monkeypatch):
    monkeypatch.setitem(sys.modules, "diptest", None)  # then importing it fails
    spec = importlib.util.find_spec("model_emotion.masking.drops")
    without = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(without)
    found, usual = without.unimodality(drops), unimodality(drops)
    assert found.empty and len(usual) == 14 * 7
    assert list(found) == list(usual)
    pd.testing.assert_frame_equal(
        without.drop_table(drops, ["emotion"], 0.05), drop_table(drops, ["emotion"], 0.05)
    )


def test_floor_is_wilsons_interval_that_does_not_lie_above_the_majority():
    few, unknown = accuracies({"pride": [0.75]}, n=8), accuracies({"anger": [0.5]}, np.nan)
    every = pd.concat([accuracies({"joy": [0.7, 0.8], "fear": [0.6], "love": [0.3]}), few, unknown])
    table = floor(every).set_index("emotion")
    assert list(table.columns) == ["accuracy", "ci_low", "ci_high", "majority", "floor"]
    assert table["floor"].to_dict() == {
        "joy": False,
        "fear": False,
        "love": True,
        "pride": True,
        "anger": False,
    }
    wilson = stats.binomtest(75, 100).proportion_ci(
        method="wilson"
    )  # of the examples of one seed, not of both
    assert table.loc["joy", ["accuracy", "ci_low", "ci_high"]].tolist() == pytest.approx([0.75, *wilson])
    # 60 of 100: .502 to .691, just above .5; .6 of 95 is not
    assert floor(accuracies({"fear": [0.6]}, n=95))["floor"].tolist() == [True]
