"""report.html as text: it is self-contained, and says what the files say."""

import base64
import gzip
import hashlib
import json
import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from report_page import ROOT, RUNS, Tags, claims, needs_published, needs_results

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_yaml
from model_emotion.claims.verdicts import read, summary
from model_emotion.params import load_params
from model_emotion.report import cards, content, hypotheses, machine
from model_emotion.report.page import packed, render, script_json


@needs_results
def test_it_is_self_contained_and_small(text):
    assert len(text.encode()) < 5e6
    tags = Tags(text).tags
    outward = [
        (tag, of[name]) for tag, of in tags for name in ("src", "href", "action", "data") if of.get(name)
    ]
    assert all(address.startswith(("#", "data:")) for _, address in outward), outward
    ids = [of["id"] for _, of in tags if "id" in of]
    assert len(ids) == len(set(ids)) and {
        address[1:] for _, address in outward if address.startswith("#")
    } <= set(ids)
    assert "@import" not in text and "url(" not in text


def test_the_libraries_of_the_charts_are_the_published_files():
    folder = ROOT / "model_emotion/report/vendor"
    libraries = read_yaml(folder / "libraries.yaml")
    named = [one[key] for one in libraries for key in ("file", "licence_text")]
    assert sorted([*named, "libraries.yaml"]) == sorted(path.name for path in folder.iterdir())
    for one in libraries:
        text = (folder / one["file"]).read_bytes()
        assert hashlib.sha256(text).hexdigest() == one["sha256"]
        assert f"v{one['version']} " in text[:200].decode()
        assert set(re.findall(rb"//([\w-]+(?:\.[\w-]+)+)", text)) <= {b"d3js.org", b"www.w3.org"}
        assert "Permission to use, copy, modify" in (folder / one["licence_text"]).read_text()


@needs_results
def test_the_page_contains_the_libraries_and_their_licences(text):
    found = re.search(r'<script type="application/json" id="library">(.+?)</script>', text)[1]
    script = gzip.decompress(base64.b64decode(json.loads(found))).decode()
    for path in (ROOT / "model_emotion/report/vendor").iterdir():
        assert path.suffix == ".yaml" or path.read_text(encoding="utf-8") in script


@needs_results
def test_it_shows_every_claim_with_its_verdict_even_without_javascript(text):
    said = Tags(text).text
    every = [claim for run in RUNS for claim in claims(run)]
    for claim in every:
        assert claim["id"] in said and claim["claim"] in said
    verdicts = [verdict for run in RUNS for verdict in read(ROOT / f"results/{run}/claims.json")]
    for word in {verdict.word for verdict in verdicts}:
        assert text.count(f'data-status="{word}"') == sum(verdict.word == word for verdict in verdicts)
    assert all(line in said for line in summary(verdicts))  # as `make repro` ends
    studys = [claim for claim in every if claim["run"] != "live"]
    assert (
        f"{sum(c['status'] == 'PASS' for c in studys)} of {len(studys)} published values are regenerated."
        in said
    )
    assert "<stricter>" in said and "<stricter>" not in text  # markup in a name is no markup


@needs_results
def test_it_shows_every_question_of_the_retests_in_words(text):
    said = Tags(text).text
    for run in RUNS:
        table = pd.read_csv(ROOT / f"results/{run}/retests.csv")
        assert set(table["question"]) <= set(content.QUESTIONS)
        assert all(content.QUESTIONS[question] in said for question in table["question"].unique())


@needs_results
def test_it_gives_the_significance_level_of_the_stars(text):
    # above the bars, where a button explains q, and in two rows of the summary
    assert len(re.findall(r"q(?:</button>)? &lt; \.02\b", text)) == 3


@needs_results
def test_it_shows_how_the_model_was_measured(text):
    said = Tags(text).text
    record = json.loads((ROOT / "results/live/provenance/prompts.json").read_text())
    assert record["cpu"] in said and record["packages"]["torch"] in said and str(record["seconds"]) in said


@needs_results
def test_the_runs_are_compared_in_one_table(text):
    (table,) = re.findall(
        r'<table class="cards">\s*<thead><tr><th scope="col">measure.*?</table>', text, re.S
    )
    rows = re.findall(r'<tr class="hypothesis">.*?</tr>', table, re.S)
    assert len(rows) == 4
    found = cards.cards({run: hypotheses.table(run, content.verdicts(RUNS)) for run in RUNS})
    for line, card in zip(rows, found, strict=True):
        assert re.findall(r">([^<>]+)</span>", line) == [answer.verdict for answer in card.answers]


@needs_published
def test_a_page_of_the_published_run_alone_needs_no_live_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    runs = ["published"]
    judged = content.verdicts(runs)
    details = content.details(runs, judged, load_params().figures.model_dump(), 0.05)
    text = render(content.summary(runs, judged) | details | machine.describe(runs) | {"digest": ""})
    assert "How the model was measured" not in text and "make report  #" not in text
    assert "python -m stages.report --run published  #" in text and "model measured here" not in text


def test_experiments_are_compared_with_their_baseline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("experiments", "results/live"):
        Path(folder).mkdir(parents=True)
    for name, base in (("small", None), ("other", "small")):
        text = {"question": f"{name}?", "settings": [{"key": "a.b", "value": 1}]} | (
            {"base": base} if base else {}
        )
        Path(f"experiments/{name}.yaml").write_text(json.dumps(text))

    def commit(message, settings, accuracy):
        Path("params.yaml").write_text(json.dumps(settings))
        Path("results/live/metrics.json").write_text(
            json.dumps({"mean_accuracy": accuracy, "drop": {"valence": 0.01}})
        )
        Path("results/live/claims.json").write_text(json.dumps({"count": {"PASS": 2}}))
        for words in (
            ["add", "."],
            ["-c", "user.name=x", "-c", "user.email=x@x.invalid", "commit", "-qm", message],
        ):
            subprocess.run(["git", *words], check=True)
        return subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()

    subprocess.run(["git", "init", "-q"], check=True)
    start = commit("start", {"a": {"b": 1}, "c": 1}, 0.7)
    for name, settings, accuracy in (
        ("small", {"a": {"b": 2}, "c": 1}, 0.71),
        ("other", {"a": {"b": 2}, "c": 3}, 0.72),
    ):
        reference = f"refs/exps/{start[:2]}/{start[2:]}/{name}"
        subprocess.run(["git", "update-ref", reference, commit(name, settings, accuracy)], check=True)
    subprocess.run(["git", "update-ref", "refs/exps/exec/EXEC_HEAD", start], check=True)
    small, other = machine.compared_experiments()
    assert (small["name"], small["against"], small["set"], small["mean_accuracy"]) == (
        "small",
        start[:7],
        {"a.b": 2},
        0.71,
    )
    assert (other["name"], other["against"], other["set"], other["question"]) == (
        "other",
        "small",
        {"c": 3},
        "other?",
    )
    assert other["held"] == 2 and other["drop"] == {"valence": 0.01} and other["human_correlation"] is None


def test_json_in_a_script_cannot_end_the_script():
    held = {"a": "</script><script>alert(1)</script><!--"}
    assert (
        "</script" not in script_json(held)
        and "<!--" not in script_json(held)
        and json.loads(script_json(held)) == held
    )


def test_packing_is_deterministic():
    assert packed(b"tau" * 100) == packed(b"tau" * 100) and len(packed(b"tau" * 1000)) < 100


def test_a_missing_result_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"results/published/claims\.json: not found; run `make"):
        content.made_from(["published"])


@needs_results
def test_the_summary_names_every_file_with_its_hash(monkeypatch):
    monkeypatch.chdir(ROOT)
    made_from = content.made_from(RUNS)
    assert (
        made_from["results/live/metrics.json"]
        == hashlib.sha256(Path("results/live/metrics.json").read_bytes()).hexdigest()
    )
    named = read_yaml("dvc.yaml")["stages"]["report"]["deps"]
    assert all(any(path == dep or path.startswith(f"{dep}/") for dep in named) for path in made_from)


@needs_published
def test_readme_quotes_the_last_line_of_make_published():
    quick_start = (ROOT / "README.md").read_text().split("## Quick start")[1].split("\n## ")[0]
    *_, last_line = summary(read(ROOT / "results/published/claims.json"))
    assert f"The last line must be `{last_line}`." in quick_start
