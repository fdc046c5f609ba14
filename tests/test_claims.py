"""claims.yaml and `verify`: a wrong result is a FAIL, whatever the claim; a changed study is not."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from model_emotion import claims
from model_emotion.claims import Claim, departures, judge, load_claims, summary
from model_emotion.cli import UserError
from model_emotion.params import Params

ROOT = Path(__file__).parents[1]


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty project folder with one small table of results; returns a function that judges a claim about it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/published").mkdir(parents=True)
    table = pd.DataFrame({"k": [1, 1, 2], "emotion": ["joy", "fear", "joy"], "drop": [0.25, -0.5, 0.125], "star": [True, False, True]})
    table.to_csv("results/published/drops.csv", index=False)
    claims._answers.cache_clear()

    def of(**claim):
        base = {"id": "T", "claim": "made up", "source": "here", "run": "published", "file": "drops.csv", "kind": "rounded"}
        return judge(Claim(**(base | claim)), {})

    yield of
    claims._answers.cache_clear()


@pytest.mark.parametrize(
    ("claim", "right", "wrong"),
    [
        ({"measure": "value", "where": "k == 2", "column": "drop"}, 0.125, 0.126),
        ({"measure": "count", "where": "star"}, 2, 3),
        ({"measure": "mean", "where": "k == 1", "column": "drop"}, -0.125, 0.125),
        ({"measure": "most_sum", "by": "emotion", "column": "drop"}, "joy", "fear"),
        ({"measure": "least_sum", "by": "emotion", "column": "drop"}, "fear", "joy"),
        ({"measure": "most_mean", "by": "emotion", "column": "drop"}, "joy", "fear"),
        ({"measure": "least_mean", "by": "emotion", "column": "drop"}, "fear", "joy"),
    ],
)
def test_each_measure_passes_what_is_right_and_fails_what_is_not(results, claim, right, wrong):
    assert results(**claim, published=right).status == "PASS"
    assert results(**claim, published=wrong).status == "FAIL"
    assert results(**claim, published=wrong, reason="because").status == "NOT REPRODUCED"


def test_a_tolerance_is_a_limit(results):
    claim = {"measure": "value", "where": "k == 2", "column": "drop", "tolerance": 0.01}
    assert results(**claim, published=0.134).status == "PASS"
    assert results(**claim, published=0.136).status == "FAIL"


@pytest.mark.parametrize(
    "claim",
    [
        {"measure": "value", "where": "k == 1", "column": "drop", "published": 1},  # two rows
        {"measure": "value", "where": "k == 2", "column": "dorp", "published": 1},
        {"measure": "count", "where": "stars", "published": 1},
        {"measure": "count", "file": "none.csv", "published": 1},
        {"measure": "value", "where": "k == 2", "column": "drop", "published": "0.125"},  # typed as a word
    ],
)
def test_a_claim_that_is_not_answered_fails(results, claim):
    assert results(**claim).status == "FAIL"


def test_nan_never_passes(results):
    pd.DataFrame({"drop": [float("nan")]}).to_csv("results/published/nan.csv", index=False)
    assert results(measure="value", file="nan.csv", where="drop != drop", column="drop", published=0.5, tolerance=9).status == "FAIL"


def test_the_projects_claims_are_good_and_cover_the_catalogue():
    stated = load_claims(ROOT / "claims.yaml")
    covered = {claim.id.split(".")[0] for claim in stated.claims} | {entry.id.split(".")[0] for entry in stated.unpublished}
    wanted = {"A": 5, "B": 2, "C": 2, "D": 5, "E": 11}
    assert covered == {f"{letter}{number}" for letter, last in wanted.items() for number in range(1, last + 1)} | {"F"}
    for claim in stated.claims:
        assert claim.published is None or not isinstance(claim.published, str) or claim.measure.startswith(("least", "most")), claim.id


def test_every_unpublished_result_names_a_test_that_exists():
    for entry in load_claims(ROOT / "claims.yaml").unpublished:
        file, test = entry.test.split("::")
        assert f"def {test}(" in (ROOT / file).read_text(), entry.id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claims: [{id: X}]", "claims.0.claim Field required"),
        ("claims: [", "while parsing"),
    ],
)
def test_malformed_claims_are_named(tmp_path, text, message):
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
    ],
)
def test_a_changed_setting_makes_the_claims_that_suppose_it_not_applicable(change, setting, spared):
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert departures(Params.model_validate(values)) == {}
    change(values)
    departed = departures(Params.model_validate(values))
    assert set(departed) == {setting}
    stated = load_claims(ROOT / "claims.yaml").claims
    touched = [claim for claim in stated if setting in claim.supposes]
    verdicts = [judge(claim, departed) for claim in touched]
    assert {verdict.status for verdict in verdicts} == {"NOT APPLICABLE"}
    assert summary(verdicts).endswith(f"NOT APPLICABLE {len(verdicts)}")
    assert spared not in {claim.id for claim in touched}


def test_what_the_authors_released_is_supposed_where_it_is_used():
    for claim in load_claims(ROOT / "claims.yaml").claims:
        assert (claim.run == "published") == ("study" in claim.supposes), claim.id
        assert ("star" not in claim.id or claim.run == "human") or "drop_alpha" in claim.supposes, claim.id


@pytest.fixture
def made():
    """results/claims.json of this checkout."""
    path = ROOT / "results/claims.json"
    if not path.exists():
        pytest.skip("nothing is verified yet: run `make repro` first")
    return json.loads(path.read_text())


def test_the_committed_verdicts_are_of_the_committed_claims(made):
    stated = load_claims(ROOT / "claims.yaml")
    assert [entry["id"] for entry in made["claims"]] == [claim.id for claim in stated.claims]
    verdicts = [claims.Verdict(**entry) for entry in made["claims"]]
    assert made["count"] == claims.tally(verdicts)
    assert (ROOT / "CLAIMS.md").read_text() == claims.render(verdicts, stated.unpublished), "CLAIMS.md is stale: run `dvc repro verify`"


def test_readmes_table_is_of_these_verdicts(made):
    block = claims.readme_block([claims.Verdict(**entry) for entry in made["claims"]])
    readme = (ROOT / "README.md").read_text()
    assert block in readme, "README's table is stale: run `make readme`"
    assert summary([claims.Verdict(**entry) for entry in made["claims"]]) in readme, "README's last line of `make repro` is stale"


def test_readme_is_finished():
    assert not re.findall(r"@[A-Z]+@", (ROOT / "README.md").read_text())


def test_check_fails_where_a_claim_fails(made, tmp_path):
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "params.yaml", tmp_path)

    def check():
        (tmp_path / "results/claims.json").write_text(json.dumps(made))
        return subprocess.run([sys.executable, ROOT / "stages/verify.py", "--check"], cwd=tmp_path, capture_output=True, text=True)

    good = check()
    counts = made["count"]
    line = f"claims: {len(made['claims'])}, PASS {counts['PASS']}, FAIL 0, NOT REPRODUCED {counts['NOT REPRODUCED']}"
    assert (good.returncode, good.stdout.strip()) == (0, line)
    made["claims"][3]["status"] = "FAIL"
    bad = check()
    assert bad.returncode == 1 and "FAIL 1," in bad.stdout.splitlines()[-1] and made["claims"][3]["id"] in bad.stdout
