"""`make repro`: it runs stages with committed outputs once per checkout, and rewrites a stale report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_emotion.base.files import read_yaml
from model_emotion.claims import reproduce
from model_emotion.project import stage

ROOT = Path(__file__).parents[1]
PIPELINE = {
    "stages": {
        "measure": {
            "cmd": "cp params.yaml measured",
            "deps": ["params.yaml"],
            "outs": [{"measured": {"cache": True}}],
        },
        "draw": {
            "matrix": {"run": ["one", "two"]},
            "cmd": "cp measured drawn-${item.run}; echo ${item.run} >> log",
            "deps": ["measured"],
            "outs": [{"drawn-${item.run}": {"cache": False, "persist": True}}],
        },
        "join": {
            "cmd": "cat drawn-one drawn-two > joined; echo join >> log",
            "deps": ["drawn-one", "drawn-two"],
            "metrics": [{"joined": {"cache": False}}],
        },
    }
}


def test_only_figures_and_joined_verdicts_are_committed():
    """The stage claims also keeps the compared numbers, which are not in git: it runs on a fresh clone."""
    pipeline = read_yaml(ROOT / "dvc.yaml")
    found = reproduce.stages_with_committed_outputs(pipeline, ["published", "live"])
    assert found == ["figures@published", "figures@live", "verify"]


@pytest.fixture
def fresh_clone(tmp_path, monkeypatch):
    """A fresh clone of a project with committed outputs. Its file `log` names the stages that run in it."""
    made, clone = tmp_path / "made", tmp_path / "clone"
    made.mkdir()
    (made / "dvc.yaml").write_text(json.dumps(PIPELINE))
    (made / "params.yaml").write_text("x: 1\n")
    for command in (
        "git init -q .", "dvc init -q", "dvc config core.analytics false", "dvc repro -q",
        "git add dvc.yaml params.yaml dvc.lock .dvc drawn-one drawn-two joined",
        "git -c user.name=a -c user.email=a@b.invalid commit -qm made", f"git clone -q . {clone}",
    ):  # fmt: skip
        subprocess.run(command.split(), cwd=made, check=True)
    monkeypatch.chdir(clone)
    return clone


def test_stages_that_dvc_skips_on_a_fresh_clone_are_forced_to_run(fresh_clone, monkeypatch):
    subprocess.run(["dvc", "repro", "-q"], check=True)
    assert not (fresh_clone / "log").exists()  # why stages are forced
    stages = reproduce.stages_with_committed_outputs(PIPELINE, ["one", "two"])
    assert stages == ["draw@one", "draw@two", "join"]
    (fresh_clone / stage.TIMES).mkdir(parents=True)
    (fresh_clone / stage.TIMES / "draw@two.json").write_text("{}")
    assert reproduce.never_run(stages) == ["draw@one", "join"]
    reproduce.call("dvc", "repro", "-q", "--force", "--single-item", *reproduce.never_run(stages))
    assert (fresh_clone / "log").read_text().split() == ["one", "join"]
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True
    )
    assert changed.stdout == ""


def test_a_failed_command_ends_the_process_with_its_status(capsys):
    with pytest.raises(SystemExit) as ended:
        reproduce.call(sys.executable, "-c", "raise SystemExit(3)")
    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith("Run the same command again: finished stages and emotions")


def test_the_report_is_current_if_it_contains_the_hash_of_the_summary(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.makedirs("results")
    reproduce.SUMMARY.write_text(json.dumps({"a": 1}))
    assert not reproduce.page_is_current()
    digest = subprocess.run(
        ["sha256sum", reproduce.SUMMARY], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    reproduce.PAGE.write_text(f"<html>{digest}</html>")
    assert reproduce.page_is_current()
    reproduce.SUMMARY.write_text(json.dumps({"a": 2}))
    assert not reproduce.page_is_current()
