"""Kendall's tau-b of very many vectors with a few, exact, with its test by the normal approximation.

tau-b's numerator is a sum over pairs of elements of sign(x_p - x_q) sign(y_p - y_q): a matrix product of signs. Signs fit
in a byte, and processors multiply bytes several times faster than floats; sums of products of signs are exact integers.
For 351 distances a vector has 61,425 signs, for 19,900 it has 198 million, so they are made, multiplied and dropped a block at a time.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

ROWS = 1024  # vectors a block: ranks and signs of a block stay in a core's cache
SIGNS = 2048  # signs of a vector a block, about
KEPT = 2**27  # signs of the others are kept where they are fewer, and not made anew for each block


@dataclass(frozen=True)
class Ties:
    """Sums over groups of t tied values, one entry a vector: t(t-1), t(t-1)(t-2) and t(t-1)(2t+5)."""

    pairs: np.ndarray
    triples: np.ndarray
    variance: np.ndarray


@dataclass(frozen=True)
class Pattern:
    """The m vectors of n values that others are correlated with: ranks [n, m'], the sum [m'] of the signs of all differences, and ties [m].

    m' is m and constant vectors, since byte products come in sixteens. kept: the blocks of signs where they are few.
    """

    n: int
    m: int
    ranks: np.ndarray
    total: np.ndarray
    ties: Ties
    kept: tuple = ()

    def signs(self):
        """The signs of all differences, as blocks [m', comparisons] int8 of the same comparisons as those of `_comparisons`."""
        if self.kept:
            return iter(self.kept)
        compared = zip(_comparisons(self.ranks, np.greater), _comparisons(self.ranks, np.less), strict=True)
        return (torch.from_numpy((greater - less).T) for greater, less in compared)


def dense_ranks(x):
    """[rows, n] floats -> int ranks [n, rows] in which ties are equal, and the Ties of each row. NaN is refused."""
    x = np.ascontiguousarray(x)
    if np.isnan(x).any():
        raise ValueError("NaN among the values to be ranked")
    rows, n = x.shape
    order = np.argsort(x, axis=1)
    order += n * np.arange(rows)[:, None]  # places in the flat array
    ordered = x.ravel()[order]
    new = np.ones((rows, n), dtype=bool)  # where a value differs from the one before it
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=new[:, 1:])
    kind = np.int16 if n <= np.iinfo(np.int16).max else np.int32
    ranks = np.empty(rows * n, dtype=kind)
    ranks[order] = np.cumsum(new, axis=1, dtype=kind)

    first = np.flatnonzero(new)
    size = np.diff(first, append=new.size).astype(float)
    tied = size > 1
    row, t = first[tied] // n, size[tied]
    ties = Ties(*(np.bincount(row, weights, rows) for weights in (t * (t - 1), t * (t - 1) * (t - 2), t * (t - 1) * (2 * t + 5))))
    return np.ascontiguousarray(ranks.reshape(rows, n).T), ties


def _comparisons(ranks, compare):
    """compare(ranks[p + shift], ranks[p]) of ranks [n, rows], as blocks [comparisons, rows] of 0 and 1 in one reused buffer."""
    n, rows = ranks.shape
    buffer = np.empty((SIGNS + n, rows), dtype=bool)
    filled = 0
    for shift in range(1, n):
        compare(ranks[shift:], ranks[:-shift], out=buffer[filled : filled + n - shift])
        filled += n - shift
        if filled >= SIGNS or shift == n - 1:
            yield buffer[:filled].view(np.int8)
            filled = 0


def _products(ranks, compare, y):
    """Sum of comparison times sign over all pairs: [rows] vectors' ranks [n, rows] and a Pattern -> [m', rows]."""
    total = np.zeros((y.ranks.shape[1], ranks.shape[1]), dtype=np.int64)
    for block, signs in zip(_comparisons(ranks, compare), y.signs(), strict=True):
        total += torch._int_mm(signs, torch.from_numpy(block)).numpy()
    return total


def pattern(y):
    """Prepare the m vectors of y [n, m] for `correlate`."""
    y = np.asarray(y, dtype=float)
    n, m = y.shape
    ranks, ties = dense_ranks(y.T)
    made = Pattern(n, m, np.pad(ranks, ((0, 0), (0, -m % 16))), np.zeros(0), ties)
    total = sum(block.sum(dim=1).numpy() for block in made.signs())
    return replace(made, total=total, kept=tuple(made.signs()) if made.ranks.size * n // 2 < KEPT else ())


def _correlate_block(x, y):
    """tau and z, each [rows, m], of a block of vectors x [rows, n] with a Pattern."""
    ranks, ties = dense_ranks(x)
    # a sign is 2 greater - 1, but for a tie, where that is -1 and not 0
    score = 2 * _products(ranks, np.greater, y) - y.total[:, None]
    tied = np.flatnonzero(ties.pairs)
    if len(tied):
        score[:, tied] += _products(np.ascontiguousarray(ranks[:, tied]), np.equal, y)
    score = score[: y.m].T.astype(float)

    n = y.n
    x_ties, y_ties = ([t[:, None] for t in vars(ties).values()], [t[None] for t in vars(y.ties).values()])
    with np.errstate(divide="ignore", invalid="ignore"):  # a constant vector has no tau: NaN
        tau = 2 * score / np.sqrt(n * (n - 1) - x_ties[0]) / np.sqrt(n * (n - 1) - y_ties[0])
        variance = (n * (n - 1) * (2 * n + 5) - x_ties[2] - y_ties[2]) / 18
        variance = variance + x_ties[0] * y_ties[0] / (2 * n * (n - 1))
        variance = variance + x_ties[1] * y_ties[1] / (9 * n * (n - 1) * (n - 2))
        return tau, np.where(np.isnan(tau), np.nan, score / np.sqrt(variance))


def correlate(vectors, count, y):
    """tau-b and its z, each [count, m], of `count` vectors with the m vectors of a Pattern, on all cores.

    vectors: function of a slice that gives those vectors, [rows, n]; so that they need not all be held at once.
    z: score over its standard deviation under independence, corrected for ties, without continuity correction (Kendall 1970);
    `scipy.stats.norm.sf(z)` is the one-sided p of R's `cor.test(exact=FALSE)` and of scipy's `kendalltau(method="asymptotic")`.
    """
    tau, z = np.empty((count, y.m)), np.empty((count, y.m))
    size = min(ROWS, max(256, 2**20 // y.n))

    def work(start):
        rows = slice(start, min(start + size, count))
        tau[rows], z[rows] = _correlate_block(vectors(rows), y)

    before = torch.get_num_threads()
    try:  # a product is one core's: threads of torch's own beside the pool's would wait for each other
        with ThreadPoolExecutor(len(os.sched_getaffinity(0)), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(work, range(0, count, size)))
    finally:
        torch.set_num_threads(before)
    return tau, z


def tau_b(x, y):
    """Kendall's tau-b [rows, m] of each row of x [rows, n] with each column of y [n, m]."""
    x = np.asarray(x, dtype=float)
    return correlate(lambda rows: x[rows], len(x), pattern(np.asarray(y, dtype=float)))[0]
