"""The re-tests: verdicts, and the stage on a made-up run."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_runs import accuracies, between, masked_accuracies, one
from scipy import stats

from model_emotion.base import results, study
from model_emotion.base.files import read_csv, write_tensors
from model_emotion.base.results import Activations, write_activations
from model_emotion.masking import mask_plan
from model_emotion.masking.drops import accuracy_drops
from model_emotion.masking.mask_plan import Plan, Size
from model_emotion.retests import rows
from model_emotion.retests.rows import row
from model_emotion.rsa import rdm
from stages import retests as stage

ROOT = Path(__file__).parents[1]
EMOTIONS = study.EMOTIONS[:6]


@pytest.mark.parametrize(
    ("decided_by", "ci", "p", "verdict"),
    [
        ("interval", (0.01, 0.3), 0.9, "holds"),
        ("interval", (0.0, 0.3), 0.01, "inconclusive"),
        ("interval", (-0.3, -0.1), 0.01, "does not hold"),  # the other direction
        ("interval", (np.nan, np.nan), 0.01, "inconclusive"),
        ("p", (-0.1, 0.3), 0.049, "holds"),
        ("p", (0.1, 0.3), 0.05, "inconclusive"),
        ("p", (0.1, 0.3), np.nan, "inconclusive"),
        ("", (0.1, 0.3), 0.01, ""),
    ],
)
def test_a_verdict_needs_the_interval_or_the_p_that_decides(decided_by, ci, p, verdict):
    assert one([row("q", "m", decided_by, 0.1, ci, p, 5)])["verdict"] == verdict


@pytest.mark.parametrize(
    ("estimate", "p", "two_sided", "one_sided"),
    [
        (0.5, 0.052, "inconclusive", "holds"),
        (-0.5, 0.052, "inconclusive", "does not hold"),
        (-0.5, 0.049, "does not hold", "does not hold"),
        (0.5, 0.1, "inconclusive", "inconclusive"),
        (0.0, 0.001, "inconclusive", "inconclusive"),
    ],
)
def test_both_verdicts_are_shown_and_differ_between_05_and_10(estimate, p, two_sided, one_sided):
    found = one([row("q", "m", "p", estimate, p=p)])
    assert (found["verdict"], found["one_sided"]) == (two_sided, one_sided)
    assert one([row("q", "m", "interval", estimate, (-1, 1))])["one_sided"] == ""  # p is missing


def test_two_sided_p_of_either_tail():
    t = np.linspace(-3, 3, 7)
    assert rows.two_sided(stats.t.sf(t, 9)) == pytest.approx(2 * stats.t.sf(np.abs(t), 9))
    assert rows.doubled([0.01, 0.7]).tolist() == [0.02, 1]
    draws = np.random.default_rng(1).normal([0, 1, -3], 1, (9999, 3))
    assert rows.resampled_p(draws) == pytest.approx([1, 2 * stats.norm.sf(1), 2 * stats.norm.sf(3)], abs=0.02)


def test_under_the_null_each_wrong_verdict_has_a_probability_of_a_fortieth():
    draws = np.random.default_rng(2).normal(size=(4000, 12))
    tests = stats.ttest_1samp(draws, 0, axis=1)
    by_p = [row("q", "m", "p", mean, p=p) for mean, p in zip(draws.mean(axis=1), tests.pvalue, strict=True)]
    low, high = tests.confidence_interval()
    by_interval = [row("q", "m", "interval", 0, ci) for ci in zip(low, high, strict=True)]
    for found in (by_p, by_interval):
        shares = rows.table(found)["verdict"].value_counts(normalize=True)
        assert all(between(shares[words], 0.025, 4000) for words in ("holds", "does not hold"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that runs the stage in a made-up project where masking valence matters most."""
    rng = np.random.default_rng(8)
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for name in ("live", "published"):
        (tmp_path / "results" / name).mkdir(parents=True)
    ratings = rng.random((14, 27))
    rdms = pd.DataFrame(rdm.absolute_rdm(ratings).T, columns=study.ATTRIBUTES)
    weights = pd.DataFrame({"attribute": study.ATTRIBUTES, "tau_boot": np.linspace(0, 0.6, 14)})
    (tmp_path / "data/texts").mkdir(parents=True)
    labels = pd.DataFrame(rng.integers(0, 2, (50, 6)).astype("uint8"), columns=EMOTIONS)
    pairs = rdm.pair_names(study.EMOTIONS)
    judged = pd.DataFrame(
        rng.integers(1, 10, (4, 351)).astype(float), columns=pairs["emotion_a"] + "|" + pairs["emotion_b"]
    )
    (tmp_path / "results/human").mkdir()
    judged.assign(subject=[f"s{number:02d}" for number in range(1, 5)]).to_csv(
        "results/human/similarity.csv", index=False
    )
    unmasked = accuracies({emotion: [0.7 + 0.04 * place] for place, emotion in enumerate(EMOTIONS)})
    unmasked.loc[0, "accuracy"] = 0.4  # realization is at floor
    for run in ("live", "published"):
        rdm.pair_names(study.EMOTIONS).join(rdms).to_csv(f"results/{run}/attribute_rdms.csv", index=False)
        pairs.assign(distance=judged.mean().to_numpy()).to_csv(f"results/{run}/mean_rdm.csv", index=False)
        weights.to_csv(f"results/{run}/weights.csv", index=False)
        pd.concat([labels.assign(split=split) for split in ("train", "dev")]).to_parquet(
            f"data/texts/{run}.parquet"
        )
        unmasked.to_csv(f"results/{run}/accuracy.csv", index=False)
        write_activations(
            Activations(rng.random((1, 6, 24)), (1,), EMOTIONS, 2, 12, "none"),
            f"results/{run}/activations.safetensors",
        )
        random = {(None, draw): 0.7 + draw / 1000 for draw in range(1, 21)}
        attributes = {attribute: 0.75 for attribute in study.ATTRIBUTES} | {"valence": 0.5}
        masked = masked_accuracies(attributes, random, EMOTIONS)
        masked.loc[masked["emotion"] == EMOTIONS[0], "accuracy"] = 0
        masked.to_csv(f"results/{run}/masked_accuracy.csv", index=False)
        accuracy_drops(masked).to_parquet(f"results/{run}/drops.parquet")
        plan = Plan(2, 12, "attributes", "binary", "uniform", 1, (Size(10, 10 / 24, 20),))
        ranks = pd.DataFrame({name: 1 + rng.permutation(24) for name in study.ATTRIBUTES})
        masks = {str(name): mask for name, mask in plan.attribute_masks(ranks).items()}
        write_tensors(masks, f"results/{run}/masks.safetensors", {"masks": list(masks)})
        mask_plan.write(plan, run)

    def of(run):
        monkeypatch.setattr(sys, "argv", ["retests", "--run", run])
        stage.main()
        return read_csv(f"results/{run}/retests.csv")

    return of


def test_the_stage_asks_each_run_what_applies_to_it(project):
    live, theirs = project("live"), project("published")
    assert list(live.columns) == results.RETESTS
    sizes = {
        "accuracy_above_majority": 1,
        "accuracy_order": 1,
        "significant_neurons": 15,
        "significant_neurons_of_all": 14,
    }
    sizes |= {
        "own_neurons": 14,
        "place_among_random": 14,
        "masks_hurt_over_attributes": 1,
        "masks_hurt_over_emotions": 1,
    }
    sizes |= {
        "human_correlation_attributes": 1,
        "human_correlation_permuted": 1,
        "share_of_distance": 15,
    }
    sizes |= {
        "detectable_place": 1,
        "place_error_rate": 2,
        "corrected_stars": 2,
        "detectable_drop": 1,
        "detectable_drop_over_attributes": 1,
    }
    sizes |= {"detectable_correlation": 1}
    sizes |= {"model_and_human": 1, "noise_ceiling": 2, "agreement_with_subjects": 15}
    sizes |= {"model_and_human_given": 6, "layers_and_references": 15}
    sizes |= {"specification_curve_drop": 2, "specification_curve_correlation": 2}
    sizes |= {"bayes_factor_drop": 3, "equivalence_drop": 1}
    sizes |= {"layer_of_mask": 14, "layer_and_mask": 2, "huge_neurons": 2, "share_of_variance": 3}
    sizes |= {"human_correlation_given_layer": 2, "human_correlation_semipartial": 2}
    sizes |= {"drop_without_attribute": 14, "drop_without_emotion": 5, "model_and_human_without_emotion": 6}
    sizes |= {"human_correlation_without_attribute": 14, "human_correlation_without_emotion": 5}
    sizes |= {"bayes_factor_correlation": 1, "equivalence_correlation": 1}
    assert live["question"].value_counts(sort=False).to_dict() == sizes
    assert set(sizes) - set(theirs["question"]) == {"accuracy_order"}
    valence = live.query("question == 'place_among_random' and key == 'valence'").iloc[0]
    # the first emotion, at floor, is left out: with it the means would be lower by its share
    assert valence["reference"] == pytest.approx(0.504) and valence["k"] == 10
    assert live.query("question == 'place_among_random' and verdict == 'holds'")["key"].tolist() == [
        "valence"
    ]
    assert live.query("question == 'accuracy_order'")["estimate"].item() == pytest.approx(1)
