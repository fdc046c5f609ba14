"""The same bytes on every processor: results here equal those of a process that uses older instructions.

OpenBLAS and numpy select instructions for the processor. The variables below make them select those of an
older one.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

from model_emotion.base import statistics, study
from model_emotion.base.results import MASKED_ACCURACY
from model_emotion.human import appraisal, similarity
from model_emotion.masking import drops
from model_emotion.retests import crossed, neurons
from model_emotion.retests import drops as drop_retests
from model_emotion.retests.weights import human_correlation_of_attributes
from model_emotion.rsa import rdm

ROOT = Path(__file__).parents[1]
AVX512 = [name for name in __cpu_dispatch__ if name == "X86_V4" or name.startswith("AVX512")]
OLDER = {
    "AVX2": {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": " ".join(AVX512)},
    "SSE": {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": " ".join(["X86_V3", *AVX512])},
}
"""Kind of processor -> environment variables that imitate it on a processor with AVX512."""

UNREPAIRED = "numpy's arctanh"
DISTRIBUTIONS = {"human correlation", "re-tests of masks"}
"""scipy computes their p and limits with the C library's exp and log, which can differ by system."""

EXPECTED = {
    "product": "01ccc02a614c6f80",
    "regression": "f8ee9def84d20b89",
    "atanh": "2753af4e83b760ac",
    "tanh": "baa4eb18ca33329b",
    "correlations": "e531bef470861b77",
    "eigen": "8725ee4bd569c0cc",
    "varimax": "a70cb03d02c879e0",
    "parallel analysis": "f22ab24c86ed561e",
    "bootstrap of subjects": "3bc0fc4ec84c5acd",
    "distances": "ea46565a95365676",
    "label co-occurrence": "ab0ebbb90e9371a2",
}
"""Operation -> the first 16 hex digits of the SHA-256 of its bytes, on every processor."""


def made_masked(rng):
    """Return masked accuracies of 5 emotions, 3 seeds, 14 attribute masks and 4 shared random masks."""
    rows = []
    for emotion in study.EMOTIONS[:5]:
        for seed in (1, 2, 3):
            for attribute in study.ATTRIBUTES:
                rows.append((emotion, seed, attribute, "attribute", None, 10, rng.integers(50, 90) / 97, 97))
            for draw in range(1, 5):
                rows.append((emotion, seed, None, "random", draw, 10, rng.integers(70, 97) / 97, 97))
    return pd.DataFrame(rows, columns=MASKED_ACCURACY).astype({"draw": "Int64"})


def operations():
    """Return name -> array of every operation that must not depend on the processor, on synthetic data."""
    rng = np.random.default_rng(0)
    factors = rng.integers(1, 10, (299, 6)) @ rng.integers(0, 2, (6, 38))
    answers = (factors + rng.integers(1, 10, (299, 38))).astype(float)
    correlations = appraisal.correlations(answers)
    values, vectors = appraisal.eigen(correlations)
    loadings = vectors[:, :6] * np.sqrt(values[:6])
    distances = rng.integers(1, 10, (30, 351)) + rng.integers(0, 2, (30, 351)) / 7
    x, y = rng.integers(1, 1000, (2, 5000)) / 997
    masked = made_masked(rng)
    weights = pd.Series(rng.integers(1, 1000, 14) / 997, study.ATTRIBUTES)
    dropped = drops.accuracy_drops(masked)
    each, over_emotions, over_attributes = drops.human_correlation(dropped, weights)
    retests = [
        *drop_retests.hurt_over_attributes(masked, dropped, 10),
        *drop_retests.hurt_over_emotions(dropped, 10),
        *human_correlation_of_attributes(dropped, 10, weights),
        *crossed.share_of_distance(masked, dropped, masked.assign(majority=0.5), 10),
    ]  # fmt: skip
    labels = (rng.random((5000, 27)) < 0.05).astype(float)
    r = rng.integers(-(10**6), 10**6, 2000) / 10**6
    return {
        "product": statistics.product(answers.T / 7, answers / 9),
        "regression": np.array(statistics.regression(x, y))[[0, 2, 3]],  # without p
        "atanh": np.array([statistics.atanh(value) for value in r]),
        "tanh": np.array([statistics.tanh(5 * value) for value in r]),
        "correlations": correlations,
        "eigen": np.vstack([values, vectors]),
        "varimax": np.vstack(appraisal.varimax(loadings, appraisal.CONVERGED_EPS)),
        "parallel analysis": np.vstack(list(vars(appraisal.parallel_analysis(answers, 20, 1)).values())),
        "bootstrap of subjects": similarity.bootstrap_means(distances, 500, 1),
        "distances": rdm.fifteen_digits(rdm.absolute_rdm(statistics.product(answers[:27], loadings).T)),
        "human correlation": np.hstack(
            [
                table.select_dtypes(float).to_numpy().ravel()
                for table in (each, over_emotions, over_attributes)
            ]
        ),
        "re-tests of masks": pd.DataFrame(retests).select_dtypes(float).to_numpy(),
        "label co-occurrence": neurons.label_rdm(labels).to_numpy(),
        UNREPAIRED: np.arctanh(r),
    }


def digests():
    """Return name -> the first 16 hex digits of the SHA-256 of each operation's bytes."""
    return {
        name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]
        for name, array in operations().items()
    }


@pytest.fixture(scope="module")
def here():
    return digests()


@pytest.mark.parametrize("name", EXPECTED)
def test_this_processor_gives_the_expected_bytes(here, name):
    assert here[name] == EXPECTED[name]


def test_every_operation_has_expected_bytes(here):
    assert here.keys() - {UNREPAIRED} - DISTRIBUTIONS == EXPECTED.keys()


@pytest.mark.parametrize("kind", OLDER)
def test_an_older_processor_gives_the_same_bytes(here, kind):
    if not __cpu_features__.get("X86_V4"):
        pytest.skip("an older processor can only be imitated on one with AVX512")
    code = "import json; from tests.test_processors import digests; print(json.dumps(digests()))"
    command = [sys.executable, "-c", code]
    there = json.loads(
        subprocess.run(
            command, cwd=ROOT, env=os.environ | OLDER[kind], capture_output=True, check=True
        ).stdout
    )
    assert there.pop(UNREPAIRED) != here[UNREPAIRED]  # otherwise no older processor was imitated
    assert there == {name: digest for name, digest in here.items() if name != UNREPAIRED}
