"""Partial correlations, and those of permuted residuals (Freedman and Lane 1983), of cases or of pairs.

Products are summed in a fixed order, so that every processor gives the same bytes.
"""

import math

import numpy as np

from model_emotion.base.statistics import product

ROUNDING = 1e-12
"""Shares of variance that are smaller than this come from rounding."""


def basis(vectors: np.ndarray) -> np.ndarray | None:
    """Return orthonormal columns [n, m] that span vectors [n, m] (modified Gram-Schmidt).

    None if one vector follows from those before it.
    """
    columns: list[np.ndarray] = []
    for vector in vectors.T:
        rest = vector
        for column in columns:
            rest = rest - product(rest[None], column[:, None])[0, 0] * column
        length = math.sqrt(product(rest[None], rest[:, None])[0, 0])
        if length <= 1e-9 * math.sqrt(product(vector[None], vector[:, None])[0, 0]):
            return None
        columns.append(rest / length)
    return np.column_stack(columns)


def residuals(values: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return values [m, n] less their projection on a basis [n, q], each row scaled to length 1.

    The product of two such rows is a partial correlation, if the basis spans the constants.
    """
    rest = values - product(product(values, given), given.T)
    return rest / np.sqrt(product(rest * rest, np.ones((rest.shape[1], 1))))


def of_permuted(own: np.ndarray, other: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return the partial correlations [samples] of permuted residuals with another variable's residuals.

    own: [samples, n], permutations of a row of `residuals`. other: [n], a row of them. given: their basis
    [n, q], on which the permuted ones are regressed again. A correlation is 0 if the basis explains all of a
    permutation, which happens with few cases.
    """
    # `other` is orthogonal to the basis, and each row of `own` has length 1: no need to form the residuals
    inner = product(own, np.column_stack([given, other]))
    explained = product(inner[:, :-1] ** 2, np.ones((given.shape[1], 1)))[:, 0]
    left = 1 - explained
    some = left > ROUNDING  # rounding can also make it less than 0
    return np.where(some, inner[:, -1] / np.sqrt(np.where(some, left, 1)), 0.0)
