"""What a result was made with: packages, machine, container image and versions of code and data.

`python -m model_emotion.project.environment` writes results/environment.json; a stage that measures a model leaves a record of its own beside
what it measured. Neither is an output of DVC: two machines differ in them where their results are the same. No names of machines, users
or folders.
"""

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from model_emotion.base.errors import UserError
from model_emotion.base.files import write_json
from model_emotion.base.processor import cores
from model_emotion.base.results import MEASURED, folder
from model_emotion.params import Params
from model_emotion.project.stage import run

OUT = Path("results/environment.json")
IMAGE = {"source": "MODEL_EMOTION_IMAGE", "revision": "MODEL_EMOTION_IMAGE_REVISION"}
"""What the container image says of itself, in variables that its Dockerfile sets."""


def packages():
    """Version of each package that the project names for this machine; torch's tells its build."""
    named = map(Requirement, requires("model-emotion"))
    return {
        each.name: version(each.name)
        for each in sorted(named, key=str)
        if not each.marker or each.marker.evaluate({"extra": ""})
    }


def gpus():
    """Name and driver of every NVIDIA GPU; empty where there is none."""
    try:
        asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        lines = subprocess.run(asked, capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [
        dict(zip(("name", "driver"), line.split(", "), strict=True))
        for line in lines.splitlines()
        if line.count(", ") == 1
    ]


def cpu():
    """What the processor calls itself."""
    try:
        names = re.findall(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def git(*words):
    """What git prints, None where it fails or is not there."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def code():
    """The commit that is checked out, None outside git, and whether tracked files differ from it."""
    revision = git("rev-parse", "HEAD")
    return {
        "revision": revision,
        "changed": bool(git("status", "--porcelain", "--untracked-files=no")) if revision else None,
    }


def describe():
    """All of it, as JSON holds it."""
    lock = Path("dvc.lock")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu(),
        "cores": cores(),
        "gpus": gpus(),
        "packages": packages(),
        "image": {key: os.environ.get(name) for key, name in IMAGE.items()},
        "code": code(),
        "dvc.lock": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None,
    }


def record_measurement(
    stage: str, params: Params, switches: dict, seconds: float, marks: Mapping[str, str]
) -> None:
    """Write results/live/provenance/STAGE.json: settings, time, machine and versions of a measurement.

    switches: those of torch. marks: {name: fingerprint} of what was measured now, not in an earlier run. The record
    holds the commit and the hash of dvc.lock from which the stage ran; the fingerprints identify uncommitted changes.
    The machine is the one that ran the stage; workers of a Dask cluster may be others.
    """
    about = {
        "seeds": list(params.seeds), "precision": params.backbone.precision, "switches": switches,
        "executor": params.executor.kind,
    }  # fmt: skip
    made = {"cells": len(marks), "seconds": round(seconds, 1), "fingerprints": sorted(set(marks.values()))}
    write_json(about | made | describe(), folder(MEASURED) / f"provenance/{stage}.json")


def main():
    try:
        write_json(describe(), OUT)
    except PackageNotFoundError as error:
        raise UserError(f"the package {error.name} is not installed; `make setup` installs all") from None


if __name__ == "__main__":
    run(main)
