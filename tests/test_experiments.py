"""Named experiments: each file fits params.yaml, DVC applies its settings, the checkout is unchanged.

Also the costs of a run: its examples, counted, and the table of GPUs in docs/cluster.md.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import repos
from dvc.utils.hydra import apply_overrides

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_yaml
from model_emotion.params import load_params
from model_emotion.project import experiments

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in (ROOT / "experiments").glob("*.yaml"))


MEASUREMENT = ("activations.safetensors", "accuracy.csv", "masked_accuracy.csv", "mask_plan.json")
STAGE = r"""
import json, sys, time
from pathlib import Path
import numpy as np
from model_emotion.base import study
from model_emotion.base.files import write_tensors
from model_emotion.live.cache import Cache
from model_emotion.params import load_params
p = load_params()
cache = Cache("cells", {"a": p.protocol.split, "b": p.protocol.split})
for name in cache.missing():
    cache.write(name, {}, {})
    Path("log").open("a").write(name)
    if Path("slow").exists():
        time.sleep(20)
for folder in ("provenance", "learning_curves"):
    Path("results/live", folder).mkdir(parents=True, exist_ok=True)
Path("results/live/provenance/write.json").write_text(json.dumps({"seconds": time.time()}))
seed = {"dev": 1, "test": 3}[p.protocol.split]
for path in Path("results/live/learning_curves").glob("*.csv"):
    path.unlink()
Path(f"results/live/learning_curves/{seed}.csv").write_text("")

# A measurement of two layers of three neurons, as `make export-run` reads it.
axes = {"seeds": [seed], "emotions": p.emotions, "layers": 2, "width": 3, "backbone": p.backbone.name}
values = np.random.default_rng(0).random((1, len(p.emotions), 6), np.float32)
write_tensors({"activations": values}, "results/live/activations.safetensors", axes)
plan = {"ranking": "attributes", "kind": p.masks.kind, "baseline": "uniform", "seed": 1, "ranking_seeds": []}
plan["sizes"] = [{"k": 2, "draws": 1, "attributes": True, "permuted": 0}]
Path("results/live/mask_plan.json").write_text(json.dumps(plan))
tables = {"accuracy": ["emotion,seed,accuracy,majority,n"]}
tables["masked_accuracy"] = ["emotion,seed,attribute,kind,draw,k,accuracy,n"]
for emotion in p.emotions:
    tables["accuracy"].append(f"{emotion},{seed},0.9,0.5,10")
    for mask in (*(f"{name},attribute," for name in study.ATTRIBUTES), ",random,1"):
        tables["masked_accuracy"].append(f"{emotion},{seed},{mask},2,0.5,10")
for name, lines in tables.items():
    Path(f"results/live/{name}.csv").write_text("\n".join(lines))

given = {"split": p.protocol.split, "kind": p.masks.kind, "emotions": len(p.emotions)}
Path("results/metrics.json").write_text(json.dumps(given))
sys.exit(Path("broken").exists())
"""


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A repository of git and DVC with our params.yaml and experiments. Its stage records its parameters."""
    folder = tmp_path_factory.mktemp("experiments")
    shutil.copy(ROOT / "params.yaml", folder)
    for run in load_params(ROOT / "params.yaml").imported:
        shutil.copytree(ROOT / "data/runs" / run, folder / "data/runs" / run)
    shutil.copytree(ROOT / "experiments", folder / "experiments")
    (folder / "stage.py").write_text(STAGE)
    metrics = [{"results/metrics.json": {"cache": False}}]
    stage = {
        "cmd": "python stage.py",
        "params": ["protocol", "masks", "emotions"],
        "deps": ["stage.py"],
        "metrics": metrics,
    }
    stage["outs"] = [
        {"cells": {"persist": True}},
        {"results/live/learning_curves": {"persist": True, "cache": False}},
        *(f"results/live/{name}" for name in MEASUREMENT),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        repos.dvc_repository(folder, {"write": stage}, "/data/finished\n/log\n/slow\n/broken\n")
    return folder


@pytest.fixture
def repository(committed, tmp_path, monkeypatch):
    """A copy of that repository as the current folder; DVC runs in this process."""
    shutil.copytree(committed, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name, value in repos.WHO.items():
        monkeypatch.setenv(name, value)
    with repos.dvc_here():
        yield tmp_path


def shown():
    """{name of an experiment: its metrics}"""
    command = [sys.executable, "-m", "dvc", "exp", "show", "--json"]
    head = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)[-1]
    revs = [branch["revs"][0] for branch in head["experiments"] or []]
    return {rev["name"]: rev["data"]["metrics"]["results/metrics.json"]["data"] for rev in revs}


def test_two_experiments_in_a_row_do_not_affect_each_other_or_the_checkout(repository):
    for name in ("float_masks", "test_split"):
        experiments.perform(name)
        assert not subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True).stdout
        assert not subprocess.run(["dvc", "status", "--quiet"]).returncode
    with pytest.raises(UserError, match="this commit already has an experiment test_split"):
        experiments.perform("test_split")
    assert shown() == {
        "float_masks": {"split": "dev", "kind": "float", "emotions": 9},
        "test_split": {"split": "test", "kind": "binary", "emotions": 9},
    }
    assert sorted(experiments.done()) == ["float_masks", "test_split"]
    assert Path("log").read_text() == "abab"  # each split was measured once


def test_a_failed_experiment_leaves_the_checkout_unchanged_and_resumes(repository):
    Path("broken").touch()
    with pytest.raises(UserError, match="test_split did not finish; its measurements so far are kept"):
        experiments.perform("test_split")
    assert (
        not subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True).stdout
        and not experiments.done()
    )
    Path("broken").unlink()
    experiments.perform("test_split")
    assert Path("log").read_text() == "abab"  # nothing was measured twice


def test_an_interrupted_experiment_leaves_params_yaml_unchanged_and_resumes(repository):
    Path("slow").touch()
    before = Path("params.yaml").read_bytes()
    command = [sys.executable, "-m", "model_emotion.project.experiments", "test_split"]
    running = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while running.poll() is None and Path("log").read_text() != "aba":
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=20)
    assert running.returncode == 1 and said.strip().splitlines()[-1].startswith(
        "error: the experiment test_split did not finish"
    )
    assert Path("params.yaml").read_bytes() == before
    Path("slow").unlink()
    experiments.perform("test_split")
    assert Path("log").read_text() == "abab" and experiments.done() == ["test_split"]


def test_an_experiment_refuses_to_start_from_uncommitted_changes(repository):
    for file in ("params.yaml", "stage.py"):
        text = Path(file).read_text()
        Path(file).write_text(text + "\n# mine\n")
        with pytest.raises(UserError, match=f"^{file} differs from the commit"):
            experiments.perform("test_split")
        assert Path(file).read_text() == text + "\n# mine\n"
        Path(file).write_text(text)


def test_records_of_stages_and_files_of_the_user_are_kept(repository):
    record, note = Path("results/live/provenance/write.json"), Path("results/note.txt")
    record.write_text("of my own run")
    note.write_text("mine")
    experiments.perform("test_split")
    assert record.read_text() == "of my own run" and note.read_text() == "mine"
    assert (
        not Path("results/live/learning_curves/3.csv").exists()
        and Path("results/live/learning_curves/1.csv").exists()
    )
    assert not subprocess.run(["dvc", "status", "--quiet"]).returncode


def test_the_measurement_is_exported_before_the_checkout_returns_to_its_commit(repository):
    experiments.perform("test_split", "mini", '-Z "Ö"')
    written = Path("data/runs/mini")
    card = read_yaml(written / "run.yaml")
    assert card["protocol"]["split"] == "test" and read_yaml("params.yaml")["protocol"]["split"] == "dev"
    assert card["seeds"] == [3] and card["measured"]["by"] == '-Z "Ö"'
    for name in MEASUREMENT[:3]:
        there, here = (folder / name for folder in (written, Path("results/live")))
        assert there.read_bytes() != here.read_bytes(), name  # that of the commit has seed 1
    assert [path.name for path in (written / "learning_curves").iterdir()] == ["3.csv"]
    assert repos.git("status", "--porcelain") == "?? data/runs/mini/\n"


def test_a_folder_that_exists_is_refused_before_anything_is_measured(repository):
    Path("data/runs/mini").mkdir(parents=True)
    with pytest.raises(UserError, match="^data/runs/mini: exists already; move it away first$"):
        experiments.perform("test_split", "mini")
    assert Path("log").read_text() == "ab" and not experiments.done()


def test_the_small_experiments_are_compared_with_their_base():
    assert experiments.small(ROOT / "experiments")[0] == "reduced"
    assert set(experiments.small(ROOT / "experiments")) == set(NAMES) - {"mpnet", "paper"}
    own = {setting.key: setting.value for setting in load("layer_matched").settings}
    assert own["masks.draws"] == own["masks.other_draws"] == 2  # not those of its base


def load(name):
    return experiments.load(name, ROOT / "experiments")


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_asks_a_question_and_dvc_applies_its_settings(name, tmp_path):
    asked = load(name)
    wanted = asked.params(ROOT / "params.yaml")
    assert asked.question.endswith("?") and wanted != load_params(ROOT / "params.yaml")
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    apply_overrides(tmp_path / "params.yaml", [setting.override() for setting in asked.settings])
    assert load_params(tmp_path / "params.yaml") == wanted
    assert wanted.study == load_params(ROOT / "params.yaml").study


def test_paper_is_the_studys_full_size_and_names_all_sources():
    asked = load("paper")
    params = asked.params(ROOT / "params.yaml")
    assert (tuple(params.emotions), tuple(params.seeds)) == (study.EMOTIONS, study.SEEDS)
    assert (
        tuple(sorted(params.top_k)) == study.RANDOM_TOP_K
        and params.training.prompt_len == 100
        and params.training.lr == 2e-3
    )
    assert all(len(setting.source) > 10 for setting in asked.settings)
    own = read_yaml(ROOT / "params.yaml")
    sections = ("backbone", "training", "evaluation", "protocol", "activation", "masks")
    live = {f"{section}.{leaf}" for section in sections for leaf in own[section]} | {
        "emotions",
        "seeds",
        "top_k",
    }
    assert live - {setting.key for setting in asked.settings} == {"masks.seed"}


def test_an_unknown_key_value_or_name_is_refused():
    wrong = experiments.Experiment(question="?", settings=[{"key": "training.rate", "value": 1}])
    with pytest.raises(UserError, match="training.rate: .* has no such key"):
        wrong.params(ROOT / "params.yaml")
    with pytest.raises(UserError, match="training.lr"):
        experiments.Experiment(question="?", settings=[{"key": "training.lr", "value": -1.0}]).params(
            ROOT / "params.yaml"
        )
    with pytest.raises(UserError, match="nothing.yaml: not found; the experiments are .*paper"):
        load("nothing")
