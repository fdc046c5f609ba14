"""Neuron masks: which neurons of a model are silenced.

A mask is an array [layers, width] that multiplies the neurons' outputs: 0 silences a neuron. Every choice has exactly k neurons,
and a random one depends only on its seed, size and number, so that many draws need not be kept.
"""

from zlib import crc32

import numpy as np


def best(rank, k):
    """[neurons] ranks of one attribute -> [neurons] bool, the k of least rank; among ties, those of lower number."""
    _check(k, len(rank))
    chosen = np.zeros(len(rank), dtype=bool)
    chosen[np.argsort(rank, kind="stable")[:k]] = True
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


def attribute_and_random_masks(ranks, top_k, layers, *, kind, baseline, draws, seed, random_top_k=()):
    """All masks of a run by name: `ATTRIBUTE/K`, and `random/K/DRAW` or, matched by layer, `random/ATTRIBUTE/K/DRAW`.

    ranks: frame [neurons, attributes]; top_k: sizes as counts; random_top_k: further sizes of uniform random masks; draws count from 1.
    """
    neurons = len(ranks)
    chosen = {f"{attribute}/{k}": best(ranks[attribute].to_numpy(), k) for attribute in ranks for k in top_k}
    drawn = {}
    for draw in range(1, draws + 1):
        if baseline == "uniform":
            drawn |= {f"random/{k}/{draw}": uniform(neurons, k, seed, draw) for k in (*random_top_k, *top_k)}
        else:
            drawn |= {f"random/{name}/{draw}": layer_matched(like, layers, seed, draw, name) for name, like in chosen.items()}
    return {name: as_mask(selection, layers, kind, seed, name) for name, selection in (chosen | drawn).items()}


def _check(k, neurons):
    if not 1 <= k <= neurons:
        raise ValueError(f"a mask of {k} neurons, but there are {neurons}")


def _generator(*entropy):
    return np.random.default_rng([crc32(part.encode()) if isinstance(part, str) else part for part in entropy])
