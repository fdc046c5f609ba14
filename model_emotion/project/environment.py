"""Record what a result was made with: packages, machine, container image, versions of code and data.

`python -m model_emotion.project.environment` writes results/environment.json. A stage that measures a model
also writes a record beside its results. The records are not outputs of DVC, since they differ between
machines with equal results. They name no machine, user or folder.
"""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from model_emotion.base.errors import UserError
from model_emotion.base.files import sha256, write_json
from model_emotion.base.processor import cores
from model_emotion.base.results import MEASURED, folder
from model_emotion.params import Params
from model_emotion.project.checkout import has_git
from model_emotion.project.stage import run

OUT = Path("results/environment.json")
IMAGE = {"source": "MODEL_EMOTION_IMAGE", "revision": "MODEL_EMOTION_IMAGE_REVISION"}
"""What identifies the container image: variables that its Dockerfile sets."""


def packages() -> dict[str, str]:
    """Return the version of each package that the project requires on this machine."""
    required = map(Requirement, requires("model-emotion") or [])
    return {
        each.name: version(each.name)
        for each in sorted(required, key=str)
        if not each.marker or each.marker.evaluate({"extra": ""})
    }


def gpus() -> list[dict[str, str]]:
    """Return name and driver of each NVIDIA GPU."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.splitlines()
    except (OSError, subprocess.TimeoutExpired):
        return []
    pairs = [line.split(", ") for line in lines if line.count(", ") == 1]
    return [{"name": name, "driver": driver} for name, driver in pairs]


def cpu() -> str:
    """Return the name of the processor."""
    try:
        names = re.findall(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def git(*words: str) -> str | None:
    """Return what a git command prints, or None if it fails or git is missing."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def code() -> dict[str, str | bool | None]:
    """Return the commit that is checked out, and whether tracked files differ from it; None outside git."""
    revision = git("rev-parse", "HEAD") if has_git() else None
    changed = bool(git("status", "--porcelain", "--untracked-files=no")) if revision else None
    return {"revision": revision, "changed": changed}


def describe() -> dict[str, Any]:
    """Return the record of this machine and checkout, which JSON can hold."""
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
        "dvc.lock": sha256(lock) if lock.exists() else None,
    }


def record_measurement(
    stage: str, params: Params, switches: dict, seconds: float, marks: Mapping[str, str]
) -> None:
    """Write results/live/provenance/STAGE.json: settings, time, machine and versions of a measurement.

    switches: those of torch. marks: {name: fingerprint} of what was measured now, not in an earlier run. The
    record holds the commit and the hash of dvc.lock from which the stage ran; the fingerprints identify
    uncommitted changes. The machine is the one that ran the stage; workers of a Dask cluster may be others.
    """
    about = {
        "seeds": list(params.seeds), "precision": params.backbone.precision, "switches": switches,
        "executor": params.executor.kind,
    }  # fmt: skip
    made = {"cells": len(marks), "seconds": round(seconds, 1), "fingerprints": sorted(set(marks.values()))}
    write_json(about | made | describe(), folder(MEASURED) / f"provenance/{stage}.json")


def main() -> None:
    try:
        write_json(describe(), OUT)
    except PackageNotFoundError as error:
        raise UserError(f"the package {error.name} is not installed; run `make setup`") from None


if __name__ == "__main__":
    run(main)
