"""Records of the environment: versions, GPUs, changes and times, and no name of a machine, user or folder."""

import getpass
import hashlib
import json
import socket
import subprocess
import sys
from pathlib import Path

import torch

from model_emotion.live.session import make_deterministic
from model_emotion.params import load_params
from model_emotion.project import environment

ROOT = Path(__file__).parents[1]
STAGE = """
import sys, time
from model_emotion.project import stage

def main():
    held = bytearray(300 * 2**20)
    time.sleep(0.5)
    if sys.argv[-1] == "wrong":
        sys.exit(1)

stage.run(main)
"""


def test_a_record_lists_versions_and_settings_and_names_no_machine(tmp_path, monkeypatch):
    monkeypatch.delenv("MODEL_EMOTION_IMAGE", raising=False)
    monkeypatch.setenv("MODEL_EMOTION_IMAGE_REVISION", "abc")
    params = load_params()
    monkeypatch.chdir(tmp_path)
    environment.record_measurement(
        "prompts", params, make_deterministic(), 12.34, {"joy": "b", "fear": "a", "love": "a"}
    )
    text = (tmp_path / "results/live/provenance/prompts.json").read_text()
    found = json.loads(text)
    assert found["packages"]["torch"] == torch.__version__ and found["packages"].keys() >= {
        "dvc",
        "numpy",
        "transformers",
    }
    assert (
        found["seeds"] == params.seeds
        and found["precision"] == params.backbone.precision
        and found["seconds"] == 12.3
    )
    assert found["executor"] == params.executor.kind
    assert found["cells"] == 3 and found["fingerprints"] == ["a", "b"]
    assert found["switches"]["deterministic_algorithms"] is True and found["image"] == {
        "source": None,
        "revision": "abc",
    }
    monkeypatch.chdir(ROOT)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    assert environment.code()["revision"] == head
    for private in (socket.gethostname(), f"/{getpass.getuser()}", str(Path.home()), str(Path.cwd())):
        assert private not in text


def test_changes_of_tracked_files_and_of_the_lock_are_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.lock").write_text("one")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=x", "-c", "user.email=x@x.invalid", "commit", "-qm", "all"],
    ):
        subprocess.run(["git", *command], check=True)
    (tmp_path / "untracked").touch()
    before = environment.describe()
    assert before["code"]["changed"] is False and before["dvc.lock"] == hashlib.sha256(b"one").hexdigest()
    (tmp_path / "dvc.lock").write_text("two")
    after = environment.describe()
    assert (
        after["code"] == {"revision": before["code"]["revision"], "changed": True}
        and after["dvc.lock"] != before["dvc.lock"]
    )


def test_a_record_outside_git_and_without_a_gpu(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = environment.describe()
    assert (
        found["code"] == {"revision": None, "changed": None}
        and found["gpus"] == []
        and found["dvc.lock"] is None
    )


def test_gpus_are_read_from_nvidia_smi(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 580.159.04'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert environment.gpus() == [{"name": "NVIDIA H100 80GB HBM3", "driver": "580.159.04"}]
    program.write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    assert environment.gpus() == []


def test_stages_record_time_and_memory_and_other_scripts_do_not(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/made_up.py").write_text(STAGE)
    times = tmp_path / "results/times"
    subprocess.run([sys.executable, "stages/made_up.py", "--run", "live"], cwd=tmp_path, check=True)
    subprocess.run([sys.executable, "-m", "stages.made_up", "--run", "wrong"], cwd=tmp_path)
    assert not times.exists()
    subprocess.run([sys.executable, "-m", "stages.made_up", "--run", "live"], cwd=tmp_path, check=True)
    (found,) = times.iterdir()
    said = json.loads(found.read_text())
    assert found.name == "made_up@live.json" and said["stage"] == "made_up@live"
    assert 0.5 <= said["seconds"] < 60 and 300 <= said["memory_mib"]["own"] < 2000
