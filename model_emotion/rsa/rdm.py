"""Representational dissimilarity matrices (RDMs), kept as vectors of emotion pairs.

A vector holds the lower triangle of a symmetric matrix read column by column, as R's `lower.tri` does:
(2,1), (3,1), … (n,1), (3,2), … For 27 emotions these are 351 pairs.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


def pair_indices(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices (a, b), each [n(n-1)/2], of the pairs of n patterns; a < b."""
    return np.triu_indices(n, 1)  # upper triangle by rows = lower triangle by columns


def pair_names(names: Sequence[str]) -> pd.DataFrame:
    """Return the pairs of `names` as a data frame `emotion_a, emotion_b`."""
    a, b = pair_indices(len(names))
    every = np.asarray(names)
    return pd.DataFrame({"emotion_a": every[a], "emotion_b": every[b]})


def keep_ties(means: np.ndarray) -> np.ndarray:
    """Round means of judgements to 12 decimals, so that arithmetically equal means are tied in ranks.

    Without it, their last bits would depend on the order of the sum.
    """
    return np.round(means, 12)


@np.vectorize
def fifteen_digits(value: float) -> float:
    """Round a number >= 0 to 15 significant digits as in the study's table of distances, to the same float.

    Arithmetically equal distances of mean ratings differ in their last bits. Which of them are tied, and so
    the ranks of the neurons, depends on how they were rounded. The study's cells follow from the steps of
    data.table's `fwrite`: scale to [1, 10), take 16 digits in floating point and cut off the rest, then round
    the last digit half up.
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
    """Return the absolute differences [..., n(n-1)/2] of the values [..., n] of an attribute or neuron."""
    values = np.asarray(values)
    a, b = pair_indices(values.shape[-1])
    return np.abs(values[..., a] - values[..., b])


def cosine_rdm(patterns: np.ndarray) -> np.ndarray:
    """Return the distances 1 - cosine [n(n-1)/2] of patterns [n, features]."""
    unit = patterns / np.linalg.norm(patterns, axis=-1, keepdims=True)
    return 1 - (unit @ unit.T)[pair_indices(len(patterns))]


def square(vector: np.ndarray) -> np.ndarray:
    """Return an RDM [n(n-1)/2] as a symmetric matrix [n, n] with a zero diagonal."""
    n = int(round((1 + np.sqrt(1 + 8 * len(vector))) / 2))
    matrix = np.zeros((n, n), dtype=np.asarray(vector).dtype)
    matrix[pair_indices(n)] = vector
    return matrix + matrix.T


def of_subjects(similarity: pd.DataFrame) -> pd.DataFrame:
    """Return similarity.csv as an RDM table: `emotion_a, emotion_b` and a column per subject."""
    wide = similarity.set_index("subject").T
    pairs = wide.index.str.split("|", expand=True).to_frame(index=False, name=["emotion_a", "emotion_b"])
    return pairs.join(wide.reset_index(drop=True))


def select(table: pd.DataFrame, emotions: Iterable[str]) -> pd.DataFrame:
    """Return the values of an RDM table (`emotion_a, emotion_b`, …) for `emotions`, in their order.

    Raises KeyError that names the first emotion that the table lacks.
    """
    emotions = list(emotions)
    known = set(table["emotion_a"]) | set(table["emotion_b"])
    for emotion in emotions:
        if emotion not in known:
            raise KeyError(f"the RDM table has no emotion '{emotion}'")
    values = table.drop(columns=["emotion_a", "emotion_b"])
    rows = {
        frozenset(pair): row
        for row, pair in enumerate(zip(table["emotion_a"], table["emotion_b"], strict=True))
    }
    wanted = pair_names(emotions)
    order = [rows[frozenset(pair)] for pair in zip(wanted["emotion_a"], wanted["emotion_b"], strict=True)]
    return values.iloc[order].reset_index(drop=True)
