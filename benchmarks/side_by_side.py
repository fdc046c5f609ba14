"""Compare methods: interleaved rounds, medians, peak memory, and the JSON for docs/performance.md.

A file of results has `tables`, and a table one row per method. A row holds the seconds of each round, and
`work`, the examples of a round, if a rate is shown. `ratio` is a method's time for the same work divided by
that of the first method of its group in the same run. With a `scale` above 1, a sample was measured, and the
whole takes that many times as long.
"""

import argparse
import json
import logging
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import psutil
import torch
from numpy._core._multiarray_umath import __cpu_dispatch__

from model_emotion.base.files import write_json
from model_emotion.base.processor import cores
from model_emotion.project.environment import cpu
from model_emotion.project.stage import peak_mib

RESULTS = Path(__file__).parent / "results"
MEMORY = "Memory is the peak of a separate process, minus packages and input."
PACKAGES = ("numpy", "scipy", "torch", "transformers", "rsatoolbox", "peft", "pyvene")
_AVX512 = [name for name in __cpu_dispatch__ if name == "X86_V4" or name.startswith("AVX512")]
AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+popcnt,+bmi,+bmi2,+fma,+sse4.2",
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": " ".join(_AVX512),
}
"""Environment variables that make the libraries behave as on a processor without AVX512."""


def imitates_avx2() -> bool:
    """Return whether this process runs with these variables."""
    return all(os.environ.get(name) == value for name, value in AVX2.items())


@dataclass(frozen=True)
class Method:
    """A way to do the work. run: does it once, or None if it was measured elsewhere."""

    name: str
    run: Callable[[], object] | None
    group: str = ""
    work: int | None = None
    """Examples of a round; None: seconds are shown instead of a rate."""
    scale: float = 1.0
    sample: str = ""
    """What was measured, if that is a sample."""
    missing: str = ""
    """Why the method can't run."""
    elsewhere: bool = False
    """Another program does the work, so that the memory of this process does not count."""


def options(description: str | None) -> argparse.Namespace:
    """Parse the command line of a benchmark, and start again with AVX2 if it asks for that."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small sizes and one round, to test the script; writes nothing without --out",
    )
    parser.add_argument("--out", type=Path, help="JSON to write (default: benchmarks/results/NAME.json)")
    # The method to run in this process, whose memory is measured.
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument(
        "--avx2", action="store_true", help="imitate a processor without AVX512; writes NAME-avx2.json"
    )
    found = parser.parse_args()
    if found.avx2 and not imitates_avx2():  # libraries choose their instructions when they are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | AVX2)
    logging.disable(logging.WARNING)
    torch.set_num_threads(cores())
    return found


def missing(package: str) -> str:
    """Return why a method with an extra package can't run, or an empty string if it can."""
    return "" if find_spec(package) else f"{package} is not installed"


def machine() -> dict:
    """Return processor, cores, memory and versions, without names of machines or users."""
    versions = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    if shutil.which("Rscript"):
        printed = subprocess.run(["Rscript", "--version"], capture_output=True, text=True)
        versions["R"] = re.search(r"\d+\.\d+\.\d+", printed.stdout + printed.stderr).group()
    memory = round(psutil.virtual_memory().total / 2**30)
    processor = cpu() + (", imitating one with AVX2 and without AVX512" if imitates_avx2() else "")
    about = {"cpu": processor, "cores": cores(), "memory (GiB)": memory}
    return {"machine": about, "versions": versions, "threads": torch.get_num_threads()}


def row(method: Method, seconds: list[float] | None, memory: float | None = None) -> dict:
    """Return a row of a table, without the figures that `finished` adds. memory: in MiB."""
    about = {"group": method.group, "name": method.name}
    if method.missing:
        return about | {"not measured": method.missing}
    about |= {"seconds": seconds, "work": method.work, "scale": method.scale, "memory (MiB)": memory}
    return about | {"extrapolated": method.scale != 1, "measured": method.sample}


def finished(rows: list[dict]) -> list[dict]:
    """Return the rows with median, min, max (seconds for the whole, or examples a second) and ratio."""
    first: dict[str, float] = {}
    done = []
    for own in rows:
        if "not measured" not in own:
            shown = [own["work"] / s if own["work"] else s * own["scale"] for s in own["seconds"]]
            cost = statistics.median(s * own["scale"] / (own["work"] or 1) for s in own["seconds"])
            ratio = cost / first.setdefault(own["group"], cost)
            own = own | {
                "median": statistics.median(shown),
                "min": min(shown),
                "max": max(shown),
                "ratio": ratio,
            }
        done.append(own)
    return done


def interleaved(methods: list[Method], rounds: int) -> dict[Method, list[float]]:
    """Run all methods once per round. Return {method: seconds of each round}."""
    seconds: dict[Method, list[float]] = {method: [] for method in methods if not method.missing}
    for _ in range(rounds):
        for method, own in seconds.items():
            own.append(timed(method.run))
    return seconds


def timed(run: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def printed_alone(name: str, quick: bool) -> str:
    """Run one method of this script in a separate process, and return the last line that it prints."""
    words = [sys.executable, sys.argv[0], "--alone", name, *(["--quick"] if quick else [])]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {name}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return done.stdout.splitlines()[-1]


def compare(title: str, note: str, methods: list[Method], rounds: int, asked: argparse.Namespace) -> dict:
    """Return a table: all methods interleaved, and each once more in a separate process, for its memory."""
    seconds = interleaved(methods, rounds)
    memory = {
        method: json.loads(printed_alone(f"{method.group}: {method.name}", asked.quick))
        for method in seconds
        if not method.elsewhere
    }
    rows = [row(method, seconds.get(method), memory.get(method)) for method in methods]
    return {"title": title, "note": f"{note} {MEMORY}", "rows": finished(rows)}


def share_note(peak: float) -> str:
    """Return what shares refer to. peak: operations a second of the machine's own matrix products."""
    return f"Shares are of this machine's own float32 matrix products in this run: {peak / 1e9:.0f} GFLOP/s."


def add_shares(table: dict, peak: float, plain: float, required: dict[str, float]) -> None:
    """Add shares of the peak to a table's rows.

    plain: operations of an example in a plain pass. required: those that each method must do, by default all
    of them.
    """
    for own in table["rows"]:
        if "median" in own:
            own["share, required"] = own["median"] * required.get(own["name"], plain) / peak
            own["share, plain"] = own["median"] * plain / peak


def run_alone(methods: list[Method], name: str) -> None:
    """Run one method once, and print the memory (MiB) that it took, or null where Linux does not report it.

    The peak is reset before the run, since preparing the input may have taken more.
    """
    run = next(method for method in methods if f"{method.group}: {method.name}" == name).run
    assert run is not None
    forget = Path("/proc/self/clear_refs")
    if forget.exists():
        forget.write_text("5")  # proc(5): reset the peak to the present
    before = peak_mib()
    run()
    print(json.dumps(peak_mib() - before if forget.exists() else None))


def write(name: str, asked: argparse.Namespace, tables: list[dict], **more: object) -> None:
    """Print the results, and write them to the file that was asked for."""
    found = machine() | {"tables": tables} | more
    for table in tables:
        print(table["title"])
        for own in table["rows"]:
            figures = (
                own.get("not measured")
                or f"{own['median']:.4g}, {own['ratio']:.3g} x, {own['memory (MiB)']} MiB"
            )
            print(" ", own["group"], own["name"], figures)
    out = asked.out or (None if asked.quick else RESULTS / f"{name}{'-avx2' * imitates_avx2()}.json")
    if out:
        write_json(found, out)
