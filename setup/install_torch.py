"""Install torch into the environment of this Python: CUDA's build for an NVIDIA GPU, else the CPU build.

    python setup/install_torch.py auto|cuda|cpu

`auto` takes CUDA's build where nvidia-smi lists a GPU. CUDA's build and its libraries come by hash from
requirements-cuda.lock. The CPU build is the one that pip finds, if it finds one, as on macOS. Else uv gets it from
torch's own index. The CPU build stands in no lock, since the package index has none for Linux.
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
"""How the names of packages begin that only a GPU build requires."""


def run(*words: str | Path) -> subprocess.CompletedProcess:
    """Run a module of this Python, with what it prints kept."""
    return subprocess.run([sys.executable, "-m", *map(str, words)], capture_output=True, text=True)


def pinned() -> str:
    """`torch==VERSION`, as locked."""
    return re.search(r"^torch==\S+", LOCK.read_text(), re.MULTILINE).group()


def has_gpu() -> bool:
    """Whether nvidia-smi lists a GPU."""
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and listed.stdout.startswith("GPU ")


def found_by_pip(pin: str) -> dict | None:
    """The build that pip would install, as in pip's report, None where it finds none; only metadata is downloaded."""
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
    """Whether a build of torch is for CPUs: by its local version, such as +cpu, or by what it requires here."""
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
        sys.exit("error: TORCH=cuda: torch has a CUDA build for Linux alone")
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
                f"error: no CPU build of {pin} was found by pip or by uv; `make setup TORCH=cuda` installs CUDA's build instead"
            )
    if done.returncode:
        sys.exit(done.stderr)


if __name__ == "__main__":
    main()
