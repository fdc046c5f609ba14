"""The run `published` on a part of the study's files: interruptions, parameters, and no id or story.

`make repro` runs it on all of them.
"""

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
import surveys
from PIL import Image
from reading import STAGES, paths

from model_emotion.base.files import parse_yaml, read_yaml
from model_emotion.figures import catalogue

ROOT = Path(__file__).parents[1]
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
            shutil.copy2(ROOT / name, folder / name)  # with its time, to which compiled code belongs
    for compiled in (ROOT / "model_emotion").rglob("__pycache__/*"):
        if compiled.suffix in (".pyc", ".nbi", ".nbc"):  # not what another process is writing
            (folder / compiled.relative_to(ROOT)).parent.mkdir(exist_ok=True)
            shutil.copy2(compiled, folder / compiled.relative_to(ROOT))
    if "MODEL_EMOTION_MIRROR" not in os.environ and (ROOT / "data/raw").is_dir():
        shutil.copytree(ROOT / "data/raw", folder / "data/raw")
    (folder / "params.yaml").write_text(reduced((ROOT / "params.yaml").read_text()))
    for registry in (folder / "data/registry").iterdir():
        registry.write_text(
            "".join(line for line in registry.read_text().splitlines(True) if of_the_grid(line))
        )
    # DVC reads and writes this file whole after each stage, with all entries of the other runs.
    (folder / "dvc.lock").unlink()
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


ONCE = ("fetch@", "goemotions", "attributes", "similarity", "figures@")
"""Stages that are not repeated here: downloads have hashes, and tests of the others compare two runs.

tests/test_figures.py draws each figure twice. tests/test_processors.py has `attributes` and `similarity`.
"""


def repro(folder, *words):
    """`dvc repro` of the published run, or with these words, started in a process group of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = ["dvc", "repro", *(words or PUBLISHED)]
    return subprocess.Popen(command, cwd=folder, start_new_session=True, **pipes)


def ran(printed):
    """Names of the stages that DVC ran, in this order."""
    return list(dict.fromkeys(re.findall("Running stage '([^']+)'", printed)))


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

    stages = [name for name in ran(completed) if not name.startswith(ONCE)]
    repeated = {"published", "searchlight@published", "drops@published", "retests@published"}
    assert repeated | {"claims@published"} <= set(stages) and "figures@published" in ran(completed)
    again = repro(clone, "--force", "--single-item", *stages)  # once more, undisturbed
    printed, _ = again.communicate()
    assert again.returncode == 0 and ran(printed) == stages, printed
    assert digests(clone) == made

    drawn = list((clone / "paper_figures/published").glob("*.png"))
    assert len(drawn) > 25 and {round(Image.open(path).info["dpi"][0]) for path in drawn} == {60}

    written = [surveys.readable(clone / name) for name in [*made, "CLAIMS.md", "dvc.lock"]]
    assert surveys.leaks(private, completed, printed, *written) == []


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
    redrawn = repro(clone, "--dry", *PUBLISHED)  # name what would run; nothing in PUBLISHED follows from it
    printed, _ = redrawn.communicate()
    (clone / "params.yaml").write_text(text)
    assert redrawn.returncode == 0, printed
    assert ran(printed) == ["figures@published"]


def test_what_belongs_to_the_run_measured_here_leaves_the_published_one_alone(completed, clone):
    text, changed = (clone / "params.yaml").read_text(), "top_k: [0.2]\n"
    text = text.replace("seeds: [1]\n", "seeds: [1, 2]\n").replace("ranking: attributes", "ranking: spaces")
    text = text.replace(next(line for line in text.splitlines(True) if line.startswith("top_k:")), changed)
    (clone / "params.yaml").write_text(text)
    running = repro(clone)
    printed, _ = running.communicate()
    assert running.returncode == 0, printed
    # These stages read the parameters of both runs; nothing follows from them for the published run.
    assert {"mask_plan"} <= set(ran(printed)) <= {"mask_plan", "targets@published"}, printed


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

    shutil.rmtree("data/finished")  # so that the prompts are trained again
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
