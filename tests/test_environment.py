"""What a record of the environment says, and what it keeps to itself."""

import getpass
import json
import socket
import subprocess
from pathlib import Path

import torch

from model_emotion import environment
from model_emotion.model.setup import switch


def test_a_record_says_with_what_and_names_no_machine(tmp_path, monkeypatch):
    monkeypatch.delenv("MODEL_EMOTION_IMAGE", raising=False)
    monkeypatch.setenv("MODEL_EMOTION_IMAGE_REVISION", "abc")
    environment.record(tmp_path / "record.json", [1, 3], switch(), 12.34, 27)
    text = (tmp_path / "record.json").read_text()
    found = json.loads(text)
    assert found["packages"]["torch"] == torch.__version__ and found["packages"].keys() >= {"dvc", "numpy", "transformers"}
    assert found["seeds"] == [1, 3] and found["seconds"] == 12.3 and found["cells"] == 27
    assert found["switches"]["deterministic_algorithms"] is True and found["image"] == {"source": None, "revision": "abc"}
    assert found["code"]["revision"] == subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    for private in (socket.gethostname(), f"/{getpass.getuser()}", str(Path.home()), str(Path.cwd())):
        assert private not in text


def test_outside_git_and_without_a_gpu(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = environment.describe()
    assert found["code"] == {"revision": None, "changed": None} and found["gpus"] == [] and found["dvc.lock"] is None


def test_gpus_are_read_as_nvidia_smi_prints_them(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 580.159.04'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert environment.gpus() == [{"name": "NVIDIA H100 80GB HBM3", "driver": "580.159.04"}]
    program.write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    assert environment.gpus() == []
