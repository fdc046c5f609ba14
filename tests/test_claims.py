"""The verdict on one claim.

A wrong result is a FAIL, whatever the claim. A changed setting or a re-test that does not hold is not.
"""

from pathlib import Path

import pandas as pd
import pytest

from model_emotion.base import study
from model_emotion.claims import comparisons
from model_emotion.claims.judging import judge
from model_emotion.claims.schema import Claim, load_claims
from model_emotion.human import ratings

ROOT = Path(__file__).parents[1]


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A project folder with one small table of results; a function that judges a claim on it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/published").mkdir(parents=True)
    table = pd.DataFrame(
        {
            "k": [1, 1, 2],
            "emotion": ["joy", "fear", "joy"],
            "drop": [0.25, -0.5, 0.125],
            "star": [True, False, True],
        }
    )
    table.to_csv("results/published/drops.csv", index=False)

    def of(**claim):
        base = {
            "id": "T",
            "claim": "made up",
            "source": "here",
            "run": "published",
            "file": "drops.csv",
            "kind": "rounded",
        }
        return judge(Claim(**(base | claim)), {})

    yield of


@pytest.mark.parametrize(
    ("claim", "right", "wrong"),
    [
        ({"comparison": "value", "where": "k == 2", "column": "drop"}, 0.125, 0.126),
        ({"comparison": "count", "where": "star"}, 2, 3),
        ({"comparison": "mean", "where": "k == 1", "column": "drop"}, -0.125, 0.125),
        ({"comparison": "most_sum", "by": "emotion", "column": "drop"}, "joy", "fear"),
        ({"comparison": "least_sum", "by": "emotion", "column": "drop"}, "fear", "joy"),
        ({"comparison": "most_mean", "by": "emotion", "column": "drop"}, "joy", "fear"),
        ({"comparison": "least_mean", "by": "emotion", "column": "drop"}, "fear", "joy"),
    ],
)
def test_each_comparison_passes_the_right_value_and_fails_a_wrong_one(results, claim, right, wrong):
    assert results(**claim, published=right).status == "PASS"
    assert results(**claim, published=wrong).status == "FAIL"
    assert results(**claim, published=wrong, reason="because").status == "NOT REPRODUCED"


def test_a_difference_up_to_the_tolerance_passes(results):
    claim = {"comparison": "value", "where": "k == 2", "column": "drop", "tolerance": 0.01}
    assert results(**claim, published=0.134).status == "PASS"
    assert results(**claim, published=0.136).status == "FAIL"


@pytest.mark.parametrize(
    "claim",
    [
        {"comparison": "value", "where": "k == 1", "column": "drop", "published": 1},  # two rows
        {"comparison": "value", "where": "k == 2", "column": "dorp", "published": 1},
        {"comparison": "count", "where": "stars", "published": 1},
        {"comparison": "count", "file": "none.csv", "published": 1},
        {"comparison": "value", "where": "k == 2", "column": "drop", "published": "0.125"},  # typed as a word
    ],
)
def test_a_claim_that_its_file_does_not_answer_fails(results, claim):
    assert results(**claim).status == "FAIL"


def test_nan_never_passes(results):
    pd.DataFrame({"drop": [float("nan")]}).to_csv("results/published/nan.csv", index=False)
    assert (
        results(
            comparison="value",
            file="nan.csv",
            where="drop != drop",
            column="drop",
            published=0.5,
            tolerance=9,
        ).status
        == "FAIL"
    )


def test_claims_on_a_file_that_may_be_empty_are_not_reproduced_if_it_is(results):
    """The three claims on Hartigan's dip without the package diptest.

    A wrong table with rows fails like any other.
    """
    stated = [claim for claim in load_claims(ROOT / "claims.yaml").claims if claim.file == "unimodality.csv"]
    assert {claim.id for claim in stated} == {"E8.dips", "E8.p", "E8.significant"}
    file = Path("results/published/unimodality.csv")
    for rows, status in (([], "NOT REPRODUCED"), ([(500, "valence", 0.05, 0.01, 27)], "FAIL")):
        pd.DataFrame(rows, columns=["k", "attribute", "dip", "p", "n"]).to_csv(file, index=False)
        for verdict in (judge(claim, {}) for claim in stated):
            assert verdict.status == status
            assert ("pip install diptest" in verdict.reason) is (not rows)


@pytest.fixture
def retest(results):
    """A function that judges a claim on one re-test; its keywords change a row that holds."""

    def of(supposes=(), departed=(), **change):
        row = {
            "question": "q",
            "key": "",
            "estimate": 0.25,
            "ci_low": 0.125,
            "ci_high": 0.5,
            "p": 0.01,
            "decided_by": "interval",
        }
        row |= {"verdict": "holds", "method": "as told"} | change
        Path("results/live").mkdir(exist_ok=True)
        pd.DataFrame([row, row | {"question": "another"}]).to_csv("results/live/retests.csv", index=False)
        claim = {
            "id": "L",
            "claim": "made up",
            "source": "here",
            "run": "live",
            "file": "retests.csv",
            "kind": "statistical",
        }
        return judge(
            Claim(**claim, comparison="interval", where="question == 'q'", supposes=list(supposes)),
            dict(departed),
        )

    return of


NOT = {"verdict": "does not hold"}


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({}, "PASS", ""),
        ({"ci_low": 0.0} | NOT, "NOT REPRODUCED", "0.25 [0, 0.5]: the interval is not above 0"),
        ({"ci_low": -0.1} | NOT, "NOT REPRODUCED", "0.25 [-0.1, 0.5]: the interval is not above 0"),
        (
            {"ci_low": -0.4, "estimate": -0.3, "ci_high": -0.2} | NOT,
            "NOT REPRODUCED",
            "-0.3 [-0.4, -0.2]: the interval is not above 0",
        ),
        ({"ci_low": -0.1, "decided_by": "p"}, "PASS", ""),
        (
            {"p": 0.05, "decided_by": "p"} | NOT,
            "NOT REPRODUCED",
            "0.25 [0.125, 0.5], p = 0.05: not below .05",
        ),
        (
            {"p": 0.2, "decided_by": "p", "estimate": 0, "ci_low": None} | NOT,
            "NOT REPRODUCED",
            "0, p = 0.2: not below .05",
        ),
        ({"estimate": None, "ci_low": None} | NOT, "NOT REPRODUCED", "no estimate: as told"),
        ({"p": None, "decided_by": "p"} | NOT, "NOT REPRODUCED", "no estimate: as told"),
        # a row that contradicts itself is no answer
        (NOT, "FAIL", "contradict"),
        ({"ci_low": -0.1}, "FAIL", "contradict"),
        ({"p": 0.2, "decided_by": "p"}, "FAIL", "contradict"),
        ({"estimate": 0.1}, "FAIL", "contradict"),
        ({"decided_by": ""}, "FAIL", "no answer"),
        ({"question": "none"}, "FAIL", "0 rows where question == 'q'"),
        ({"question": "q", "estimate": "a"}, "FAIL", "no answer"),
    ],
)
def test_a_retest_passes_only_if_it_holds_and_fails_only_if_its_row_is_wrong(retest, change, status, says):
    verdict = retest(**change)
    assert verdict.status == status and says in verdict.reason, verdict
    if status == "PASS":
        assert (verdict.published, verdict.reason) == (
            "p < .05" if "decided_by" in change else "interval above 0",
            "",
        )


def test_a_missing_retest_fails_and_one_that_does_not_apply_does_not(retest):
    assert retest(supposes=["ranking"], departed={"ranking": "other masks"}).status == "NOT APPLICABLE"
    retest()
    Path("results/live/retests.csv").unlink()
    claim = next(claim for claim in load_claims(ROOT / "claims.yaml").claims if claim.id == "L1")
    assert judge(claim, {}).status == "FAIL"


def test_the_mean_ratings_are_the_released_ones_by_name_and_a_wrong_answer_fails(raw, monkeypatch):
    """One rater of 30 answers one step higher; or two emotions are exchanged."""
    monkeypatch.setattr(comparisons, "raw", raw)
    claim = next(claim for claim in load_claims(ROOT / "claims.yaml").claims if claim.id == "A1.mean")
    words = ratings.word_list(raw("human", comparisons.WORDS))
    survey = "Data/raw_data/emotional_featuers/affective_features/rawdata.csv"
    means = ratings.affective(raw("human", survey), words).means
    table = pd.DataFrame(means, columns=["arousal", "valence"]).assign(emotion=study.EMOTIONS)
    found = comparisons.same_averages(claim, table)
    assert found.difference <= claim.tolerance < 1e-14 and found.cells == 54
    other = table.assign(valence=table["valence"] + (table["emotion"] == "joy") / 30)
    assert comparisons.same_averages(claim, other).difference == pytest.approx(1 / 120)
    swapped = table.assign(emotion=table["emotion"].replace({"joy": "fear", "fear": "joy"}))
    assert comparisons.same_averages(claim, swapped).difference > 0.1
