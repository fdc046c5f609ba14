"""Estimate how large the largest tau of all neurons becomes by chance, by permuting the emotions.

The distances among 27 emotions are not 351 independent values, so the emotions are permuted (Mantel 1967):
an attribute's RDM keeps its geometry, but its emotions are shuffled. A neuron counts as significant if its
tau exceeds the largest tau of all neurons in 97.5 % of the permutations. The chance of even one false
positive is then below 2.5 % (Nichols & Holmes 2002), which is one tail of a two-sided test at .05.

The tau of 36,864 neurons with 14 attributes under 1,999 permutations would take many minutes. Only the
largest tau is needed, and a neuron with a large tau has a large Spearman's rho, which one matrix product
computes. So rho selects a few candidate neurons, and tau is computed for those. With few emotions or neurons,
computing every tau is faster.
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

CANDIDATES, PAIRS = 16, 351
"""Candidates for each permutation at 351 pairs. With fewer pairs, as many as cost the same."""
MORE = 4
"""How many times as many candidates are tried if the largest tau came late among the first."""
CELLS = 2**24
"""Values of rho in memory at a time (64 MB)."""
EXHAUSTIVE = 5 * 10**5
"""Largest neurons x pairs^2 / 128 at which computing every tau is faster than selecting candidates."""
AT_ONCE = 256
"""Permutations for which the taus of all neurons are in memory at a time."""


def permutations(n: int, samples: int, seed: int) -> np.ndarray:
    """Return random orders [samples, n] of n emotions."""
    return np.random.default_rng(seed).permuted(np.tile(np.arange(n), (samples, 1)), axis=1)


def permuted_pairs(orders: np.ndarray) -> np.ndarray:
    """Return the places of an RDM's pairs after permuting its emotions, int32 [samples, n(n-1)/2].

    In `rdm[places[s]]`, emotion orders[s, i] of `rdm` takes the place of emotion i. orders: [samples, n].
    """
    a, b = pair_indices(orders.shape[1])
    return square(np.arange(len(a), dtype=np.int32))[orders[:, a], orders[:, b]]


def critical(largest: np.ndarray, alpha: float) -> np.ndarray:
    """Return the critical tau: the (alpha N + 1)-th largest of N maxima (Nichols & Holmes 2002).

    A tau above it is significant. largest [N, …] includes the observed maximum. The result is […].
    """
    return np.sort(largest, axis=0)[::-1][int(np.floor(alpha * len(largest) + 1e-9))]


def least_p(largest: np.ndarray, alpha: float) -> tuple[np.ndarray, float]:
    """Correct the p of m observed maxima by the smallest p in each order (Westfall & Young 1993).

    largest [N, m]: the maxima under N orders of the emotions, row 0 being the observed order. Returns the
    corrected p [m], and the level at which to test each maximum so that any of the m is significant in at
    most a share `alpha` of the orders. If N is too small, the level is 0, at which nothing is significant.
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
    """Return the largest tau-b [samples, m] of `count` vectors with each RDM under each order of emotions.

    vectors: returns the vectors of a slice, [rows, pairs], as for `kendall.correlate`. rdms: [pairs, m].
    orders: [samples, emotions]. All RDMs share them, so the largest tau over RDMs under one order is a valid
    sample too. A constant vector or RDM counts as tau -1.

    If that is little work, tau is computed for all vectors, otherwise for the `candidates` of largest rho.
    The vector of largest tau is nearly always among the first three candidates. If it is in their second
    half, MORE times as many candidates are tried, in the end all vectors. Time grows with vectors x RDMs x
    samples. Raises ValueError if a value is NaN.
    """
    ranked, rdms = _ranked(vectors, count), np.asarray(rdms, dtype=float)
    pairs = ranked.order.shape[1]
    places = permuted_pairs(orders)
    each = progress(rdms.T, "permuted emotions", unit="RDM")
    if candidates is None and count * pairs**2 // 128 <= EXHAUSTIVE:
        return np.column_stack([_largest_of_all(rdm, ranked, places) for rdm in each])
    if candidates is None:
        candidates = max(CANDIDATES, CANDIDATES * PAIRS * (PAIRS - 1) // (pairs * (pairs - 1)))
    candidates, unit = min(candidates, count), _unit_ranks(ranked)
    return np.column_stack([_largest_of_candidates(rdm, ranked, unit, places, candidates) for rdm in each])


def _largest_of_all(rdm: np.ndarray, ranked: Ranking, places: np.ndarray) -> np.ndarray:
    """Return the largest tau [samples] of all vectors with one RDM [pairs] at each of the `places`."""
    parts = [pattern(rdm[part].T) for part in np.array_split(places, -(-len(places) // AT_ONCE))]
    taus = (correlate_rankings(lambda rows: ranked[rows], len(ranked.order), part)[0] for part in parts)
    return np.concatenate([_defined(tau).max(axis=0) for tau in taus])


def _largest_of_candidates(
    rdm: np.ndarray, ranked: Ranking, unit: np.ndarray, places: np.ndarray, candidates: int
) -> np.ndarray:
    """Return the same as `_largest_of_all`, computing tau only for the candidates of each permutation."""
    chosen = _candidates(unit, _unit(stats.rankdata(rdm)[None])[0][places], candidates)
    neuron, sample = chosen.ravel(), np.repeat(np.arange(len(places)), candidates)

    def permuted(rows: slice) -> Ranking:
        # tau of a vector with a permuted RDM equals tau of the vector, permuted back, with the RDM
        order = places[sample[rows][:, None], ranked.order[neuron[rows]]]
        return Ranking(order, ranked.starts[neuron[rows]])

    tau = _defined(correlate_rankings(permuted, len(neuron), pattern(rdm[:, None]))[0].reshape(chosen.shape))
    largest, place = tau.max(axis=1), tau.argmax(axis=1)
    if candidates < len(unit) and (late := place >= candidates // 2).any():
        more = candidates * MORE
        largest[late] = (
            _largest_of_candidates(rdm, ranked, unit, places[late], more)
            if more < len(unit)
            else _largest_of_all(rdm, ranked, places[late])
        )
    return largest


def _candidates(unit: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    """Return the rows of `unit` with the largest rho with each row of y, best first, [samples, count].

    unit [vectors, pairs] and y [samples, pairs] are unit vectors of ranks.
    """
    chosen: list[np.ndarray] = []
    with ThreadPoolExecutor(cores()) as pool:
        for block in np.array_split(y, -(-len(y) * len(unit) // CELLS)):
            parts = np.array_split(block @ unit.T, cores())
            chosen += pool.map(_places_of_largest, parts, [count] * len(parts))
    return np.concatenate(chosen)


@compiled
def _places_of_largest(values, count):
    """Return places [rows, count] of the largest values of each row, largest first; float32 [rows, n]."""
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
    """Rank all vectors, block by block, using all cores."""
    slices = [slice(start, min(start + ROWS, count)) for start in range(0, count, ROWS)]
    with ThreadPoolExecutor(cores()) as pool:
        blocks = list(pool.map(lambda rows: ranking(vectors(rows)), slices))
    return Ranking(
        np.concatenate([block.order for block in blocks]), np.concatenate([block.starts for block in blocks])
    )


def _unit_ranks(ranked: Ranking) -> np.ndarray:
    """Return the average ranks as float32 unit vectors [count, pairs], whose products are Spearman's rho."""
    unit = []
    for start in range(0, len(ranked.order), ROWS):
        block = ranked[start : start + ROWS]
        _, first, last = concordance.places(block.order, block.starts)
        unit.append(_unit((first + last + 1) / np.float32(2)))
    return np.concatenate(unit)


def _unit(ranks: np.ndarray) -> np.ndarray:
    """Centre each row [rows, pairs] and scale it to length 1, in float32. A constant row becomes 0."""
    centred = (ranks - ranks.mean(axis=1, keepdims=True)).astype(np.float32)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)


def _defined(tau: np.ndarray) -> np.ndarray:
    """Replace NaN, the tau of a constant vector, by -1."""
    return np.nan_to_num(tau, nan=-1.0)
