"""Kendall's tau-b by sign products, against scipy and base R, and by properties on random input."""

import shutil
import subprocess

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from model_emotion.rsa import kendall
from model_emotion.rsa.kendall import correlate, pattern, tau_b

few_values = st.sampled_from([0.0, 0.5, 1.0, -3.0, 1e-300, 7.25])


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_equals_scipy_with_ties_of_any_kind(data):
    n = data.draw(st.integers(3, 40))
    elements = data.draw(st.sampled_from([few_values, st.floats(-5, 5), st.integers(0, 3).map(float)]))
    x = data.draw(arrays(float, (3, n), elements=elements))
    y = data.draw(arrays(float, (n, 2), elements=elements))
    tau, z = correlate(lambda rows: x[rows], len(x), pattern(y))
    for row in range(3):
        for column in range(2):
            scipys = stats.kendalltau(x[row], y[:, column], method="asymptotic", alternative="greater")
            np.testing.assert_allclose(tau[row, column], scipys.statistic, atol=1e-12)
            np.testing.assert_allclose(stats.norm.sf(z[row, column]), scipys.pvalue, rtol=1e-9, atol=1e-12)


def test_many_rows_cross_block_borders(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 30, (157, 45)).astype(float), rng.random((45, 17))
    whole = tau_b(x, y)
    monkeypatch.setattr(kendall, "ROWS", 10)
    monkeypatch.setattr(kendall, "SIGNS", 64)
    np.testing.assert_array_equal(tau_b(x, y), whole)
    expected = [[stats.kendalltau(row, column).statistic for column in y.T] for row in x]
    np.testing.assert_allclose(whole, expected, atol=1e-12)


def test_signs_that_are_not_kept_are_made_anew(monkeypatch):
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 9, (40, 45)).astype(float), rng.integers(0, 9, (45, 17)).astype(float)
    monkeypatch.setattr(kendall, "SIGNS", 64)
    kept = pattern(y)
    monkeypatch.setattr(kendall, "KEPT", 0)
    anew = pattern(y)
    assert kept.kept and not anew.kept
    for one, other in zip(*(correlate(lambda rows: x[rows], len(x), made) for made in (kept, anew)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_torch_has_its_threads_back():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        tau_b(np.arange(5.0)[None], np.arange(5.0)[:, None])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_by_hand():
    # 1 2 3 4 against 1 3 2 4: five pairs agree, one does not
    assert tau_b([[1, 2, 3, 4]], np.array([[1], [3], [2], [4]])) == pytest.approx((5 - 1) / 6)


def test_a_constant_vector_has_no_tau():
    assert np.isnan(tau_b(np.ones((1, 5)), np.arange(5.0)[:, None])).all()


def test_nan_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        tau_b([[1.0, np.nan, 2.0]], np.arange(3.0)[:, None])


def test_more_elements_than_a_short_integer_counts():
    n = np.iinfo(np.int16).max + 10
    ranks, _ = kendall.dense_ranks(np.arange(n, dtype=float)[None])
    assert ranks[-1, 0] == n


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
    printed = subprocess.run(["Rscript", "-e", script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    expected = np.array([line.split() for line in printed.splitlines()], dtype=float)
    tau, z = correlate(lambda rows: x[rows], 6, pattern(y[:, None]))
    np.testing.assert_allclose(tau[:, 0], expected[:, 0], rtol=1e-12)
    np.testing.assert_allclose(stats.norm.sf(z[:, 0]), expected[:, 1], rtol=1e-10)
