"""The pipeline names what it uses, keeps private data private, and survives any interruption."""

import ast
import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import reading
import repos

from model_emotion.base.files import parse_yaml, read_yaml
from model_emotion.figures import catalogue

ROOT = Path(__file__).parents[1]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]
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


def paths(stage, kind):
    """The stage's deps or outs as plain paths, matrix not filled in."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in STAGES[stage].get(kind, [])]


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


# The run `published` on a part of the study's files. `make repro` runs it on all of them.


GRID = {
    "emotions": ["joy", "love", "anger", "fear", "grief", "sadness", "pride", "remorse"],
    "seeds": [1, 3, 5, 7],
}
GRID["top_k"] = [3000, 4000]
"""The part of the study's grid, instead of 27 emotions, 12 seeds and 7 sizes of masks."""
SAMPLES = 100
"""Random samples of every bootstrap and permutation test, instead of thousands."""


def reduced(text):
    """params.yaml's text with the smaller grid and fewer samples."""
    for key, values in GRID.items():
        text, found = re.subn(rf"(?<=\n  ){key}: \[[^]]*\]", f"{key}: [{', '.join(map(str, values))}]", text)
        assert found == 1, key
    text, found = re.subn(r"samples: \d+", f"samples: {SAMPLES}", text)
    assert found == 3
    return text.replace("dpi: 200", "dpi: 60")


def of_the_grid(line):
    """Whether a line of a registry is a comment, or names a file that the smaller grid needs."""
    name = re.search(r"/(\w+)-(\d+)\.(csv|json) ", line)
    return not name or (name[1] in GRID["emotions"] and int(name[2]) in GRID["seeds"])


@pytest.fixture(scope="module")
def clone(raw, tmp_path_factory):
    """A copy of the working tree's tracked and new files with the smaller grid (and inputs)."""
    raw("human", "Data/raw_data/subjective_comparison/emotions.txt")  # skips where nothing can be had
    folder = tmp_path_factory.mktemp("clone")
    for name in repos.git("ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT).split(
        "\0"
    ):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    if "MODEL_EMOTION_MIRROR" not in os.environ and (ROOT / "data/raw").is_dir():
        shutil.copytree(ROOT / "data/raw", folder / "data/raw")
    (folder / "params.yaml").write_text(reduced((ROOT / "params.yaml").read_text()))
    for registry in (folder / "data/registry").iterdir():
        registry.write_text(
            "".join(line for line in registry.read_text().splitlines(True) if of_the_grid(line))
        )
    repos.git("init", "--quiet", cwd=folder)
    yield folder
    shutil.rmtree(folder)


def test_the_smaller_grid_is_the_only_difference():
    """Beside it, numbers of random samples and the resolution of figures are all that differs."""
    text = (ROOT / "params.yaml").read_text()
    small, whole = parse_yaml(reduced(text)), parse_yaml(text)
    assert small.pop("study") == whole.pop("study") | GRID
    assert small["figures"].pop("dpi") < whole["figures"].pop("dpi")
    for name in ("bootstrap", "parallel", "permutations"):
        assert small["analysis"][name].pop("samples") < whole["analysis"][name].pop("samples")
    assert small == whole


PUBLISHED = ("figures@published", "retests@published", "claims@published")
"""What is made of the run `published`; tests/test_live.py has the other run's stages, on a tiny model."""


def repro(folder, *options):
    """`dvc repro` of the published run, started in a process group of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(
        ["dvc", "repro", *options, *PUBLISHED], cwd=folder, start_new_session=True, **pipes
    )


def stamps(folder, stage):
    """{file: time of its last change} of a stage's outputs, even half written. stage: searchlight@live."""
    name, _, run = stage.partition("@")
    files = set()
    for out in (
        out.replace("${item.run}", run) for kind in ("outs", "metrics", "plots") for out in paths(name, kind)
    ):
        path = folder / out
        files |= {path, *path.parent.glob(f".{path.name}*.part"), *(path.rglob("*") if path.is_dir() else [])}
    return {file: file.stat().st_mtime_ns for file in files if file.is_file()}


def digests(folder):
    """sha256 of every result and figure; how long stages took is neither."""
    files = [
        path for top in ("results", "paper_figures") for path in (folder / top).rglob("*") if path.is_file()
    ]
    files = [path for path in files if path.parent.name != "times"]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def forget(folder, stage):
    """Make DVC run a stage again: without its entry in dvc.lock and the cache of runs."""
    lock = folder / "dvc.lock"
    entries = read_yaml(lock)
    del entries["stages"][stage]
    lock.write_text(json.dumps(entries))
    shutil.rmtree(folder / ".dvc/cache/runs", ignore_errors=True)


@pytest.fixture(scope="module")
def completed(clone):
    """What the run printed that was killed in the middle of four stages and then completed in the clone."""
    log = ""
    for stage in ("published", "searchlight@published", "figures@published", "claims@published"):
        for _ in range(3):  # on a busy machine, a short stage can end before it is killed
            running = repro(clone)
            for line in running.stdout:
                log += line
                if f"Running stage '{stage}'" in line:
                    break
            before = stamps(clone, stage)
            while running.poll() is None and stamps(clone, stage) == before:
                time.sleep(0.01)
            if running.poll() is None:
                break
            forget(clone, stage)
        assert running.poll() is None, f"{stage} was not killed in the middle"
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    whole = repro(clone)
    printed, _ = whole.communicate()
    assert whole.returncode == 0, printed
    return log + printed


def test_killed_anywhere_it_completes_with_the_same_bytes(completed, clone, private):
    made = digests(clone)
    assert len(made) > 60 and not [name for name in made if name.endswith(".part")]

    again = repro(clone, "--force")  # every stage once more, undisturbed
    printed, _ = again.communicate()
    assert again.returncode == 0, printed
    assert digests(clone) == made

    text = (
        completed
        + printed
        + "".join(
            (clone / name).read_bytes().decode(errors="ignore") for name in [*made, "CLAIMS.md", "dvc.lock"]
        )
    )
    assert [place for place, secret in enumerate(sorted(private)) if secret in text] == []


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
    text = "".join(path.read_text() for path in texts)
    assert [place for place, secret in enumerate(sorted(private)) if secret in text] == []


def test_with_nothing_to_do_nothing_runs_and_a_figures_parameter_redraws_only_figures(completed, clone):
    idle = repro(clone)
    printed, _ = idle.communicate()
    assert idle.returncode == 0 and "Running stage" not in printed, printed
    text, before = (clone / "params.yaml").read_text(), digests(clone)
    wrong = text.replace("figures:\n  top_k: 4000", "figures:\n  top_k: 999").replace(
        "kind: binary", "kind: floaty"
    )
    (clone / "params.yaml").write_text(wrong)
    refused = repro(clone)
    printed, _ = refused.communicate()
    assert refused.returncode != 0 and "params.yaml: " in printed
    assert digests(clone) == before, "a refused parameter must lose nothing"
    (clone / "params.yaml").write_text(text.replace("emotion: remorse", "emotion: grief"))
    drawn = repro(clone)
    printed, _ = drawn.communicate()
    assert drawn.returncode == 0, printed
    assert [line for line in printed.splitlines() if "Running stage" in line] == [
        "Running stage 'figures@published':"
    ]


def test_what_belongs_to_the_run_measured_here_leaves_the_published_one_alone(completed, clone):
    text, changed = (clone / "params.yaml").read_text(), "top_k: [0.2]\n"
    text = text.replace("seeds: [1]\n", "seeds: [1, 2]\n").replace("ranking: attributes", "ranking: spaces")
    text = text.replace(next(line for line in text.splitlines(True) if line.startswith("top_k:")), changed)
    (clone / "params.yaml").write_text(text)
    running = repro(clone)
    printed, _ = running.communicate()
    assert running.returncode == 0, printed
    ran = [line.split("'")[1] for line in printed.splitlines() if "Running stage" in line]
    # These stages read the parameters of both runs; nothing follows from them for the published run.
    assert "mask_plan" in ran and set(ran) <= {"mask_plan", "targets@published"}, ran


def test_a_stage_reads_every_parameter_that_it_names_and_no_other(completed, clone, measured, monkeypatch):
    """Call the stages of the run live on a tiny model, and those of the run published in the clone."""
    monkeypatch.setattr(catalogue, "entries", lambda run: [])  # nothing is drawn
    Path("paper_figures/live").mkdir(parents=True)
    shutil.copytree(clone / "results/published", "results/published", dirs_exist_ok=True)
    for name in ("claims.yaml", "data/figure_readings.csv"):
        shutil.copy(ROOT / name, name)
    read = {name: set() for name in STAGES}

    def call(name, *options):
        takes_run = "matrix" in STAGES[name] or name == "report"
        monkeypatch.setattr(sys, "argv", ["stage", *(options if takes_run else [])])
        with reading.recorded() as leaves:
            importlib.import_module(f"stages.{name}").main()
        read[name] |= leaves

    shutil.rmtree("data/cells")  # so that the prompts are trained again
    for folder in ("prompts", "correct"):
        shutil.rmtree(f"results/live/{folder}")
    of_live = "targets prompts activations evaluation searchlight masks drops retests figures claims"
    for name in of_live.split():
        call(name, "--run", "live")
    Path("data/own").mkdir()
    shutil.copy("results/human/attributes.csv", "data/own/ratings.csv")
    shutil.copy("data/goemotions.parquet", "data/own/texts.parquet")
    measured("own.attributes", "ratings.csv", "own.texts", "texts.parquet")
    call("targets", "--run", "live")
    monkeypatch.chdir(clone)
    for name in ("attributes", "similarity", "published", "mask_plan", "verify", "report"):
        call(name, "--run", "published")
    for name, leaves in read.items():
        assert not reading.undeclared(name, leaves), f"{name} reads them, dvc.yaml does not name them"
        unread = [
            named
            for named in STAGES[name].get("params", [])
            if named not in reading.FREE and not any(reading.is_below(leaf, named) for leaf in leaves)
        ]
        assert not unread, f"dvc.yaml names them for {name}, which does not read them"
