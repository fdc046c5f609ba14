"""The largest tau under permuted emotions: compared with scipy over all 120 orders of five emotions, and its
false-positive rate on data without an effect."""

from itertools import permutations as all_orders

import numpy as np
import pytest
from scipy import stats

from model_emotion.rsa import permutation
from model_emotion.rsa.kendall import correlate, pattern, tau_b
from model_emotion.rsa.permutation import critical, largest_tau, permutations, permuted_pairs
from model_emotion.rsa.rdm import absolute_rdm, pair_indices, square


def world(rng, emotions, neurons, attributes, decimals=9):
    """Random RDMs of neurons [neurons, pairs], each of two seeds, and of attributes [pairs, attributes].

    Few decimals give ties.
    """
    activations = np.round(rng.standard_normal((2, neurons, emotions)), decimals)
    return absolute_rdm(activations).mean(axis=0), absolute_rdm(
        np.round(rng.random((attributes, emotions)), decimals)
    ).T


@pytest.fixture(params=["candidates", "all"])
def method(request, monkeypatch):
    """Both ways to compute the largest tau: from candidates, and from all vectors."""
    monkeypatch.setattr(permutation, "EXHAUSTIVE", 0 if request.param == "candidates" else 10**18)


def largest(rdms, attributes, orders, **options):
    return largest_tau(lambda rows: rdms[rows], len(rdms), attributes, orders, **options)


def by_matrices(rdms, attributes, orders):
    """Compute the same from a matrix of each permuted RDM and the tau of every neuron."""
    n, m = orders.shape[1], attributes.shape[1]
    pairs = pair_indices(n)
    permuted = [
        square(attributes[:, column])[np.ix_(order, order)][pairs] for order in orders for column in range(m)
    ]
    return np.nan_to_num(tau_b(rdms, np.array(permuted).T), nan=-1).max(axis=0).reshape(len(orders), m)


def test_all_orders_of_five_emotions_as_scipy_has_them(method):
    rdms, attributes = world(np.random.default_rng(0), 5, 7, 2, decimals=1)
    orders = np.array(list(all_orders(range(5))))
    assert len(orders) == 120
    expected = np.empty((120, 2))
    for place, order in enumerate(orders):
        for column in range(2):
            matrix = square(attributes[:, column])
            permuted = [matrix[order[a], order[b]] for a, b in zip(*pair_indices(5), strict=True)]
            expected[place, column] = max(stats.kendalltau(rdm, permuted).statistic for rdm in rdms)
    np.testing.assert_allclose(largest(rdms, attributes, orders), expected, atol=1e-12)
    assert len(np.unique(expected[:, 0].round(9))) > 10  # the order matters


@pytest.mark.parametrize("emotions", [4, 6, 9, 14, 27])
@pytest.mark.parametrize("decimals", [1, 9])
def test_the_largest_of_the_candidates_is_the_largest_of_all(method, emotions, decimals):
    rdms, attributes = world(np.random.default_rng(emotions), emotions, 1500, 2, decimals)
    rdms[3] = 0.5  # a neuron without a tau
    orders = permutations(emotions, 40, seed=1)
    np.testing.assert_array_equal(largest(rdms, attributes, orders), by_matrices(rdms, attributes, orders))


@pytest.mark.parametrize("bad", [(6,), (6, 24, 96, 384)])
def test_more_candidates_or_all_are_tried_if_the_largest_is_among_the_last(monkeypatch, bad):
    """There are 400 vectors: after 384 bad candidates tau is computed for all."""
    rdms, attributes = world(np.random.default_rng(1), 8, 400, 2)
    orders, real = permutations(8, 30, seed=1), permutation._candidates
    exact = by_matrices(rdms, attributes, orders)

    def bad_then_good(unit, y, count):  # the worst, then as many of the best but for the very best
        half = count // 2
        if count not in bad:
            return real(unit, y, count)
        return np.column_stack([real(-unit, y, half), real(unit, y, half + 1)[:, 1:]])

    monkeypatch.setattr(permutation, "_candidates", bad_then_good)
    np.testing.assert_array_equal(largest(rdms, attributes, orders, candidates=6), exact)
    monkeypatch.setattr(permutation, "_candidates", lambda unit, y, count: real(-unit, y, count))  # the worst
    assert (
        largest(rdms, attributes, orders, candidates=6) < exact
    ).any()  # which shows that the comparison above can fail


def test_rho_in_small_blocks_is_the_same(monkeypatch):
    rdms, attributes = world(np.random.default_rng(2), 10, 300, 3)
    orders = permutations(10, 25, seed=3)
    monkeypatch.setattr(permutation, "EXHAUSTIVE", 0)
    whole = largest(rdms, attributes, orders)
    monkeypatch.setattr(permutation, "CELLS", 700)
    monkeypatch.setattr(permutation, "ROWS", 64)
    np.testing.assert_array_equal(largest(rdms, attributes, orders), whole)


def test_constant_vectors_count_as_tau_minus_one(method):
    rdms, attributes = np.ones((3, 6)), np.ones((6, 1))
    assert (largest(rdms, attributes, permutations(4, 5, seed=0)) == -1).all()


def test_orders_are_permutations_that_depend_on_the_seed():
    orders = permutations(9, 50, seed=4)
    assert (np.sort(orders, axis=1) == np.arange(9)).all() and len(np.unique(orders, axis=0)) > 45
    np.testing.assert_array_equal(orders, permutations(9, 50, seed=4))
    assert (orders != permutations(9, 50, seed=5)).any()


def test_a_permuted_rdm_by_hand():
    rdm = np.array([12, 13, 23])  # of the emotions 1, 2, 3: the pairs (1, 2), (1, 3), (2, 3)
    there = permuted_pairs(np.array([[0, 1, 2], [2, 0, 1]]))
    assert rdm[there].tolist() == [[12, 13, 23], [13, 23, 12]]  # the second: 3, 1, 2


def test_the_critical_tau_is_where_p_crosses_alpha():
    maxima = np.random.default_rng(0).permutation(np.arange(100.0))
    limit = critical(maxima, 0.05)
    assert limit == 94  # five of a hundred are larger
    for tau in (93.5, 94, 94.5, 99):
        assert (tau > limit) == ((maxima >= tau).mean() <= 0.05)
    assert critical(np.arange(10.0), 0.05) == 9  # none of ten is in the top 5 %
    assert critical(np.column_stack([maxima, -maxima]), 0.05).tolist() == [94, -5]


def p_without_an_effect(rng, orders):
    rdms, attributes = world(rng, 7, 25, 1)
    observed = tau_b(rdms, attributes).max()
    return (1 + (largest(rdms, attributes, orders) >= observed).sum()) / (len(orders) + 1)


def test_without_an_effect_p_is_uniform():
    rng = np.random.default_rng(5)
    p = np.array([p_without_an_effect(rng, permutations(7, 99, seed)) for seed in range(250)])
    assert stats.kstest(p - rng.random(250) / 100, "uniform").pvalue > 0.01
    assert 0.02 < (p <= 0.05).mean() < 0.08


def test_the_asymptotic_p_of_a_tau_is_too_small_for_distances():
    """Why emotions are permuted: treating 351 distances as independent gives too many false positives."""
    rdms, attributes = world(np.random.default_rng(6), 27, 400, 5)
    _, z = correlate(lambda rows: rdms[rows], len(rdms), pattern(attributes))
    assert (stats.norm.sf(z) <= 0.01).mean() > 0.03
