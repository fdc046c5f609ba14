"""The searchlight beside what one would use instead: a loop over scipy's kendalltau, and base R's cor.test where R is installed.

`python benchmarks/searchlight.py` after `make repro`. Loops run on a sample of neurons and are scaled up to all of them. Ours is the
whole: RDMs, tau, p, both q and ranks, in a process of its own, whose peak memory counts the interpreter, its packages and the input.
"""

import argparse
import json
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import stats

from model_emotion import rdm
from model_emotion.files import read_csv
from model_emotion.run import read_activations

RUN = Path("results/published")


def inputs():
    """The study's activations and attribute RDMs."""
    activations = read_activations(RUN / "activations.safetensors")
    return activations.values, rdm.select(read_csv("results/human/attribute_rdms.csv"), activations.emotions).to_numpy()


def ours(repeats):
    """Seconds of each of `repeats` whole searchlights, and this process's peak memory in GB."""
    from model_emotion.rsa.searchlight import searchlight

    activations, rdms = inputs()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        searchlight(activations, rdms)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}


def sample_of_rdms(activations, count):
    """Mean RDMs [count, pairs] of neurons spread over the model."""
    from model_emotion.rsa.searchlight import mean_rdm

    return mean_rdm(activations[:, :, np.linspace(0, activations.shape[2] - 1, count).astype(int)])


def scipys(own, rdms):
    """Seconds of a loop over scipy's kendalltau, tau and p only."""
    start = time.perf_counter()
    for vector in own:
        for column in rdms.T:
            stats.kendalltau(vector, column, method="asymptotic", alternative="greater")
    return time.perf_counter() - start


def base_rs(own, rdms):
    """Seconds of a loop over base R's cor.test, timed inside R; None where R is not installed."""
    if not shutil.which("Rscript"):
        return None
    script = """
      x <- as.matrix(read.csv("x.csv", header = FALSE)); y <- as.matrix(read.csv("y.csv", header = FALSE))
      cat(system.time(for (i in seq_len(nrow(x))) for (j in seq_len(ncol(y)))
        cor.test(x[i, ], y[, j], method = "kendall", alternative = "greater", exact = FALSE))[["elapsed"]])"""
    with tempfile.TemporaryDirectory() as folder:
        np.savetxt(f"{folder}/x.csv", own, delimiter=",")
        np.savetxt(f"{folder}/y.csv", rdms, delimiter=",")
        return float(subprocess.run(["Rscript", "-e", script], cwd=folder, capture_output=True, text=True, check=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, default=200, help="sample of neurons for the loops")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)  # the process whose memory is measured
    options = parser.parse_args()
    if options.ours:
        print(json.dumps(ours(options.repeats)))
        return
    printed = subprocess.run([sys.executable, __file__, "--ours", "--repeats", str(options.repeats)], capture_output=True, text=True)
    printed.check_returncode()
    found = json.loads(printed.stdout)
    activations, rdms = inputs()
    own, scale = sample_of_rdms(activations, options.neurons), activations.shape[2] / options.neurons
    median = statistics.median(found["seconds"])
    print(f"{activations.shape[2]:,} neurons x {rdms.shape[1]} attributes, {len(rdms)} pairs; {platform.processor() or platform.machine()}")
    print(f"ours      {median:8.2f} s ({min(found['seconds']):.2f} to {max(found['seconds']):.2f}), peak {found['peak_gb']:.2f} GB")
    for name, seconds in (("scipy", scipys(own, rdms)), ("base R", base_rs(own[: max(1, len(own) // 10)], rdms))):
        part = scale * 10 if name == "base R" else scale
        print(f"{name:9s} " + ("not measured" if seconds is None else f"{seconds * part:8.0f} s, {seconds * part / median:.0f} times ours"))


if __name__ == "__main__":
    main()
