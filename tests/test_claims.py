"""claims.yaml and the stages `claims` and `verify`.

A wrong result is a FAIL, whatever the claim. A changed setting or a re-test that does not hold is not.
"""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import call
from scipy import stats

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_yaml
from model_emotion.claims import comparisons, judging, lines, pages
from model_emotion.claims.comparisons import COMPARISONS
from model_emotion.claims.findings import READINGS
from model_emotion.claims.judging import departures, judge
from model_emotion.claims.schema import Claim, load_claims
from model_emotion.claims.verdicts import Verdict, independent, summary, tally
from model_emotion.human import ratings
from model_emotion.params import Params, load_params

ROOT = Path(__file__).parents[1]
BAND = {"low": -1, "high": 1}


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
    judging._read.cache_clear()

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
    judging._read.cache_clear()


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
        judging._read.cache_clear()
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
        judging._read.cache_clear()
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
    judging._read.cache_clear()
    claim = next(claim for claim in load_claims(ROOT / "claims.yaml").claims if claim.id == "L1")
    assert judge(claim, {}).status == "FAIL"


def test_each_live_claim_is_answered_by_one_row_of_the_retests():
    """Each selects one question and key of retests.csv, and has no published value."""
    live = [claim for claim in load_claims(ROOT / "claims.yaml").claims if claim.run == "live"]
    rows = [
        {"question": question, "key": ""}
        for question in ("accuracy_above_majority", "accuracy_order", "human_correlation_attributes")
    ]
    rows += [
        {"question": q, "key": key}
        for q in ("significant_neurons", "place_among_random")
        for key in study.ATTRIBUTES
    ]
    retests = "".join(path.read_text() for path in (ROOT / "model_emotion/retests").glob("*.py"))
    assert all(f'"{question}"' in retests for question in {row["question"] for row in rows})
    table, asked = pd.DataFrame(rows), set()
    for claim in live:
        (answer,) = table.query(claim.where).index
        asked.add(answer)
        assert (
            claim.id.startswith("L")
            and claim.comparison == "interval"
            and claim.published is None
            and claim.kind == "statistical"
        )
    assert len(asked) == len(live) == len(table) == 31


def test_the_projects_claims_are_valid_and_cover_every_published_result():
    stated = load_claims(ROOT / "claims.yaml")
    covered = {claim.id.split(".")[0] for claim in stated.claims} | {
        entry.id.split(".")[0] for entry in stated.unpublished
    }
    wanted = {"A": 5, "B": 2, "C": 2, "D": 5, "E": 11, "L": 5}
    assert covered == {
        f"{letter}{number}" for letter, last in wanted.items() for number in range(1, last + 1)
    } | {"F"}
    for claim in stated.claims:
        assert (
            claim.published is None
            or not isinstance(claim.published, str)
            or claim.comparison.startswith(("least", "most"))
        ), claim.id


def test_every_unpublished_result_names_a_test_that_exists():
    for entry in load_claims(ROOT / "claims.yaml").unpublished:
        file, test = entry.test.split("::")
        assert f"def {test}(" in (ROOT / file).read_text(), entry.id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claims: [{id: X}]", "claims.0.claim Field required"),
        ("claims: [", "not YAML: while parsing"),
        ("claims: []\nclaims: []", "not YAML: .*duplicate key"),
    ],
)
def test_malformed_claims_are_reported_with_their_place(tmp_path, text, message):
    (tmp_path / "claims.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        load_claims(tmp_path / "claims.yaml")


@pytest.mark.parametrize(
    ("change", "setting", "spared"),
    [
        (lambda values: values["study"].update(seeds=[1, 3]), "study", "A1"),
        (lambda values: values["analysis"].update(drop_alpha=0.01), "drop_alpha", "E3.most"),
        (lambda values: values["analysis"].update(searchlight_alpha=0.05), "searchlight_alpha", "D1.ranks"),
        (lambda values: values["analysis"]["bootstrap"].update(samples=100), "bootstrap", "B1.mean"),
        (lambda values: values["own"].update(attributes="ratings.csv"), "attributes", "L1"),
        (lambda values: values["own"].update(texts="posts.parquet"), "texts", "A1"),
    ],
)
def test_a_changed_setting_makes_the_claims_that_suppose_it_not_applicable(change, setting, spared):
    values = read_yaml(ROOT / "params.yaml")
    assert departures(Params.model_validate(values)) == {}
    change(values)
    departed = departures(Params.model_validate(values))
    assert set(departed) == {setting}
    stated = load_claims(ROOT / "claims.yaml").claims
    touched = [claim for claim in stated if setting in claim.supposes]
    verdicts = [judge(claim, departed) for claim in touched]
    assert {verdict.status for verdict in verdicts} == {"NOT APPLICABLE"}
    assert tally(verdicts)["NOT APPLICABLE"] == len(verdicts)
    assert spared not in {claim.id for claim in touched}


def test_claims_name_the_settings_that_they_suppose():
    for claim in load_claims(ROOT / "claims.yaml").claims:
        assert (claim.run == "published" or claim.id == "L2") == ("study" in claim.supposes), (
            claim.id
        )  # L2 is set beside C1
        assert ("star" not in claim.id or claim.run == "human") or "drop_alpha" in claim.supposes, claim.id


# Counts


def test_each_independent_result_is_counted_once():
    claims = [
        ("A", "recomputed", "", 3, 10), ("B", "re-read", "", 0, 0),
        ("C", "recomputed", "A", 2, 10), ("D", "arithmetic", "", 0, 0),
    ]  # fmt: skip
    made_up = [
        replace(
            said(load_claims(ROOT / "claims.yaml").claims[0]),
            id=name, obtained=obtained, repeats=repeats, readings=readings, cells=cells,
        )
        for name, obtained, repeats, readings, cells in claims
    ]  # fmt: skip
    assert independent(made_up) == (
        "independent results: 3 (1 recomputed, 1 re-read, 1 arithmetic); 1 claims repeat one of them; "
        "compared: 5 readings and 10 table cells, all within their claims' tolerances"
    )
    missed = [replace(made_up[0], status="FAIL"), *made_up[1:]]
    assert independent(missed).endswith("10 table cells, 1 of their claims not met")


def test_a_claim_can_repeat_only_an_independent_one(tmp_path):
    text = (ROOT / "claims.yaml").read_text()
    (tmp_path / "claims.yaml").write_text(text.replace("repeats: E4.drop", "repeats: E3.drop"))
    with pytest.raises(UserError, match="repeats: 'E3.drop' is not the id of an independent claim"):
        load_claims(tmp_path / "claims.yaml")


def test_every_reading_is_compared(made):
    """Each row of figure_readings.csv is compared by exactly one claim; claims give only their number."""
    compared = [Verdict(**entry) for entry in made["claims"]]
    if not any(verdict.cells for verdict in compared):
        pytest.skip("the verdicts were made before readings were counted: run `dvc repro verify`")
    assert sum(verdict.readings for verdict in compared) == len(pd.read_csv(READINGS))


@pytest.mark.parametrize(
    ("name", "file", "column", "step"),
    [
        ("A1.image", "human/attributes.csv", "valence", 0.02),
        ("A2.image", "human/loadings.csv", "control", 0.02),
        ("D3.image", "published/overlap.csv", "shared", 1),
    ],
)
def test_a_wrong_value_fails_the_claim_on_an_image(made, name, file, column, step):
    """One score or loading is moved by a few colours, or one count by one."""
    claim = next(claim for claim in load_claims(ROOT / "claims.yaml").claims if claim.id == name)
    table = pd.read_csv(ROOT / "results" / file)
    compare = COMPARISONS[claim.comparison]
    assert compare(claim, table).difference == 0
    row = table.index[table["k"] == 4000][0] if "k" in table else 3
    table.loc[row, column] += step
    assert compare(claim, table).difference == 1


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


def test_repeats_compare_the_same_numbers():
    """What E1, E3 and E5 show at N = 4000 is in E2, E4 and E6, to the resolution of the figures."""
    read = pd.read_csv(READINGS)
    keys = ["emotion", "attribute", "condition", "k", "quantity"]
    pairs = 0
    for one, all_sizes in (("E1", "E2"), ("E3", "E4"), ("E5", "E6")):
        both = read[read["result"] == one].merge(read[read["result"] == all_sizes], on=keys)
        assert len(both) == (read["result"] == one).sum()
        assert (
            (both["value_x"] - both["value_y"]).abs() <= both["resolution_x"] + both["resolution_y"]
        ).all()
        pairs += len(both)
    assert pairs == 27 * 9 + 27 * 4 + 14 * 4


def test_the_ends_of_e10s_lines_are_compared_where_the_study_draws_them():
    read = pd.read_csv(READINGS).query("result == 'E10'").set_index("quantity")["value"]
    columns = {claim.id: claim.column for claim in load_claims(ROOT / "claims.yaml").claims}
    for name, end in (("left", "start"), ("right", "end")):
        assert columns[f"E10.{name}"] == f"intercept + slope * {read[f'tau_line_{end}']}"


def test_the_line_of_the_example_remorse_equals_a_plain_least_squares_fit(tmp_path, monkeypatch):
    """Line and band against numpy's polyfit and its covariance; a wrong weight makes the claim fail."""
    monkeypatch.chdir(tmp_path)
    claim = next(claim for claim in load_claims(ROOT / "claims.yaml").claims if claim.id == "E10.band")
    rng = np.random.default_rng(0)
    drops, weights = rng.normal(size=14), rng.normal(size=14)
    table = pd.DataFrame({"emotion": "remorse", "k": 4000, "attribute": study.ATTRIBUTES, "drop": drops})
    (tmp_path / "results/human").mkdir(parents=True)
    frame = pd.DataFrame({"attribute": study.ATTRIBUTES, "tau_boot": weights})
    frame.to_csv("results/human/weights.csv", index=False)
    (slope, intercept), covariance = np.polyfit(drops, weights, 1, cov=True)
    rows = {"slope_tau_on_drop": slope, "intercept_tau_on_drop": intercept}
    for name, x in (("start", drops.min()), ("end", drops.max())):
        half = stats.t.ppf(0.975, 12) * np.sqrt(np.array([x, 1]) @ covariance @ [x, 1])
        rows |= {f"line_{name}_drop": x, f"line_{name}_tau": intercept + slope * x}
        rows |= {f"band_{name}_{end}": intercept + slope * x + sign * half for end, sign in BAND.items()}
    read = pd.DataFrame({"result": "E10", "emotion": "remorse", "quantity": list(rows)})
    read.assign(value=list(rows.values()), resolution=1e-9).to_csv("read.csv", index=False)
    monkeypatch.setattr("model_emotion.claims.findings.READINGS", tmp_path / "read.csv")
    exactly = claim.model_copy(update={"within": 1e-9})
    assert lines.weight_on_drop(exactly, table).difference == 0
    frame.assign(tau_boot=weights + 0.01 * drops**2).to_csv("results/human/weights.csv", index=False)
    assert lines.weight_on_drop(exactly, table).difference == 8  # only the two ends' drops are the same


def test_claims_on_the_correlations_fail_with_other_weights(made):
    """E9's claims tell the bootstrap means of the weights from the full-sample ones."""
    weights = pd.read_csv(ROOT / "results/human/weights.csv").set_index("attribute")
    cells = pd.read_csv(ROOT / "results/published/drop_by_cell.csv")
    claims = [claim for claim in load_claims(ROOT / "claims.yaml").claims if claim.id.startswith("E9.mean.")]
    passed = {}
    for column in ("tau_boot", "tau"):
        passed[column] = 0
        for claim in claims:
            k = int(claim.id.split(".")[-1])
            drops = cells[cells["k"] == k].pivot(index="attribute", columns="emotion", values="drop")
            r = np.tanh(np.arctanh(drops.corrwith(weights[column])).mean())
            passed[column] += abs(r - claim.published) <= claim.tolerance
    assert passed["tau_boot"] == 7 and passed["tau"] < 7


# Runs


def said(claim, status="PASS"):
    """A verdict on a claim."""
    return Verdict(**claim.stated(), published=1, regenerated=1, difference=0.0, status=status, reason="")


def test_each_run_is_judged_separately_and_joined_in_order():
    stated = load_claims(ROOT / "claims.yaml").claims
    judged = {
        run: [said(claim) for claim in stated if judging.run_of(claim) == run]
        for run in ("live", "published")
    }
    assert {verdict.run for verdict in judged["published"]} == {"human", "published"}
    both = judging.joined(stated, judged)
    assert [verdict.id for verdict in both] == [claim.id for claim in stated] and tally(both)["PASS"] == len(
        stated
    )
    alone = judging.joined(stated, {"published": judged["published"]})
    assert {verdict.reason for verdict in alone if verdict.status == "NOT APPLICABLE"} == {
        "the run live was not measured"
    }
    assert {verdict.run for verdict in alone if verdict.status == "NOT APPLICABLE"} == {"live"}
    with pytest.raises(
        UserError, match="results/live/claims.json: no verdict on L1; run `dvc repro claims@live`"
    ):
        judging.joined(stated, judged | {"live": judged["live"][1:]})


def test_claims_on_attribute_masks_are_not_applicable_without_such_masks():
    stated = load_claims(ROOT / "claims.yaml").claims
    departed = departures(load_params(ROOT / "params.yaml"), "spaces")
    verdicts = {verdict.id: verdict for verdict in judging.judge_run("live", stated, departed)}
    assert (
        len(verdicts) == 31
        and verdicts["L4.valence"].reason == "masks.ranking is spaces: there are no masks of the attributes"
    )
    assert {
        name.split(".")[0] for name, verdict in verdicts.items() if verdict.status == "NOT APPLICABLE"
    } == {"L4", "L5"}


def test_with_user_data_only_the_claims_on_live_are_not_applicable():
    stated, values = (
        load_claims(ROOT / "claims.yaml").claims,
        read_yaml(ROOT / "params.yaml"),
    )
    values["own"]["texts"] = "posts.parquet"
    departed = departures(Params.model_validate(values))
    assert {claim.run for claim in stated if set(departed) & set(claim.supposes)} == {"live"}
    verdicts = judging.judge_run("live", stated, departed)
    assert {(verdict.status, verdict.reason) for verdict in verdicts} == {
        ("NOT APPLICABLE", "own.texts is posts.parquet, not GoEmotions")
    }


def test_the_sections_of_claims_md_are_in_order():
    stated = load_claims(ROOT / "claims.yaml").claims
    text = pages.render([said(claim) for claim in stated], [])
    assert (
        text.index("## E. Masking")
        < text.index("## L. The run live")
        < text.index("| L1 |")
        < text.index("## Not published")
    )


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A project folder with verdicts on both runs; a function that calls the stage `verify`."""
    monkeypatch.chdir(tmp_path)
    judging._read.cache_clear()
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copy(ROOT / "claims.yaml", tmp_path)
    call("mask_plan").check_returncode()
    stated = load_claims(ROOT / "claims.yaml").claims
    for run in ("live", "published"):
        of_run = [
            asdict(said(claim, "FAIL" if claim.id == "L4.valence" else "PASS"))
            for claim in stated
            if judging.run_of(claim) == run
        ]
        (tmp_path / "results" / run / "claims.json").write_text(json.dumps({"claims": of_run}))
    return partial(call, "verify")


def test_verify_joins_the_runs_and_check_reports_all_or_one(runs, tmp_path):
    made, stated = runs(), load_claims(ROOT / "claims.yaml").claims
    n, studys = len(stated), sum(claim.run != "live" for claim in stated)
    line = f"claims on the study: {studys}, PASS {studys}, FAIL 0, NOT REPRODUCED 0"
    once = independent([said(claim) for claim in stated if claim.run != "live"])
    of_live = f"claims on the run live: {n - studys}, supported {n - studys - 1}, FAIL 1, not supported 0"
    assert (made.returncode, made.stdout.splitlines()) == (0, [once, line, of_live]), made.stderr
    assert json.loads((tmp_path / "results/claims.json").read_text())["count"]["FAIL"] == 1
    page = (tmp_path / "CLAIMS.md").read_text()
    assert f"- **{once}**\n- **{line}**\n- **{of_live}**\n" in page
    assert (
        "| supported |" in page[page.index("## L. ") :]
        and "| supported |" not in page[: page.index("## L. ")]
    )
    everything, published, live = (
        runs("--check"),
        runs("--check", "--run", "published"),
        runs("--check", "--run", "live"),
    )
    # With both runs, only the claims on the study decide.
    assert (everything.returncode, published.returncode, live.returncode) == (0, 0, 1)
    printed = everything.stdout.splitlines()
    assert printed[0].startswith("FAIL L4.valence") and printed[1:] == [once, line, of_live]
    assert (published.stdout.splitlines(), live.stdout.splitlines()[-1]) == ([once, line], of_live)
    (tmp_path / "results/published/claims.json").unlink()
    gone = runs("--check", "--run", "published")
    assert gone.returncode == 1 and "results/published/claims.json: not found" in gone.stderr
    assert runs("--run", "live").returncode == 2


def test_the_stage_claims_writes_verdicts_and_succeeds_even_if_all_fail(runs, tmp_path):
    (tmp_path / "results/live/claims.json").unlink()
    judged = call("claims", "--run", "live")
    assert judged.returncode == 0, judged.stderr
    assert (
        judged.stdout.splitlines()[-1] == "claims on the run live: 31, supported 0, FAIL 31, not supported 0"
    )  # this folder has no re-tests
    assert len(json.loads((tmp_path / "results/live/claims.json").read_text())["claims"]) == 31


@pytest.fixture
def made():
    """results/claims.json of this checkout."""
    path = ROOT / "results/claims.json"
    if not path.exists():
        pytest.skip("no verdicts yet: run `make repro` first")
    return json.loads(path.read_text())


def test_the_committed_verdicts_are_on_the_committed_claims(made):
    stated = load_claims(ROOT / "claims.yaml")
    assert [entry["id"] for entry in made["claims"]] == [claim.id for claim in stated.claims]
    verdicts = [Verdict(**entry) for entry in made["claims"]]
    assert made["count"] == tally(verdicts)
    assert (ROOT / "CLAIMS.md").read_text() == pages.render(verdicts, stated.unpublished), (
        "CLAIMS.md is stale: run `dvc repro verify`"
    )


def test_readme_is_finished():
    assert not re.findall(r"@[A-Z]+@", (ROOT / "README.md").read_text())


def test_check_fails_if_a_claim_fails(made, tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "params.yaml", tmp_path)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/claims.json").write_text(json.dumps(made))
    good = subprocess.run(
        [sys.executable, ROOT / "stages/verify.py", "--check"], capture_output=True, text=True
    )
    counts = Counter(entry["status"] for entry in made["claims"] if entry["run"] == "live")
    supported, not_supported = counts["PASS"], counts["NOT REPRODUCED"]
    studys = [Verdict(**entry) for entry in made["claims"] if entry["run"] != "live"]
    lines = [
        independent(studys),
        f"claims on the study: {len(studys)}, PASS {len(studys)}, FAIL 0, NOT REPRODUCED 0",
        f"claims on the run live: 31, supported {supported}, not supported {not_supported}",
    ]
    assert (good.returncode, good.stdout.splitlines()) == (0, lines)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"The last line must be `{lines[1]}`" in readme
    made["claims"][3]["status"] = "FAIL"
    (tmp_path / "results/claims.json").write_text(json.dumps(made))
    bad = call("verify", "--check")
    assert (
        bad.returncode == 1
        and "FAIL 1," in bad.stdout.splitlines()[-2]
        and made["claims"][3]["id"] in bad.stdout
    )


def test_a_run_measured_elsewhere_is_judged_by_the_claims_on_live(tmp_path, monkeypatch):
    stated, values = load_claims(ROOT / "claims.yaml").claims, read_yaml(ROOT / "params.yaml")
    values["own"]["texts"] = "posts.parquet"  # which is of the run live alone
    departed = departures(Params.model_validate(values), run="mini")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/mini").mkdir(parents=True)
    row = {"question": "place_among_random", "decided_by": "interval", "p": None, "method": ""}
    rows = [
        row | {"key": "valence", "estimate": 0.02, "ci_low": 0.01, "ci_high": 0.03, "verdict": "holds"},
        row
        | {"key": "arousal", "estimate": 0.0, "ci_low": -0.01, "ci_high": 0.02, "verdict": "inconclusive"},
    ]
    pd.DataFrame(rows).to_csv("results/mini/retests.csv", index=False)
    verdicts = {verdict.id: verdict for verdict in judging.judge_run("mini", stated, departed)}
    assert len(verdicts) == 31 and {(v.run, v.file) for v in verdicts.values()} == {
        ("mini", "results/mini/retests.csv")
    }
    assert verdicts["L4.valence"].word == "supported" and verdicts["L4.arousal"].word == "not supported"
    line = summary(list(verdicts.values()))[-1]
    assert line.startswith("claims on the run mini: 31, supported 1, FAIL 29, not supported 1")
