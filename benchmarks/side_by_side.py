"""What the benchmarks share: taking turns, medians, the memory of a process of its own, and the JSON that docs/performance.md is made from.

A file of results has `tables`; a table has rows, one a contestant. A row holds the seconds of every round, and `work`, the examples of a
round, where a rate is shown. `ratio` is a contestant's time for the same work over that of the first contestant of its group, in
the same run. `scale` above 1: what was measured is a sample, and the whole is that many times as long.
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
MEMORY = "Memory is what a process of its own came to hold, at its peak, beyond packages and input."
PACKAGES = ("numpy", "scipy", "torch", "transformers", "rsatoolbox", "peft", "pyvene")


AVX2 = {
    "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+popcnt,+bmi,+bmi2,+fma,+sse4.2",
    "OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in __cpu_dispatch__ if name == "X86_V4" or name.startswith("AVX512")),
}  # fmt: skip
"""Variables that make the libraries behave as on a processor without AVX512."""


def imitates_avx2():
    """Whether this process runs with these variables."""
    return all(os.environ.get(name) == value for name, value in AVX2.items())


@dataclass(frozen=True)
class Contestant:
    """run: does it once. work: examples of a round, None: the seconds themselves are shown. missing: why it can't be run."""

    name: str
    run: Callable
    group: str = ""
    work: int | None = None
    scale: float = 1.0
    sample: str = ""  # what was measured, where that is not the whole
    missing: str = ""
    elsewhere: bool = False  # another program does the work: this process's memory says nothing of it


def options(description):
    """The command line of a benchmark."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small sizes, one round, to see that it runs; writes only where --out says",
    )
    parser.add_argument("--out", type=Path, help="the JSON to be written (default: benchmarks/results/)")
    parser.add_argument(
        "--alone", help=argparse.SUPPRESS
    )  # the contestant that a process whose memory is measured runs
    parser.add_argument(
        "--avx2", action="store_true", help="as on a processor without AVX512; into NAME-avx2.json"
    )
    found = parser.parse_args()
    if (
        found.avx2 and not imitates_avx2()
    ):  # libraries choose their instructions when they are loaded: start again
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | AVX2)
    logging.disable(logging.WARNING)
    torch.set_num_threads(cores())
    return found


def missing(package):
    """A sentence where a package that is no part of the project is not there, empty where it is."""
    return "" if find_spec(package) else f"{package} is not installed"


def machine():
    """The processor, its cores, memory, and versions; no names of machines or users."""
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


def row(contestant, seconds, memory=None):
    """A row of a table, ratio aside."""
    about = {"group": contestant.group, "name": contestant.name}
    if contestant.missing:
        return about | {"not measured": contestant.missing}
    about |= {"seconds": seconds, "work": contestant.work, "scale": contestant.scale, "memory (MiB)": memory}
    return about | {"extrapolated": contestant.scale != 1, "measured": contestant.sample}


def finished(rows):
    """The rows with median, min and max, of seconds for the whole or examples a second, and the ratio to the first of the group."""
    first, done = {}, []
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


def in_turns(contestants, rounds):
    """{contestant: seconds of each round}; all take turns, round by round."""
    seconds = {contestant: [] for contestant in contestants if not contestant.missing}
    for _ in range(rounds):
        for contestant, own in seconds.items():
            own.append(timed(contestant.run))
    return seconds


def timed(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def printed_alone(name, quick):
    """The last line that this script prints in a process of its own, in which that contestant runs alone."""
    words = [sys.executable, sys.argv[0], "--alone", name, *(["--quick"] if quick else [])]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {name}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return done.stdout.splitlines()[-1]


def contest(title, note, contestants, rounds, asked):
    """A table: contestants in turns, and each once more in a process of its own, for its memory."""
    seconds = in_turns(contestants, rounds)
    memory = {
        c: json.loads(printed_alone(f"{c.group}: {c.name}", asked.quick)) for c in seconds if not c.elsewhere
    }
    return {
        "title": title,
        "note": f"{note} {MEMORY}",
        "rows": finished([row(c, seconds.get(c), memory.get(c)) for c in contestants]),
    }


def share_note(peak):
    return f"A share is of this machine's own float32 matrix products, measured in this run: {peak / 1e9:.0f} GFLOP/s."


def add_shares(table, peak, plain, must):
    """Give a table's rows their shares of that rate; must: operations by contestant, those of the plain pass where there are none."""
    for own in table["rows"]:
        if "median" in own:
            own["share, must do"] = own["median"] * must.get(own["name"], plain) / peak
            own["share, plain"] = own["median"] * plain / peak


def run_alone(contestants, name):
    """What a process whose memory is measured does: that contestant once; prints what it took, null where Linux does not say.

    The peak is set back before the run: what its input took while it was prepared, another contestant's too, is not of the run.
    """
    run, forget = (
        next(c for c in contestants if f"{c.group}: {c.name}" == name).run,
        Path("/proc/self/clear_refs"),
    )
    if forget.exists():
        forget.write_text("5")  # proc(5): the peak is that of now
    before = peak_mib()
    run()
    print(json.dumps(peak_mib() - before if forget.exists() else None))


def write(name, asked, tables, **more):
    """Write the results where asked, and print them."""
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
