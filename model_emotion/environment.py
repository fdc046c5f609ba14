"""What a result was made with: packages, machine, container image and versions of code and data.

`python -m model_emotion.environment` writes results/environment.json; a stage that measures a model leaves a record of its own beside
what it measured. Neither is an output of DVC: two machines differ in them where their results are the same. No names of machines, users
or folders.
"""

import hashlib
import os
import platform
import re
import resource
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from model_emotion import cli
from model_emotion.files import write_json
from model_emotion.processor import cores

OUT = Path("results/environment.json")
TIMES = Path("results/times")
"""How long each stage took on this machine, a file a stage; not DVC's either."""
IMAGE = {"source": "MODEL_EMOTION_IMAGE", "revision": "MODEL_EMOTION_IMAGE_REVISION"}
"""What the container image says of itself, in variables that its Dockerfile sets."""


def packages():
    """Version of each package that the project names for this machine; torch's tells its build."""
    named = map(Requirement, requires("model-emotion"))
    return {each.name: version(each.name) for each in sorted(named, key=str) if not each.marker or each.marker.evaluate({"extra": ""})}


def gpus():
    """Name and driver of every NVIDIA GPU; empty where there is none."""
    try:
        asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        lines = subprocess.run(asked, capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [dict(zip(("name", "driver"), line.split(", "), strict=True)) for line in lines.splitlines() if line.count(", ") == 1]


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
    return {"revision": revision, "changed": bool(git("status", "--porcelain", "--untracked-files=no")) if revision else None}


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


def record(path, params, switches, seconds, marks):
    """Write a measuring stage's record: with which seeds, precision and switches, how long for how many cells, and with what.

    marks: {cell: fingerprint} of what was made now; cells of an earlier run are not counted. The commit and dvc.lock are those from which
    the stage ran; the fingerprints tell what it was made from where these were changed and not committed. The machine is the stage's own:
    where the executor is `dask`, workers may have been others.
    """
    about = {"seeds": list(params.seeds), "precision": params.backbone.precision, "switches": switches, "executor": params.executor.kind}
    made = {"cells": len(marks), "seconds": round(seconds, 1), "fingerprints": sorted(set(marks.values()))}
    write_json(about | made | describe(), path)


def peak_mib():
    """Peak memory of this process so far, MiB. Linux passes getrusage's on from a parent to its child, hence the other way there."""
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def record_time(stage):
    """Write how long the process that ends now took for a stage, and how much memory it and its largest child used at their peaks."""
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    seconds = time.time() - psutil.Process().create_time()
    about = {"stage": stage, "seconds": round(seconds, 2), "memory_mib": {"own": round(peak_mib()), "largest_child": child}}
    write_json(about | {"ended": round(time.time())}, TIMES / f"{stage}.json")


def main():
    try:
        write_json(describe(), OUT)
    except PackageNotFoundError as error:
        raise cli.UserError(f"the package {error.name} is not installed; `make setup` installs all") from None


if __name__ == "__main__":
    cli.run(main)
