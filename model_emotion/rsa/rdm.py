"""Representational dissimilarity matrices (RDMs), kept as vectors of emotion pairs.

A vector holds the lower triangle of a symmetric matrix, column by column, in the order of R's `lower.tri`:
(2,1), (3,1), … (n,1), (3,2), … 27 emotions have 351 pairs.
"""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


def pair_indices(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return indices (a, b), each [n(n-1)/2], of the pairs of n patterns, with a < b."""
    return np.triu_indices(n, 1)  # the upper triangle by rows is the lower triangle by columns


def pair_names(names: Sequence[str]) -> pd.DataFrame:
    """Return a data frame [n(n-1)/2 rows] `emotion_a, emotion_b` with the pairs of `names`."""
    a, b = pair_indices(len(names))
    array = np.asarray(names)
    return pd.DataFrame({"emotion_a": array[a], "emotion_b": array[b]})


def keep_ties(means: np.ndarray) -> np.ndarray:
    """Round means of judgements to 12 decimals.

    Means that are mathematically equal must be tied in ranks, whatever the order in which they were summed.
    """
    return np.round(means, 12)


@np.vectorize
def fifteen_digits(value: float) -> float:
    """Round numbers >= 0 to 15 significant digits exactly as the study's table of distances has them.

    Distances of mean ratings that are mathematically equal differ in their last bits. Rounding decides which
    of them are tied, and so the ranks of the neurons. The steps below are those of data.table's `fwrite` in R
    and give the same float as each cell of the study's table: scale to [1, 10), truncate to 16 digits in
    floating point, then round the last digit half up.
    """
    if value == 0:
        return 0.0
    mantissa, exponent = np.frexp(value)
    power = Decimal(2) ** int(exponent - 1)
    ten = power.adjusted()
    scaled = float(2 * mantissa) * float(power.scaleb(-ten))
    if scaled >= 9.99999999999999:
        scaled, ten = scaled / 10, ten + 1
    digits = (int(scaled * 1e15) + 5) // 10
    return float(f"{digits}e{ten - 14}")


def absolute_rdm(values: ArrayLike) -> np.ndarray:
    """Return absolute differences [..., n(n-1)/2] of the values [..., n] of an attribute or neuron."""
    values = np.asarray(values)
    a, b = pair_indices(values.shape[-1])
    return np.abs(values[..., a] - values[..., b])


def cosine_rdm(patterns: np.ndarray) -> np.ndarray:
    """Return distances 1 - cosine [n(n-1)/2] of patterns [n, features]."""
    unit = patterns / np.linalg.norm(patterns, axis=-1, keepdims=True)
    return 1 - (unit @ unit.T)[pair_indices(len(patterns))]


def square(vector: ArrayLike) -> np.ndarray:
    """Return the symmetric matrix [n, n] with a zero diagonal of an RDM vector [n(n-1)/2]."""
    vector = np.asarray(vector)
    n = int(round((1 + np.sqrt(1 + 8 * len(vector))) / 2))
    matrix = np.zeros((n, n), dtype=vector.dtype)
    matrix[pair_indices(n)] = vector
    return matrix + matrix.T


def of_subjects(similarity: pd.DataFrame) -> pd.DataFrame:
    """Return similarity.csv as an RDM table: `emotion_a, emotion_b` and a column for each subject."""
    wide = similarity.set_index("subject").T
    pairs = wide.index.str.split("|", expand=True).to_frame(index=False, name=["emotion_a", "emotion_b"])
    return pairs.join(wide.reset_index(drop=True))


def percentiles(vector: ArrayLike) -> np.ndarray:
    """Return the percentiles [pairs] of distances [pairs], 0 to 100; ties get their average."""
    from scipy.stats import rankdata  # a slow import, which only figures need

    ranks = rankdata(vector)
    return 100 * (ranks - 0.5) / len(ranks)


def select(table: pd.DataFrame, emotions: Sequence[str]) -> pd.DataFrame:
    """Return the values of an RDM table for the pairs of `emotions`, one row for each pair, in their order.

    table: columns `emotion_a, emotion_b` and one for each RDM. Raises KeyError if an emotion is missing.
    """
    known = set(table["emotion_a"]) | set(table["emotion_b"])
    for emotion in emotions:
        if emotion not in known:
            raise KeyError(f"emotion '{emotion}' is missing from the RDM table's emotion_a and emotion_b")
    values = table.drop(columns=["emotion_a", "emotion_b"])
    rows = {
        frozenset(pair): row
        for row, pair in enumerate(zip(table["emotion_a"], table["emotion_b"], strict=True))
    }
    wanted = pair_names(emotions)
    order = [rows[frozenset(pair)] for pair in zip(wanted["emotion_a"], wanted["emotion_b"], strict=True)]
    return values.iloc[order].reset_index(drop=True)
