"""Eigenvalues and polar factors that are the same on every processor, against LAPACK and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from model_emotion.base.errors import UserError
from model_emotion.human import appraisal


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_eigen_is_lapacks(seed, n):
    rng = np.random.default_rng(seed)
    half = rng.standard_normal((n, n))
    matrix = half + half.T
    values, vectors = appraisal.eigen(matrix)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix)[::-1], atol=1e-13 * n)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-13 * n)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(n), atol=1e-13)


def test_eigen_of_equal_eigenvalues_and_of_one_that_is_zero():
    values, vectors = appraisal.eigen(np.eye(4))
    assert (values == 1).all() and (vectors == np.eye(4)).all()
    values, _ = appraisal.eigen(np.ones((3, 3)))
    np.testing.assert_allclose(values, [3, 0, 0], atol=1e-15)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_polar_is_scipys(seed, n):
    matrix = np.random.default_rng(seed).standard_normal((n, n)) + 3 * np.eye(n)
    np.testing.assert_allclose(appraisal.polar(matrix), linalg.polar(matrix)[0], atol=1e-10)


def test_a_singular_matrix_has_no_polar_factor():
    with pytest.raises(UserError, match="is a combination of the others"):
        appraisal.polar(np.ones((2, 2)))
