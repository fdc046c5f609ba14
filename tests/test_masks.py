"""Masks: exactly k neurons, whatever the ranks; random ones that can be drawn again."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from model_emotion import masks


@given(st.data())
def test_best_has_exactly_k_of_least_rank(data):
    tau = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=60))
    rank = stats.rankdata([-t for t in tau])
    k = data.draw(st.integers(1, len(rank)))
    chosen = masks.best(rank, k)
    assert chosen.sum() == k
    if k < len(rank):
        assert rank[chosen].max() <= rank[~chosen].min()


def test_ties_go_by_neuron_number():
    assert masks.best(np.array([2.5, 1, 2.5, 4]), 2).tolist() == [True, True, False, False]


@given(st.integers(1, 200), st.integers(0, 2**32 - 1), st.integers(1, 50))
def test_uniform_has_exactly_k_and_can_be_drawn_again(k, seed, draw):
    chosen = masks.uniform(200, k, seed, draw)
    assert chosen.sum() == k
    np.testing.assert_array_equal(chosen, masks.uniform(200, k, seed, draw))


def test_draws_seeds_and_sizes_differ():
    first = masks.uniform(1000, 100, 1, 1)
    for other in (masks.uniform(1000, 100, 1, 2), masks.uniform(1000, 100, 2, 1), masks.uniform(1000, 101, 1, 1)):
        assert (first & other).sum() < 40  # about 10 by chance


def test_uniform_is_uniform():
    drawn = np.sum([masks.uniform(50, 10, 7, draw) for draw in range(1, 2001)], axis=0)
    assert stats.chisquare(drawn).pvalue > 0.001


def test_layer_matched_keeps_the_count_of_every_layer():
    like = np.zeros((4, 25), dtype=bool)
    like[0, :20], like[2, :3] = True, True
    drawn = masks.layer_matched(like.ravel(), 4, seed=1, draw=1).reshape(4, 25)
    assert drawn.sum(axis=1).tolist() == [20, 0, 3, 0]
    assert (drawn != like).any()


def test_binary_silences_and_float_scales_the_chosen():
    chosen = np.array([True, False, False, True, False, False])
    np.testing.assert_array_equal(masks.as_mask(chosen, 2, "binary"), [[0, 1, 1], [0, 1, 1]])
    scaled = masks.as_mask(chosen, 2, "float", seed=3)
    assert scaled.dtype == np.float32 and scaled.shape == (2, 3)
    assert (scaled.ravel()[~chosen] == 1).all() and ((scaled.ravel()[chosen] >= 0) & (scaled.ravel()[chosen] < 1)).all()


@pytest.mark.parametrize("baseline", ["uniform", "layer_matched"])
@pytest.mark.parametrize("kind", ["binary", "float"])
def test_all_masks_have_exactly_k(baseline, kind):
    ranks = pd.DataFrame(np.random.default_rng(0).permuted(np.tile(np.arange(1.0, 61), (2, 1)), axis=1).T, columns=["a", "b"])
    made = masks.attribute_and_random_masks(ranks, [5, 20], 3, kind=kind, baseline=baseline, draws=2, seed=1, random_top_k=(2,))
    expected = {"a/5", "a/20", "b/5", "b/20"}
    if baseline == "uniform":
        expected |= {f"random/{k}/{draw}" for k in (2, 5, 20) for draw in (1, 2)}
    else:
        expected |= {f"random/{name}/{k}/{draw}" for name in "ab" for k in (5, 20) for draw in (1, 2)}
    assert set(made) == expected
    for name, mask in made.items():
        k = next(int(part) for part in name.split("/") if part.isdigit())
        assert mask.shape == (3, 20) and (mask < 1).sum() == k


def test_sizes_beyond_the_neurons_are_refused():
    for wrong in (0, 11):
        with pytest.raises(ValueError, match=f"a mask of {wrong} neurons, but there are 10"):
            masks.best(np.arange(10.0), wrong)


def test_masks_of_a_size_are_independent():
    alternate = np.arange(400) % 2 * 200 + np.arange(400) // 2 + 1.0  # every second neuron is among the best 200
    ranks = pd.DataFrame({"a": alternate, "b": alternate})  # two attributes that choose the same neurons
    floats = masks.attribute_and_random_masks(ranks, [200], 4, kind="float", baseline="layer_matched", draws=1, seed=1)
    assert (floats["a/200"] != floats["b/200"]).sum() > 190
    drawn = {name: mask < 1 for name, mask in floats.items() if name.startswith("random")}
    assert (drawn["random/a/200/1"] & drawn["random/b/200/1"]).sum() < 150  # 100 where each layer gives half of its neurons
