"""make clean and make distclean: what they remove, and what they must not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from repos import git

from model_emotion.project import clean

ROOT = Path(__file__).parents[1]
OUTPUTS = [
    "report.html",
    "results/live/prompts/joy.safetensors",
    "results/report.json",
    "results/times/a.json",
]
WRITTEN = [
    "data/raw/human/a.csv", "data/texts/live.parquet", "data/tokens/a", "data/finished/a", "data/models/a/b",
    ".dvc/cache/files/00/11", ".dvc/tmp/lock", ".venv/bin/python", "tests/__pycache__/a.pyc",
]  # fmt: skip
KEPT = [
    "dvc.yaml", "data/own/posts.csv", "data/notes.txt", "outputs/model", "model-emotion.tar",
    ".dvc/config.local", "paper_figures/live/a.png", "results/live/claims.json", "results/live/mine.csv",
    "results/live/.gitignore", "results/.gitignore",
]  # fmt: skip


@pytest.fixture(params=["git", "no git"])
def project(request, tmp_path, monkeypatch):
    """A project folder with everything that the pipeline writes, with git and without."""
    monkeypatch.chdir(tmp_path)
    for name in [*OUTPUTS, *WRITTEN, *KEPT]:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("text")
    Path("results/live/.gitignore").write_text("/prompts\n/masks.safetensors\n")
    Path("results/.gitignore").write_text("/report.json\n")
    if request.param == "git":
        git("init", "--quiet")
        git("add", "results/live/claims.json", "dvc.yaml")
        git("commit", "--quiet", "--message", "some")
    return tmp_path


def present():
    return {name for name in [*OUTPUTS, *WRITTEN, *KEPT] if Path(name).exists()}


def call(*options, **environment):
    """Run the command without the project's packages, as the machine's Python does."""
    script = [sys.executable, "-I", str(ROOT / "model_emotion/project/clean.py"), *options]
    environment = {name: value for name, value in os.environ.items() if name != "YES"} | environment
    return subprocess.run(script, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment)


def test_clean_says_what_it_removes_and_removes_outputs_alone(project):
    Path("results/live/prompts/joy.safetensors").write_bytes(bytes(1_500_000))
    done = call()
    assert done.returncode == 0, done.stderr
    assert present() == {*WRITTEN, *KEPT}
    assert "      2 MB  results/live/prompts" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == "      2 MB  in all"
    assert call().stdout.split() == ["0", "bytes", "in", "all"]


def test_distclean_removes_everything_written_after_a_yes(project):
    refused = call("--all")
    assert refused.returncode == 1 and refused.stderr.startswith("error: nothing removed")
    assert "data/raw" in refused.stdout and present() == {*OUTPUTS, *WRITTEN, *KEPT}
    done = call("--all", YES="1")
    assert done.returncode == 0, done.stderr
    assert present() == set(KEPT)


@pytest.mark.parametrize(("answer", "removed"), [("y", True), ("", False), ("n", False)])
def test_on_a_terminal_distclean_asks(monkeypatch, answer, removed):
    monkeypatch.delenv("YES", raising=False)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    assert clean.confirmed() is removed


def test_a_folder_with_a_file_that_git_tracks_stays(project):
    if not Path(".git").exists():
        git("init", "--quiet")
    git("add", "--force", "results/live/prompts/joy.safetensors", "data/finished/a")
    assert call("--all", YES="1").returncode == 0
    assert present() == {*KEPT, "results/live/prompts/joy.safetensors", "data/finished/a"}


def test_links_are_removed_and_not_what_they_point_to(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "times").mkdir()
    (elsewhere / "times/a.json").write_text("text")
    clean.remove(Path(), [Path("data/raw"), Path("data/tokens"), Path("results/times")])
    Path("data/raw").symlink_to(elsewhere)
    Path("data/tokens").symlink_to("nowhere")
    assert call("--all", YES="1").returncode == 0
    assert not os.path.lexists("data/raw") and not os.path.lexists("data/tokens")
    assert (elsewhere / "times/a.json").exists()


def test_outputs_behind_a_linked_folder_stay(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "results"
    Path("results").rename(elsewhere)
    Path("results").symlink_to(elsewhere)
    assert call("--all", YES="1").returncode == 0
    assert (elsewhere / "report.json").exists()


def test_without_an_answer_of_git_nothing_is_removed(project):
    subprocess.run(["rm", "-rf", ".git"], check=True)
    Path(".git").write_text("gitdir: /nowhere\n")
    assert "error: git can't tell which files it tracks" in call("--all", YES="1").stderr
    assert present() == {*OUTPUTS, *WRITTEN, *KEPT}


def test_outside_a_checkout_nothing_is_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("report.html").write_text("text")
    assert "dvc.yaml not found" in call("--all", YES="1").stderr
    assert Path("report.html").exists()


def test_every_path_that_git_ignores_is_either_removed_or_named_here(tmp_path):
    """A new output of the pipeline needs a decision: remove it, or keep it as the user's."""
    kept = {"data/own/x", "outputs", "model-emotion.tar", ".dvc/config.local"}
    ignored = [
        line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line[:1] not in "#!"
    ]
    ignored += [f".dvc/{line.strip('/')}" for line in (ROOT / ".dvc/.gitignore").read_text().splitlines()]
    ignored += [f"data/{line.strip('/')}" for line in (ROOT / "data/.gitignore").read_text().splitlines()]
    paths = [line.replace("*.egg-info", "model_emotion.egg-info").replace("*", "x") for line in ignored]
    names = {
        "__pycache__": "tests/__pycache__",
        ".venvx": ".venv",
        ".ipynb_checkpoints": "notebooks/.ipynb_checkpoints",
    }
    paths = [names.get(path, path) for path in paths]
    for path in paths:
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "site/.nojekyll").touch()
    assert set(map(str, clean.paths_to_remove(tmp_path, everything=True))) == set(paths) - kept


def test_a_folder_site_that_make_site_did_not_write_is_kept(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/mine.html").write_text("mine")
    assert Path("site") not in clean.paths_to_remove(tmp_path, everything=True)
    (tmp_path / "site/.nojekyll").touch()
    assert Path("site") in clean.paths_to_remove(tmp_path, everything=False)
