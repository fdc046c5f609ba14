"""Kendall's tau-b of short and long vectors, compared with a plain loop, scipy and base R."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numba.core import caching
from scipy import stats

from model_emotion.base.processor import compiled
from model_emotion.rsa import concordance, kendall
from model_emotion.rsa.kendall import correlate, pattern, ranking, tau_b

few_values = st.sampled_from([0.0, 0.5, 1.0, -3.0, 1e-300, 7.25])


@pytest.fixture(params=["sets", "walking"])
def algorithm(request, monkeypatch):
    """Use each of the two algorithms, whatever the length of the vectors."""
    monkeypatch.setattr(concordance, "LONG", 10**9 if request.param == "sets" else 0)


def compare_with_scipy(x, y):
    """Compare tau and p of x [rows, n] with y [n, columns] with scipy's."""
    tau, z = correlate(lambda rows: x[rows], len(x), pattern(y))
    for row in range(len(x)):
        for column in range(y.shape[1]):
            scipys = stats.kendalltau(x[row], y[:, column], method="asymptotic", alternative="greater")
            np.testing.assert_allclose(tau[row, column], scipys.statistic, atol=1e-12)
            np.testing.assert_allclose(stats.norm.sf(z[row, column]), scipys.pvalue, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("long", [10**9, 0], ids=["sets", "walking"])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_equals_scipy_with_ties_of_any_kind(long, data):
    n = data.draw(st.integers(3, 70))
    elements = data.draw(st.sampled_from([few_values, st.floats(-5, 5), st.integers(0, 3).map(float)]))
    x = data.draw(arrays(float, (3, n), elements=elements))
    y = data.draw(arrays(float, (n, 2), elements=elements))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concordance, "LONG", long)
        compare_with_scipy(x, y)


VALUES = {
    "distinct": lambda rng, size: rng.random(size),
    "few ties": lambda rng, size: np.round(rng.random(size), 2),
    "four values": lambda rng, size: rng.integers(0, 4, size).astype(float),
}


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("n", [3, 63, 64, 65, 127, 128, 129, 351, 1024])
def test_lengths_around_a_word(algorithm, n, values):
    rng = np.random.default_rng(n)
    x, y = VALUES[values](rng, (3, n)), VALUES[values](rng, (n, 2))
    compare_with_scipy(x, np.column_stack([y, VALUES["distinct"](rng, n)]))


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("n", [4095, 4096, 4097, 12_300])
def test_lengths_around_a_superblock(n, values):
    rng = np.random.default_rng(n)
    compare_with_scipy(VALUES[values](rng, (2, n)), VALUES[values](rng, (n, 2)))


def test_scores_are_those_of_a_double_loop_over_signs(algorithm):
    rng = np.random.default_rng(4)
    for n in (2, 5, 66, 140):
        x, y = rng.integers(0, n // 2 + 1, (2, n)), rng.integers(0, n // 2 + 1, (n, 2))
        x[1] = rng.permutation(n)
        by_sign = [
            [
                sum(np.sign(a[q] - a[p]) * np.sign(b[q] - b[p]) for p in range(n) for q in range(p))
                for b in y.T
            ]
            for a in x
        ]
        ranked = ranking(x)
        np.testing.assert_array_equal(pattern(y).scores(ranked, ranked.ties.pairs > 0), by_sign)


def test_long_vectors_are_walked_through(monkeypatch):
    n = 20
    assert len(pattern(np.arange(float(n))[:, None]).prepared) == 2  # bit sets
    monkeypatch.setattr(concordance, "LONG", n)
    assert len(pattern(np.arange(float(n))[:, None]).prepared) == 3  # places


def test_two_elements(algorithm):
    assert tau_b([[1, 2], [2, 1]], np.array([[3], [4]])) == pytest.approx(np.array([[1], [-1]]))


def test_many_rows_give_the_same_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 30, (157, 45)).astype(float), rng.random((45, 17))
    whole = tau_b(x, y)
    monkeypatch.setattr(kendall, "ROWS", 10)
    np.testing.assert_array_equal(tau_b(x, y), whole)
    expected = [[stats.kendalltau(row, column).statistic for column in y.T] for row in x]
    np.testing.assert_allclose(whole, expected, atol=1e-12)


def test_a_function_is_compiled_if_no_cache_folder_is_writable(monkeypatch):
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])

    def triple(x):
        return 3 * x

    assert compiled(triple)(2) == 6


def test_by_hand():
    # 1 2 3 4 against 1 3 2 4: five pairs agree, one does not
    assert tau_b([[1, 2, 3, 4]], np.array([[1], [3], [2], [4]])) == pytest.approx((5 - 1) / 6)


def test_a_constant_vector_has_no_tau(algorithm):
    assert np.isnan(tau_b(np.ones((1, 5)), np.arange(5.0)[:, None])).all()
    assert np.isnan(tau_b(np.arange(5.0)[None], np.ones((5, 1)))).all()


def test_nan_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        tau_b([[1.0, np.nan, 2.0]], np.arange(3.0)[:, None])


def test_more_elements_than_int16_holds():
    n = np.iinfo(np.int16).max + 5_000
    x = np.random.default_rng(2).random(n)
    assert tau_b(x[None], np.column_stack([x, -x])) == pytest.approx(np.array([[1, -1]]))


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="base R is not installed (Debian: r-base-core)")
def test_equals_base_r(tmp_path):
    rng = np.random.default_rng(1)
    x, y = np.round(rng.random((6, 351)), 2), np.round(rng.random(351), 1)
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", fmt="%.17g")
    np.savetxt(tmp_path / "y.csv", y, delimiter=",", fmt="%.17g")
    script = """
      x <- as.matrix(read.csv("x.csv", header = FALSE)); y <- scan("y.csv", quiet = TRUE)
      for (i in 1:6) {
        found <- cor.test(x[i, ], y, method = "kendall", alternative = "greater", exact = FALSE)
        cat(format(c(found$estimate, found$p.value), digits = 17), "\\n")
      }"""
    printed = subprocess.run(
        ["Rscript", "-e", script], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    expected = np.array([line.split() for line in printed.splitlines()], dtype=float)
    tau, z = correlate(lambda rows: x[rows], 6, pattern(y[:, None]))
    np.testing.assert_allclose(tau[:, 0], expected[:, 0], rtol=1e-12)
    np.testing.assert_allclose(stats.norm.sf(z[:, 0]), expected[:, 1], rtol=1e-10)
