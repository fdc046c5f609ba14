"""How large the largest tau of all neurons gets by chance: the searchlight against attributes whose emotions are permuted.

The distances of 27 emotions are not 351 independent values, so what is permuted is the emotions (Mantel 1967): an attribute's RDM
keeps its geometry and loses which emotion is which. Neurons whose tau is above what the largest of all neurons exceeds in 5 % of
the permutations hold the chance of even one false neuron below 5 % (Nichols & Holmes 2002).

Tau of every neuron with every permuted RDM is 61,425 sign products each, 1.6e13 for 36,864 neurons, 14 attributes and 499
permutations: minutes. Only the largest is wanted, and a neuron of large tau has a large Spearman's rho, which is 351 products. So
rho chooses a few candidates of all neurons, and their tau is computed in full. With few emotions all taus are the shorter way.
"""

import numpy as np
import torch
from scipy import stats

from model_emotion.rdm import pair_indices, square
from model_emotion.rsa.kendall import ROWS, correlate, dense_ranks, pattern

CANDIDATES = 16  # neurons a permutation whose tau is computed, at 351 pairs; with fewer pairs as many as cost the same
PAIRS = 351
CELLS = 2**24  # rho held at a time: 64 MB
FEW = 10**11  # sign products with an RDM, up to which those of all neurons take less time than the choice of candidates
AT_ONCE = 256  # orders whose taus are held at a time


def permutations(n, samples, seed):
    """[samples, n] random orders of n emotions."""
    return np.random.default_rng(seed).permuted(np.tile(np.arange(n), (samples, 1)), axis=1)


def permuted_pairs(orders):
    """[samples, n] orders -> [samples, n(n-1)/2] places: `rdm[places[s]]` has emotion orders[s, i] of `rdm` in the place of emotion i."""
    a, b = pair_indices(orders.shape[1])
    return square(np.arange(len(a)))[orders[:, a], orders[:, b]]


def critical(largest, alpha):
    """What a tau must exceed: of N maxima [N, …], the observed one among them, the (alpha N + 1)-th largest (Nichols & Holmes 2002)."""
    return np.sort(largest, axis=0)[::-1][int(np.floor(alpha * len(largest) + 1e-9))]


def least_p(largest, alpha):
    """p of several maxima [N, m], those observed first, corrected for being m by the least of them in each order (Westfall & Young 1993).

    Returns those p [m], and the level at which each maximum by itself is to be tested so that in a share `alpha` of the orders, at most,
    any of the m is: 0, at which nothing is, where N is too small for that.
    """
    p = (len(largest) + 1 - stats.rankdata(largest, method="min", axis=0)) / len(largest)
    least = np.sort(p.min(axis=1))
    corrected = np.searchsorted(least, p[0], side="right") / len(least)
    share = np.searchsorted(least, least, side="right") / len(least)
    return corrected, least[share > alpha][0] - 1 / len(least)


def largest_tau(vectors, count, rdms, orders, candidates=None):
    """The largest tau-b of `count` vectors with each RDM under each order of the emotions: [samples, m].

    vectors: function of a slice that gives those vectors, [rows, pairs], as for `kendall.correlate`; rdms [pairs, m]; orders
    [samples, emotions], the same for all RDMs, so that their maximum under one order is a sample too. What is constant counts as -1.

    Tau is computed of all where that is not much work, else of the `candidates` of largest rho. The neuron of largest tau is nearly always
    among the first three of them; where it is not among the first half, tau is computed of all. Time grows with neurons x RDMs x samples.
    """
    ranks, unit = _both_ranks(vectors, count)
    pairs, rdms = ranks.shape[1], np.asarray(rdms, dtype=float)
    if candidates is None and count * len(orders) * pairs * (pairs - 1) // 2 <= FEW:
        there = permuted_pairs(orders)
        return np.column_stack([_largest_of_all(rdm, ranks, there) for rdm in rdms.T])
    if candidates is None:
        candidates = max(CANDIDATES, CANDIDATES * PAIRS * (PAIRS - 1) // (pairs * (pairs - 1)))
    candidates = min(candidates, count)
    there, back = permuted_pairs(orders), permuted_pairs(np.argsort(orders, axis=1))
    return np.column_stack([_largest_with(rdm, ranks, unit, there, back, candidates) for rdm in rdms.T])


def _largest_of_all(rdm, ranks, there):
    """The largest tau of all vectors with one RDM [pairs] under each permutation `there`: [samples]."""
    parts = [pattern(rdm[part].T) for part in np.array_split(there, -(-len(there) // AT_ONCE))]
    return np.concatenate([_defined(correlate(lambda rows: ranks[rows], len(ranks), part)[0]).max(axis=0) for part in parts])


def _largest_with(rdm, ranks, unit, there, back, candidates):
    """The largest tau with one RDM [pairs] under each permutation of its pairs (`there`; `back` undoes it): [samples]."""
    chosen = _candidates(unit, _unit(stats.rankdata(rdm)[None])[0][there], candidates)
    neuron, sample = chosen.ravel(), np.repeat(np.arange(len(there)), candidates)

    def permuted(rows):  # tau of a vector with a permuted RDM is that of the vector, permuted back, with the RDM
        return ranks[neuron[rows][:, None], back[sample[rows]]]

    tau = _defined(correlate(permuted, len(neuron), pattern(rdm[:, None]))[0].reshape(chosen.shape))
    largest, place = tau.max(axis=1), tau.argmax(axis=1)
    if candidates < len(ranks) and (late := place >= candidates // 2).any():
        largest[late] = _largest_of_all(rdm, ranks, there[late])
    return largest


def _candidates(unit, y, count):
    """Rows [samples, count] of `unit` with the largest rho with each row of y [samples, pairs], best first."""
    unit, y = torch.from_numpy(unit), torch.from_numpy(y)
    blocks = y.split(max(1, CELLS // len(unit)))
    return np.concatenate([torch.topk(block @ unit.T, count, dim=1).indices.numpy() for block in blocks])


def _both_ranks(vectors, count):
    """Vectors as dense ranks [count, pairs], which have the same tau in less memory, and as unit ranks, whose products are rho."""
    ranks, unit = [], []
    for start in range(0, count, ROWS):
        block = vectors(slice(start, min(start + ROWS, count)))
        dense, ties = dense_ranks(block)
        average = dense.T.astype(np.float32)
        if len(tied := np.flatnonzero(ties.pairs)):
            average[tied] = stats.rankdata(block[tied], axis=1)
        ranks.append(np.ascontiguousarray(dense.T))
        unit.append(_unit(average))
    return np.concatenate(ranks), np.concatenate(unit)


def _unit(ranks):
    """[rows, pairs] -> float32, each row centred and of length 1; a constant one is 0."""
    centred = (ranks - ranks.mean(axis=1, keepdims=True)).astype(np.float32)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)


def _defined(tau):
    return np.nan_to_num(tau, nan=-1.0)
