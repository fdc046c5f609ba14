"""Neuron masks: exactly k neurons, whatever the ranks; random masks that can be drawn again; their names."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from model_emotion.masking import masks
from model_emotion.masking.masks import MaskName


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
    for other in (
        masks.uniform(1000, 100, 1, 2),
        masks.uniform(1000, 100, 2, 1),
        masks.uniform(1000, 101, 1, 1),
    ):
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
    assert (scaled.ravel()[~chosen] == 1).all() and (
        (scaled.ravel()[chosen] >= 0) & (scaled.ravel()[chosen] < 1)
    ).all()


def all_masks(ranks, top_k, layers, draws, **random):
    """Attribute and random masks by name."""
    made = masks.attribute_masks(ranks, top_k, layers, random["kind"], random["seed"])
    made |= masks.random_masks(draws, made, (layers, len(ranks) // layers), **random)
    return {str(name): mask for name, mask in made.items()}


@pytest.mark.parametrize("baseline", ["uniform", "layer_matched"])
@pytest.mark.parametrize("kind", ["binary", "float"])
def test_all_masks_have_exactly_k(baseline, kind):
    ranks = pd.DataFrame(
        np.random.default_rng(0).permuted(np.tile(np.arange(1.0, 61), (2, 1)), axis=1).T, columns=["a", "b"]
    )
    made = all_masks(ranks, [5, 20], 3, {2: 1, 5: 2, 20: 2}, kind=kind, baseline=baseline, seed=1)
    expected = {"a/5", "a/20", "b/5", "b/20"}
    if baseline == "uniform":
        expected |= {f"random/{k}/{draw}" for k in (5, 20) for draw in (1, 2)} | {"random/2/1"}
    else:
        expected |= {f"random/{name}/{k}/{draw}" for name in "ab" for k in (5, 20) for draw in (1, 2)}
    assert set(made) == expected
    for name, mask in made.items():
        assert mask.shape == (3, 20) and (mask < 1).sum() == MaskName.parse(name).k


def test_sizes_beyond_the_neurons_are_refused():
    for wrong in (0, 11):
        with pytest.raises(ValueError, match=f"a mask of {wrong} neurons, but there are 10"):
            masks.best(np.arange(10.0), wrong)


def test_masks_of_a_size_are_independent():
    alternate = (
        np.arange(400) % 2 * 200 + np.arange(400) // 2 + 1.0
    )  # every second neuron is among the best 200
    ranks = pd.DataFrame({"a": alternate, "b": alternate})  # two attributes that choose the same neurons
    floats = all_masks(ranks, [200], 4, {200: 1}, kind="float", baseline="layer_matched", seed=1)
    assert (floats["a/200"] != floats["b/200"]).sum() > 190
    drawn = {name: mask < 1 for name, mask in floats.items() if name.startswith("random")}
    assert (
        drawn["random/a/200/1"] & drawn["random/b/200/1"]
    ).sum() < 150  # 100 where each layer gives half of its neurons


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("happy-face/4000", MaskName("attribute", "happy-face", 4000)),
        ("random/4000/2", MaskName("random", "", 4000, 2)),
        ("random/happy-face/4000/20", MaskName("random", "happy-face", 4000, 20)),
        ("permuted/happy-face/4000/20", MaskName("permuted", "happy-face", 4000, 20)),
    ],
)
def test_names_are_read_from_text_and_written_as_text(text, name):
    assert MaskName.parse(text) == name and str(name) == text


@pytest.mark.parametrize("text", ["valence", "valence/many", "random/a/b/5/1", "permuted/5/1", ""])
def test_other_text_is_not_a_name(text):
    with pytest.raises(ValueError):
        MaskName.parse(text)


def test_more_draws_keep_the_earlier_ones():
    ranks = pd.DataFrame({"a": np.arange(1.0, 61)})
    few, more = (all_masks(ranks, [5], 3, {5: n}, kind="binary", baseline="uniform", seed=1) for n in (2, 7))
    assert all((more[name] == mask).all() for name, mask in few.items())
    assert len({mask.tobytes() for mask in more.values()}) == 8


def test_the_most_active_neurons_come_first():
    activations = np.random.default_rng(0).normal(size=(2, 3, 50))
    ranks = masks.by_activity(activations)["activation"].to_numpy()
    order = sorted(
        range(50), key=lambda neuron: -sum(activations[s, e, neuron] for s in range(2) for e in range(3))
    )
    assert [int(rank) for rank in ranks[order]] == list(range(1, 51))
