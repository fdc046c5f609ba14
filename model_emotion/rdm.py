"""Representational dissimilarity matrices (RDMs), kept as vectors of emotion pairs.

A vector holds the lower triangle of a symmetric matrix read column by column, as R's `lower.tri` does:
(2,1), (3,1), … (n,1), (3,2), … For 27 emotions these are 351 pairs.
"""

import numpy as np
import pandas as pd


def pair_indices(n):
    """Indices (a, b), each [n(n-1)/2], of the pairs of n patterns; a < b."""
    return np.triu_indices(n, 1)  # upper triangle by rows = lower triangle by columns


def pair_names(names):
    """Data frame `emotion_a, emotion_b` that names the pairs of `names`."""
    a, b = pair_indices(len(names))
    names = np.asarray(names)
    return pd.DataFrame({"emotion_a": names[a], "emotion_b": names[b]})


def absolute_rdm(values):
    """[..., n] values of one attribute or neuron -> [..., n(n-1)/2] absolute differences."""
    values = np.asarray(values)
    a, b = pair_indices(values.shape[-1])
    return np.abs(values[..., a] - values[..., b])


def euclidean_rdm(patterns):
    """[n, features] -> [n(n-1)/2] Euclidean distances."""
    a, b = pair_indices(len(patterns))
    return np.linalg.norm(patterns[a] - patterns[b], axis=-1)


def cosine_rdm(patterns):
    """[n, features] -> [n(n-1)/2] distances 1 - cosine."""
    unit = patterns / np.linalg.norm(patterns, axis=-1, keepdims=True)
    return 1 - (unit @ unit.T)[pair_indices(len(patterns))]


def square(vector):
    """[n(n-1)/2] -> symmetric [n, n] with a zero diagonal."""
    n = int(round((1 + np.sqrt(1 + 8 * len(vector))) / 2))
    matrix = np.zeros((n, n), dtype=np.asarray(vector).dtype)
    matrix[pair_indices(n)] = vector
    return matrix + matrix.T


def select(table, emotions):
    """Rows of an RDM table (`emotion_a, emotion_b`, …) for the pairs of `emotions`, in their order, values only.

    Raises KeyError that names the first emotion which the table lacks.
    """
    known = set(table["emotion_a"]) | set(table["emotion_b"])
    for emotion in emotions:
        if emotion not in known:
            raise KeyError(f"the RDM table has no emotion '{emotion}'")
    values = table.drop(columns=["emotion_a", "emotion_b"])
    rows = {frozenset(pair): row for row, pair in enumerate(zip(table["emotion_a"], table["emotion_b"], strict=True))}
    wanted = pair_names(emotions)
    order = [rows[frozenset(pair)] for pair in zip(wanted["emotion_a"], wanted["emotion_b"], strict=True)]
    return values.iloc[order].reset_index(drop=True)
