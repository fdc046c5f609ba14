"""Install torch into the environment of this Python: the CUDA build for an NVIDIA GPU, or else the CPU build.

    python setup/install_torch.py auto|cuda|cpu

`auto` installs the CUDA build if nvidia-smi lists a GPU. That build and its libraries are checked by the
hashes in requirements-cuda.lock. The CPU build is the one that pip finds, if it finds one, as on macOS.
Otherwise uv installs it from torch's own index. No lock names the CPU build, since the package index has none
for Linux.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

LOCK = Path(__file__).parents[1] / "requirements-cuda.lock"
CUDA = re.compile(r"nvidia-|cuda-|triton|pytorch-triton")
"""The beginnings of the names of packages that only a GPU build requires."""


def run(*words: str | Path) -> subprocess.CompletedProcess:
    """Run a module with this Python, and capture what it prints."""
    return subprocess.run([sys.executable, "-m", *map(str, words)], capture_output=True, text=True)


def pinned() -> str:
    """Return `torch==VERSION`, as locked."""
    return re.search(r"^torch==\S+", LOCK.read_text(), re.MULTILINE).group()


def has_gpu() -> bool:
    """Return whether nvidia-smi lists a GPU."""
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and listed.stdout.startswith("GPU ")


def found_by_pip(pin: str) -> dict | None:
    """Return the metadata of the build that pip would install, or None. Only metadata is downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        dry = (
            "--dry-run",
            "--no-deps",
            "--ignore-installed",
            "--only-binary=:all:",
            "--use-feature=fast-deps",
        )
        if run("pip", "install", *dry, "--report", report, pin).returncode:
            return None
        return json.loads(report.read_text())["install"][0]["metadata"]


def is_cpu_build(metadata: dict) -> bool:
    """Return whether a build of torch is for CPUs: by its version, such as 2.0+cpu, or its requirements."""
    if local := Version(metadata["version"]).local:
        return local.startswith("cpu")
    required = map(Requirement, metadata.get("requires_dist", []))
    return not any(
        CUDA.match(each.name) and (not each.marker or each.marker.evaluate({"extra": ""}))
        for each in required
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("build", choices=("auto", "cuda", "cpu"))
    build, pin = parser.parse_args().build, pinned()
    if build == "cuda" and sys.platform != "linux":
        sys.exit("error: TORCH=cuda: torch has a CUDA build only for Linux")
    if build == "cuda" or (build == "auto" and has_gpu()):
        done = run(
            "uv", "pip", "install", "--python", sys.executable, "--no-deps", "--require-hashes", "-r", LOCK
        )
    elif (metadata := found_by_pip(pin)) and is_cpu_build(metadata):
        done = run("pip", "install", "--no-compile", "--no-deps", f"torch=={metadata['version']}")
    else:
        done = run(
            "uv", "pip", "install", "--python", sys.executable, "--no-deps", "--torch-backend", "cpu", pin
        )
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            sys.exit(
                f"error: pip and uv found no CPU build of {pin}; "
                "`make setup TORCH=cuda` installs the CUDA build instead"
            )
    if done.returncode:
        sys.exit(done.stderr)


if __name__ == "__main__":
    main()
