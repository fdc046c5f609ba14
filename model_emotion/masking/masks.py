"""Neuron masks: which neurons of a model are silenced.

A mask is an array [layers, width] that multiplies the neurons' outputs: 0 silences a neuron. Every choice has exactly k neurons,
and a random one depends only on its seed, size and number, so that many draws need not be kept: a run's Plan says which there are.
"""

from zlib import crc32

import numpy as np
import pandas as pd
from scipy.stats import rankdata


def best(rank, k):
    """[neurons] ranks of one attribute -> [neurons] bool, the k of least rank; among ties, those of lower number."""
    _check(k, len(rank))
    limit = np.partition(rank, k - 1)[k - 1]
    chosen = rank < limit
    chosen[np.flatnonzero(rank == limit)[: k - chosen.sum()]] = True
    return chosen


def uniform(neurons, k, seed, draw):
    """[neurons] bool: k neurons drawn from all; one pool for all attributes."""
    _check(k, neurons)
    chosen = np.zeros(neurons, dtype=bool)
    chosen[_generator(seed, k, draw).choice(neurons, size=k, replace=False)] = True
    return chosen


def layer_matched(like, layers, seed, draw, name=""):
    """[neurons] bool: drawn at random, in each layer as many as `like` [neurons] has there; `name` tells the draws of attributes apart."""
    per_layer = like.reshape(layers, -1)
    generator = _generator(seed, int(like.sum()), draw, name)
    chosen = np.zeros_like(per_layer)
    for layer, k in enumerate(per_layer.sum(axis=1)):
        chosen[layer, generator.choice(per_layer.shape[1], size=k, replace=False)] = True
    return chosen.ravel()


def as_mask(chosen, layers, kind, seed=0, name=""):
    """[neurons] bool -> mask [layers, width]: `binary` is uint8 0 and 1; `float` is float32, the chosen scaled by uniform [0, 1).

    The scales depend on the seed and the mask's name.
    """
    if kind == "binary":
        return (~chosen).astype(np.uint8).reshape(layers, -1)
    mask = np.ones(len(chosen), dtype=np.float32)
    mask[chosen] = _generator(seed, name).random(int(chosen.sum()), dtype=np.float32)
    return mask.reshape(layers, -1)


def by_activity(activations):
    """[seed, emotion, neuron] -> frame [neurons, 1] of ranks `activation`: 1 where the mean over seeds and emotions is largest."""
    return pd.DataFrame({"activation": rankdata(-activations.mean(axis=(0, 1)))})


def attribute_masks(ranks, top_k, layers, kind, seed):
    """{`ATTRIBUTE/K`: mask [layers, width]}. ranks: frame [neurons, attributes]; top_k: sizes as counts."""
    names = {f"{attribute}/{k}": best(ranks[attribute].to_numpy(), k) for attribute in ranks for k in top_k}
    return {name: as_mask(chosen, layers, kind, seed, name) for name, chosen in names.items()}


def random_masks(draws, attributes, shape, *, kind, baseline, seed):
    """Yields (name, mask [layers, width]): `random/K/DRAW` or, matched by layer, `random/ATTRIBUTE/K/DRAW`; draws count from 1.

    draws: {size: number of draws}. attributes: the attribute masks by name, whose layers are matched. shape: (layers, width).
    """
    layers, neurons = shape[0], shape[0] * shape[1]
    chosen = {name: (mask != 1).ravel() for name, mask in attributes.items()}
    for k, number in draws.items():
        for draw in range(1, number + 1):
            if baseline == "uniform":
                drawn = {f"random/{k}/{draw}": uniform(neurons, k, seed, draw)}
            else:
                of_size = {name: like for name, like in chosen.items() if name.endswith(f"/{k}")}
                drawn = {
                    f"random/{name}/{draw}": layer_matched(like, layers, seed, draw, name)
                    for name, like in of_size.items()
                }
            for name, selection in drawn.items():
                yield name, as_mask(selection, layers, kind, seed, name)


def describe(name):
    """A mask's name -> {attribute, kind, draw, k}; attribute is empty for a draw that all share, draw None for an attribute's mask."""
    *random, attribute, k, draw = name.split("/") if name.startswith("random/") else (*name.split("/"), None)
    kind = "random" if draw else "attribute"
    if kind == "random" and not random:
        attribute = ""
    return {"attribute": attribute, "kind": kind, "draw": draw and int(draw), "k": int(k)}


def _check(k, neurons):
    if not 1 <= k <= neurons:
        raise ValueError(f"a mask of {k} neurons, but there are {neurons}")


def _generator(*entropy):
    return np.random.default_rng(
        [crc32(part.encode()) if isinstance(part, str) else part for part in entropy]
    )
