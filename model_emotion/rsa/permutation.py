"""The permutation test of the searchlight: how large does the largest tau of all neurons become by chance?

The distances of 27 emotions are not 351 independent values. So emotions are permuted, not pairs (Mantel
1967): an attribute's RDM keeps its geometry, and its emotions change places. The critical tau is what the
largest tau of all neurons exceeds in 5 % of the permutations. The chance of even one false neuron above it is
below 5 % (Nichols & Holmes 2002).

Tau of every neuron with every permuted RDM (36,864 neurons x 14 attributes x 1,999 permutations) would take
many minutes. Only the largest is needed, and a neuron with a large tau also has a large Spearman's rho, which
takes one matrix product. So rho selects a few candidates, whose tau is computed. With few emotions or
neurons, it is faster to compute all taus.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from model_emotion.base.processor import compiled, cores
from model_emotion.base.progress import progress
from model_emotion.rsa import concordance
from model_emotion.rsa.kendall import ROWS, Ranking, correlate_rankings, pattern, ranking
from model_emotion.rsa.rdm import pair_indices, square

PAIRS = 351
CANDIDATES = 16
"""Neurons whose tau is computed for a permutation of PAIRS pairs; with fewer pairs, as many as take the same
time."""
CELLS = 2**24
"""Values of rho in memory at a time: 64 MB."""
FEW = 5 * 10**5
"""Neurons times squared pairs / 128 up to which all taus take less time than the selection of candidates."""
AT_ONCE = 256
"""Permutations whose taus are in memory at a time."""


def permutations(n: int, samples: int, seed: int) -> np.ndarray:
    """Return random orders of n emotions, [samples, n]."""
    return np.random.default_rng(seed).permuted(np.tile(np.arange(n), (samples, 1)), axis=1)


def permuted_pairs(orders: np.ndarray) -> np.ndarray:
    """Return the indices [samples, n(n-1)/2] that permute an RDM by orders [samples, n] of its emotions.

    `rdm[indices[s]]` has the emotion orders[s, i] of `rdm` in the place of emotion i.
    """
    a, b = pair_indices(orders.shape[1])
    return square(np.arange(len(a), dtype=np.int32))[orders[:, a], orders[:, b]]


def critical(largest: np.ndarray, alpha: float) -> np.ndarray:
    """Return what a tau must exceed: the (alpha N + 1)-th largest of N maxima [N, …] (Nichols & Holmes 2002).

    The maxima include the observed one.
    """
    return np.sort(largest, axis=0)[::-1][int(np.floor(alpha * len(largest) + 1e-9))]


def least_p(largest: np.ndarray, alpha: float) -> tuple[np.ndarray, float]:
    """Correct the p of m maxima for their number, by the least p in each order (Westfall & Young 1993).

    largest: maxima [N, m] in N orders, the observed ones first. Returns the corrected p [m], and the level
    for testing each maximum by itself so that, in at most a share `alpha` of the orders, any of the m is
    significant. The level is 0, at which nothing is significant, if N is too small.
    """
    p = (len(largest) + 1 - stats.rankdata(largest, method="min", axis=0)) / len(largest)
    least = np.sort(p.min(axis=1))
    corrected = np.searchsorted(least, p[0], side="right") / len(least)
    share = np.searchsorted(least, least, side="right") / len(least)
    return corrected, least[share > alpha][0] - 1 / len(least)


def largest_tau(
    vectors: Callable[[slice], np.ndarray],
    count: int,
    rdms: ArrayLike,
    orders: np.ndarray,
    candidates: int | None = None,
) -> np.ndarray:
    """Return the largest tau-b of vectors with each RDM under each order of the emotions: [samples, m].

    vectors: returns those of a slice, `count` in all, [rows, pairs], as for `kendall.correlate`. rdms:
    [pairs, m]. orders: [samples, emotions], the same for all RDMs, so that their maximum under one order is a
    sample too. The tau of a constant vector counts as -1.

    Tau is computed for all vectors if that is little work, else for the `candidates` with the largest rho.
    The vector with the largest tau is nearly always among the first three of them. If it is not among the
    first half, tau is computed for all. Time grows with vectors x RDMs x samples.
    """
    ranked, rdms = _ranked(vectors, count), np.asarray(rdms, dtype=float)
    pairs = ranked.order.shape[1]
    there = permuted_pairs(orders)
    each = progress(rdms.T, "permuted emotions", unit="RDM")
    if candidates is None and count * pairs**2 // 128 <= FEW:
        return np.column_stack([_largest_of_all(rdm, ranked, there) for rdm in each])
    if candidates is None:
        candidates = max(CANDIDATES, CANDIDATES * PAIRS * (PAIRS - 1) // (pairs * (pairs - 1)))
    candidates, unit = min(candidates, count), _unit_ranks(ranked)
    return np.column_stack([_largest_with(rdm, ranked, unit, there, candidates) for rdm in each])


def _largest_of_all(rdm: np.ndarray, ranked: Ranking, there: np.ndarray) -> np.ndarray:
    """Return the largest tau of all vectors with an RDM [pairs] under each permutation: [samples]."""
    parts = [pattern(rdm[part].T) for part in np.array_split(there, -(-len(there) // AT_ONCE))]
    taus = (correlate_rankings(lambda rows: ranked[rows], len(ranked.order), part)[0] for part in parts)
    return np.concatenate([_defined(tau).max(axis=0) for tau in taus])


def _largest_with(
    rdm: np.ndarray, ranked: Ranking, unit: np.ndarray, there: np.ndarray, candidates: int
) -> np.ndarray:
    """Return the largest tau of the candidates with an RDM [pairs] under each permutation: [samples]."""
    chosen = _candidates(unit, _unit(stats.rankdata(rdm)[None])[0][there], candidates)
    neuron, sample = chosen.ravel(), np.repeat(np.arange(len(there)), candidates)

    def permuted(rows: slice) -> Ranking:
        # tau of a vector with a permuted RDM is that of the vector, permuted back, with the RDM
        order = there[sample[rows][:, None], ranked.order[neuron[rows]]]
        return Ranking(order, ranked.starts[neuron[rows]])

    tau = _defined(correlate_rankings(permuted, len(neuron), pattern(rdm[:, None]))[0].reshape(chosen.shape))
    largest, place = tau.max(axis=1), tau.argmax(axis=1)
    if candidates < len(unit) and (late := place >= candidates // 2).any():
        largest[late] = _largest_of_all(rdm, ranked, there[late])
    return largest


def _candidates(unit: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    """Return the rows [samples, count] of `unit` with the largest rho with each row of y [samples, pairs]."""
    chosen: list[np.ndarray] = []
    with ThreadPoolExecutor(cores()) as pool:
        for block in np.array_split(y, -(-len(y) * len(unit) // CELLS)):
            parts = np.array_split(block @ unit.T, cores())
            chosen += pool.map(_places_of_largest, parts, [count] * len(parts))
    return np.concatenate(chosen)


@compiled
def _places_of_largest(values, count):
    """Return the places [rows, count] of the largest values of float32 [rows, n], largest first."""
    rows, n = values.shape
    places, largest = np.empty((rows, count), dtype=np.int64), np.empty(count, dtype=np.float32)
    for row in range(rows):
        largest[:] = -np.inf
        own = places[row]
        own[:] = 0
        for place in range(n):
            value = values[row, place]
            if value > largest[count - 1]:
                at = count - 1
                while at > 0 and value > largest[at - 1]:
                    largest[at], own[at] = largest[at - 1], own[at - 1]
                    at -= 1
                largest[at], own[at] = value, place
    return places


def _ranked(vectors: Callable[[slice], np.ndarray], count: int) -> Ranking:
    """Rank all vectors."""
    blocks = [ranking(vectors(slice(start, min(start + ROWS, count)))) for start in range(0, count, ROWS)]
    order, starts = ([getattr(block, name) for block in blocks] for name in ("order", "starts"))
    return Ranking(np.concatenate(order), np.concatenate(starts))


def _unit_ranks(ranked: Ranking) -> np.ndarray:
    """Return average ranks as unit vectors [count, pairs]; their products are rho."""
    unit = []
    for start in range(0, len(ranked.order), ROWS):
        _, first, last = concordance.places(*vars(ranked[start : start + ROWS]).values())
        unit.append(_unit((first + last + 1) / np.float32(2)))
    return np.concatenate(unit)


def _unit(ranks: np.ndarray) -> np.ndarray:
    """Return ranks [rows, pairs] as float32, each row centred and of length 1; a constant row is 0."""
    centred = (ranks - ranks.mean(axis=1, keepdims=True)).astype(np.float32)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)


def _defined(tau: np.ndarray) -> np.ndarray:
    return np.nan_to_num(tau, nan=-1.0)
