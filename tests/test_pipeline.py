"""The pipeline names what it uses, and keeps private data private."""

import ast
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import repos
import surveys
from reading import STAGES, paths

from model_emotion.base.files import read_yaml
from model_emotion.figures import catalogue

ROOT = Path(__file__).parents[1]
FREE = ("model_emotion/project/", "model_emotion/params.py", "model_emotion/__init__.py")
"""What stages load and no result depends on: how a stage starts and ends, checks of params.yaml, records."""


def module_file(name):
    """'model_emotion.rsa.rdm' -> its file, None for anything that is not the library's."""
    path = Path(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if (ROOT / file).is_file() and file.parts[0] == "model_emotion":
            return file.as_posix()
    return None


def imports(file):
    """Library files that a file imports, at its head or inside a function."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found |= {module for name in names if (module := module_file(name))}
    return found


def closure(file):
    """All library files that a stage needs, FREE ones not followed."""
    needed, todo = set(), [file]
    while todo:
        for module in imports(todo.pop()) - needed:
            if not module.startswith(FREE):
                needed.add(module)
                todo.append(module)
    return needed


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_names_the_modules_that_it_needs_and_no_others(stage):
    named = {path for path in paths(stage, "deps") if path.startswith("model_emotion")}
    needed = {module for module in closure(f"stages/{stage}.py") if Path(ROOT / module).read_text().strip()}

    def covered(module, by):
        return any(module == path or module.startswith(path + "/") for path in by)

    assert not {module for module in needed if not covered(module, named)}, "used, not named"
    assert not {path for path in named if not any(covered(module, [path]) for module in needed)}, (
        "named, not used"
    )
    assert f"stages/{stage}.py" in paths(stage, "deps")


def test_raw_files_are_never_pushed_nor_committed():
    for stage, of in STAGES.items():
        for out in of.get("outs", []):
            if isinstance(out, dict) and next(iter(out)).startswith("data/raw"):
                assert out[next(iter(out))]["push"] is False
            else:
                assert not str(out).startswith("data/raw"), f"{stage} would push {out}"
    ignored = subprocess.run(["git", "check-ignore", "-q", "data/raw/human/x.csv"], cwd=ROOT)
    assert ignored.returncode == 0


def test_what_python_compiles_changes_no_stage():
    deps = {path for stage in STAGES for path in paths(stage, "deps") if path.startswith("model_emotion")}
    for folder in filter(lambda path: (ROOT / path).is_dir(), deps):
        checked = repos.dvc("check-ignore", "--quiet", f"{folder}/__pycache__/x.cpython-311.pyc", cwd=ROOT)
        assert checked.returncode == 0, folder


def test_dvc_plots_every_figure(tmp_path):
    """DVC shows each image in the folders that dvc.yaml names, and does not complain of other files."""
    plots = [plot for plot in read_yaml(ROOT / "dvc.yaml")["plots"] if isinstance(plot, str)]
    image = next((ROOT / "paper_figures/published").glob("*.png"))
    figures = [(run, entry.name) for run in ("published", "live") for entry in catalogue.entries(run)]
    for run, name in figures:
        folder = tmp_path / "paper_figures" / run
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, folder / f"{name}.png")
        (folder / "README.md").write_text("# Figures")
    shutil.copy(ROOT / ".dvcignore", tmp_path)
    (tmp_path / "dvc.yaml").write_text(json.dumps({"plots": plots}))
    repos.dvc("init", "--quiet", "--no-scm", cwd=tmp_path).check_returncode()
    shown = repos.dvc("plots", "show", "--out", "plots", cwd=tmp_path)
    assert shown.returncode == 0 and "failed" not in shown.stdout + shown.stderr
    page = (tmp_path / "plots/index.html").read_text()
    names = [f"static/workspace_paper_figures_{run}_{name}.png" for run, name in figures]
    assert [name for name in names if name not in page] == []


def test_learning_curves_are_plotted(tmp_path):
    """DVC plots the folder of learning curves that dvc.yaml names; it hardly complains if it can't."""
    (plot,) = [entry for entry in read_yaml(ROOT / "dvc.yaml")["plots"] if isinstance(entry, dict)]
    (folder,) = plot
    (tmp_path / folder).mkdir(parents=True)
    for seed, accuracy in ((1, 0.625), (42, 0.8125)):
        (tmp_path / folder / f"{seed}.csv").write_text(
            f"epoch,train_loss,dev_accuracy\n1,0.7,0.5\n2,0.6,{accuracy}\n"
        )
    (tmp_path / "dvc.yaml").write_text(json.dumps({"plots": [plot]}))
    repos.dvc("init", "--quiet", "--no-scm", cwd=tmp_path).check_returncode()
    shown = subprocess.run(
        ["dvc", "plots", "show", "--out", "plots"], cwd=tmp_path, capture_output=True, text=True
    )
    page = (tmp_path / "plots/index.html").read_text()
    assert "failed" not in shown.stdout + shown.stderr and "0.625" in page and "0.8125" in page


def test_no_output_has_two_makers():
    outs = [path for stage in STAGES for kind in ("outs", "metrics", "plots") for path in paths(stage, kind)]
    assert len(outs) == len(set(outs))


def test_no_id_or_story_in_the_results_here(private):
    """The same for the tables, records and pages of this checkout at full size, if it has any."""
    files = [
        path for top in ("results", "paper_figures") for path in (ROOT / top).rglob("*") if path.is_file()
    ]
    texts = [
        path
        for path in [*files, ROOT / "CLAIMS.md", ROOT / "dvc.lock"]
        if path.suffix in (".csv", ".json", ".md", ".lock")
    ]
    assert surveys.leaks(private, *(path.read_bytes() for path in texts)) == []
