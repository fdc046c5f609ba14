"""Kendall's tau-b of very many vectors with a few, exact, with its test by the normal approximation.

Each vector is sorted once. `concordance` then counts pairs of elements in integers, so the result is exact
and the same on every processor.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from model_emotion.base.processor import compiled, cores
from model_emotion.base.progress import progress
from model_emotion.rsa import concordance

ROWS = 1024
"""Vectors in a block, so few that the results of a block fit into a core's cache."""


@compiled
def _ordered_starts(x: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of vectors x [rows, n] as int32, and where groups of ties start, each [rows, n].

    order: their argsort.
    """
    rows, n = x.shape
    short, starts = np.empty((rows, n), dtype=np.int32), np.empty((rows, n), dtype=np.bool_)
    for row in range(rows):
        before = np.nan  # equal to nothing
        for place in range(n):
            element = np.uint64(order[row, place])
            value = x[row, element]
            short[row, place] = element
            starts[row, place] = value != before
            before = value
    return short, starts


@compiled
def _tie_sums(starts: np.ndarray) -> np.ndarray:
    """Return sums [rows, 3] over groups of t tied elements: t(t-1), t(t-1)(t-2) and t(t-1)(2t+5).

    starts: [rows, n].
    """
    rows, n = starts.shape
    sums = np.zeros((rows, 3))
    for row in range(rows):
        first = 0
        for place in range(1, n + 1):
            if place == n or starts[row, place]:
                t = place - first
                if t > 1:
                    pairs = float(t) * (t - 1)
                    sums[row, 0] += pairs
                    sums[row, 1] += pairs * (t - 2)
                    sums[row, 2] += pairs * (2 * t + 5)
                first = place
    return sums


@dataclass(frozen=True)
class Ties:
    """Sums over groups of t tied values, each [vectors]: t(t-1), t(t-1)(t-2) and t(t-1)(2t+5)."""

    pairs: np.ndarray
    triples: np.ndarray
    variance: np.ndarray


@dataclass(frozen=True)
class Ranking:
    """Vectors by the order of their values, each [rows, n].

    order: elements by ascending value, int32. starts: true at the places of `order` where a group of tied
    values begins.
    """

    order: np.ndarray
    starts: np.ndarray

    @property
    def ties(self) -> Ties:
        """The ties of each vector."""
        return Ties(*_tie_sums(self.starts).T)

    def __getitem__(self, rows: slice | np.ndarray) -> "Ranking":
        return Ranking(self.order[rows], self.starts[rows])


def ranking(x: ArrayLike) -> Ranking:
    """Rank vectors [rows, n]. Raises ValueError if a value is NaN."""
    x = np.ascontiguousarray(x, dtype=float)
    if np.isnan(x).any():
        raise ValueError("NaN among the values to be ranked")
    return Ranking(*_ordered_starts(x, np.argsort(x, axis=1)))


@dataclass(frozen=True)
class Pattern:
    """The m vectors of n elements that other vectors are correlated with.

    read: what `concordance` needs of them. ties: each [m].
    """

    n: int
    m: int
    read: tuple[np.ndarray, ...]
    ties: Ties

    def scores(self, x: Ranking, tied: np.ndarray) -> np.ndarray:
        """Return concordant minus discordant pairs [rows, m] of each vector of x with each of these.

        tied: bool [rows], which vectors of x have ties.
        """
        count = concordance.scores_by_sets if self.n < concordance.LONG else concordance.scores_by_walking
        untied_pairs = (self.n * (self.n - 1) - self.ties.pairs.astype(np.int64)) // 2
        return count(x.order, x.starts, tied, *self.read, untied_pairs)


def pattern(y: ArrayLike) -> Pattern:
    """Prepare the m vectors of y [n, m] for `correlate`. Raises ValueError if a value is NaN."""
    ranked = ranking(np.asarray(y, dtype=float).T)
    m, n = ranked.order.shape
    read = concordance.sets if n < concordance.LONG else concordance.places
    return Pattern(n, m, read(ranked.order, ranked.starts), ranked.ties)


def _tau_and_z(x: Ranking, y: Pattern) -> tuple[np.ndarray, np.ndarray]:
    """Return tau-b and z, each [rows, m], of a block of vectors with a Pattern."""
    ties, n = x.ties, y.n
    score = y.scores(x, ties.pairs > 0).astype(float)
    x_ties, y_ties = ([t[:, None] for t in vars(ties).values()], [t[None] for t in vars(y.ties).values()])
    with np.errstate(divide="ignore", invalid="ignore"):  # a constant vector has no tau: NaN
        tau = 2 * score / np.sqrt(n * (n - 1) - x_ties[0]) / np.sqrt(n * (n - 1) - y_ties[0])
        variance = (n * (n - 1) * (2 * n + 5) - x_ties[2] - y_ties[2]) / 18
        variance = variance + x_ties[0] * y_ties[0] / (2 * n * (n - 1))
        variance = variance + x_ties[1] * y_ties[1] / (9 * n * (n - 1) * (n - 2))
        return tau, np.where(np.isnan(tau), np.nan, score / np.sqrt(variance))


def correlate_rankings(
    rankings: Callable[[slice], Ranking], count: int, y: Pattern
) -> tuple[np.ndarray, np.ndarray]:
    """Do what `correlate` does, for ranked vectors. rankings: returns the Ranking of a slice."""
    tau, z = np.empty((count, y.m)), np.empty((count, y.m))
    size = min(ROWS, max(concordance.TILE, 2**20 // y.n))

    def work(start: int) -> None:
        rows = slice(start, min(start + size, count))
        tau[rows], z[rows] = _tau_and_z(rankings(rows), y)

    if count <= size:
        work(0)
        return tau, z
    with ThreadPoolExecutor(cores()) as pool:
        starts = range(0, count, size)
        for _ in progress(pool.map(work, starts), "Kendall's tau", len(starts), "block"):
            pass
    return tau, z


def correlate(
    vectors: Callable[[slice], np.ndarray], count: int, y: Pattern
) -> tuple[np.ndarray, np.ndarray]:
    """Return tau-b and its z, each [count, m], of `count` vectors with the m vectors of a Pattern.

    All cores are used. vectors: returns the vectors of a slice, [rows, n], so that they need not all be in
    memory. z: the score over its standard deviation under independence, corrected for ties, without
    continuity correction (Kendall 1970). Then `scipy.stats.norm.sf(z)` is the one-sided p of R's
    `cor.test(exact=FALSE)` and of scipy's `kendalltau(method="asymptotic")`. The tau of a constant vector is
    NaN. Raises ValueError if a value is NaN.
    """
    return correlate_rankings(lambda rows: ranking(vectors(rows)), count, y)


def tau_b(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return Kendall's tau-b [rows, m] of each row of x [rows, n] with each column of y [n, m]."""
    x = np.asarray(x, dtype=float)
    return correlate(lambda rows: x[rows], len(x), pattern(y))[0]
