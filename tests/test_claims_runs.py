"""Verdicts on runs: the stages `claims` and `verify`, CLAIMS.md and the line that `make repro` ends with."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from command import call

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_yaml
from model_emotion.claims import judging, pages, schema
from model_emotion.claims.judging import departures
from model_emotion.claims.schema import load_claims
from model_emotion.claims.verdicts import Verdict, independent, summary, tally
from model_emotion.params import Params, load_params

ROOT = Path(__file__).parents[1]


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


def said(claim, status="PASS"):
    """A verdict on a claim."""
    return Verdict(**claim.stated(), published=1, regenerated=1, difference=0.0, status=status, reason="")


def test_a_comparison_that_does_not_exist_is_named_with_its_claim():
    first, *others = load_claims(ROOT / "claims.yaml").claims
    wrong = first.model_copy(update={"comparison": "roughly"})
    with pytest.raises(UserError, match=f"{first.id}: comparison: 'roughly' is not one of .*value"):
        judging.judge_run("live", [*others, wrong], {})


def test_each_run_is_judged_separately_and_joined_in_order():
    stated = load_claims(ROOT / "claims.yaml").claims
    judged = {
        run: [said(claim) for claim in stated if schema.run_of(claim) == run] for run in ("live", "published")
    }
    assert {verdict.run for verdict in judged["published"]} == {"human", "published"}
    both = schema.joined(stated, judged)
    assert [verdict.id for verdict in both] == [claim.id for claim in stated] and tally(both)["PASS"] == len(
        stated
    )
    alone = schema.joined(stated, {"published": judged["published"]})
    assert {verdict.reason for verdict in alone if verdict.status == "NOT APPLICABLE"} == {
        "the run live was not measured"
    }
    assert {verdict.run for verdict in alone if verdict.status == "NOT APPLICABLE"} == {"live"}
    with pytest.raises(
        UserError, match="results/live/claims.json: no verdict on L1; run `dvc repro claims@live`"
    ):
        schema.joined(stated, judged | {"live": judged["live"][1:]})


def test_claims_on_attribute_masks_are_not_applicable_without_such_masks():
    stated = load_claims(ROOT / "claims.yaml").claims
    departed = departures(load_params(ROOT / "params.yaml"), "spaces")
    verdicts = {verdict.id: verdict for verdict in judging.judge_run("live", stated, departed)[0]}
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
    verdicts = judging.judge_run("live", stated, departed)[0]
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
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copy(ROOT / "claims.yaml", tmp_path)
    call("mask_plan").check_returncode()
    stated = load_claims(ROOT / "claims.yaml").claims
    for run in ("live", "published"):
        of_run = [
            asdict(said(claim, "FAIL" if claim.id == "L4.valence" else "PASS"))
            for claim in stated
            if schema.run_of(claim) == run
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


def test_the_committed_verdicts_are_on_the_committed_claims(committed_verdicts):
    stated = load_claims(ROOT / "claims.yaml")
    assert [entry["id"] for entry in committed_verdicts["claims"]] == [claim.id for claim in stated.claims]
    verdicts = [Verdict(**entry) for entry in committed_verdicts["claims"]]
    assert committed_verdicts["count"] == tally(verdicts)
    assert (ROOT / "CLAIMS.md").read_text() == pages.render(verdicts, stated.unpublished), (
        "CLAIMS.md is stale: run `dvc repro verify`"
    )


def test_readme_is_finished():
    assert not re.findall(r"@[A-Z]+@", (ROOT / "README.md").read_text())


def test_check_fails_if_a_claim_fails(committed_verdicts, tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "params.yaml", tmp_path)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/claims.json").write_text(json.dumps(committed_verdicts))
    good = subprocess.run(
        [sys.executable, ROOT / "stages/verify.py", "--check"], capture_output=True, text=True
    )
    counts = Counter(entry["status"] for entry in committed_verdicts["claims"] if entry["run"] == "live")
    supported, not_supported = counts["PASS"], counts["NOT REPRODUCED"]
    studys = [Verdict(**entry) for entry in committed_verdicts["claims"] if entry["run"] != "live"]
    lines = [
        independent(studys),
        f"claims on the study: {len(studys)}, PASS {len(studys)}, FAIL 0, NOT REPRODUCED 0",
        f"claims on the run live: 31, supported {supported}, not supported {not_supported}",
    ]
    assert (good.returncode, good.stdout.splitlines()) == (0, lines)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"The last line must be `{lines[1]}`" in readme
    committed_verdicts["claims"][3]["status"] = "FAIL"
    (tmp_path / "results/claims.json").write_text(json.dumps(committed_verdicts))
    bad = call("verify", "--check")
    assert (
        bad.returncode == 1
        and "FAIL 1," in bad.stdout.splitlines()[-2]
        and committed_verdicts["claims"][3]["id"] in bad.stdout
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
    verdicts = {verdict.id: verdict for verdict in judging.judge_run("mini", stated, departed)[0]}
    assert len(verdicts) == 31 and {(v.run, v.file) for v in verdicts.values()} == {
        ("mini", "results/mini/retests.csv")
    }
    assert verdicts["L4.valence"].word == "supported" and verdicts["L4.arousal"].word == "not supported"
    line = summary(list(verdicts.values()))[-1]
    assert line.startswith("claims on the run mini: 31, supported 1, FAIL 29, not supported 1")

    pd.DataFrame(rows).assign(key=["arousal", "valence"]).to_csv("results/mini/retests.csv", index=False)
    again = {verdict.id: verdict for verdict in judging.judge_run("mini", stated, departed)[0]}
    assert again["L4.arousal"].word == "supported"  # the same process reads a changed file again


def test_the_claim_on_human_weights_is_judged_by_all_seeds_and_each_attributes_own_random_masks(
    tmp_path, monkeypatch
):
    stated = load_claims(ROOT / "claims.yaml").claims
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/mini").mkdir(parents=True)
    of_all = {"question": "human_correlation_attributes", "decided_by": "interval", "p": None, "method": ""}
    of_all |= {"key": "", "estimate": 0.4, "ci_low": 0.1, "ci_high": 0.6, "verdict": "holds"}
    others = {"key": "random masks pooled", "ci_low": -0.1, "verdict": "inconclusive"}
    pd.DataFrame([of_all | others, of_all]).to_csv("results/mini/retests.csv", index=False)
    verdicts = {verdict.id: verdict for verdict in judging.judge_run("mini", stated, {})[0]}
    assert verdicts["L5"].word == "supported"
