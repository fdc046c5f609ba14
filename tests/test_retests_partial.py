"""Partial correlations of permuted residuals, against least squares."""

from itertools import permutations

import numpy as np
import pytest

from model_emotion.retests import partial


def left_over(values, given):
    """The residuals of values on given variables, by numpy's least squares."""
    return values - given @ np.linalg.lstsq(given, values, rcond=None)[0]


def test_a_permutation_that_the_basis_explains_correlates_with_nothing():
    """With four cases, an order of the residuals can be the third variable itself, or its opposite."""
    given = np.column_stack([np.ones(4), [1.0, -2.0, 2.0, -1.0]])
    own = np.array(list(permutations(np.array([-2.0, -1.0, 1.0, 2.0]) / np.sqrt(10))))
    other = left_over(np.array([-3.0, 1.0, 2.0, 5.0]), given)
    rest = left_over(own.T, given).T
    explained = np.linalg.norm(rest, axis=1) < 1e-6
    expected = [
        0.0 if none_left else np.corrcoef(row, other)[0, 1]
        for row, none_left in zip(rest, explained, strict=True)
    ]
    found = partial.of_permuted(own, other / np.linalg.norm(other), partial.basis(given))
    assert explained.sum() == 2 and found == pytest.approx(expected)
