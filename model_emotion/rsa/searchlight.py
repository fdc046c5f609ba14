"""The searchlight: correlate the RDM of each neuron with the RDM of each human attribute."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.processor import compiled
from model_emotion.base.study import SPACES
from model_emotion.rsa.correction import q_bh, q_rank
from model_emotion.rsa.kendall import correlate, pattern

TILE = 64
"""Neurons whose activations stay in a core's cache while their distances are summed over seeds."""


@dataclass(frozen=True)
class Searchlight:
    """Results of a searchlight, each [neurons, attributes].

    tau: Kendall's tau-b. p: one-sided. q: the study's correction. q_bh: Benjamini and Hochberg's.
    rank: the neuron's rank for the attribute; 1 has the largest tau, ties share their average rank.
    """

    tau: np.ndarray
    p: np.ndarray
    q: np.ndarray
    q_bh: np.ndarray
    rank: np.ndarray


def mean_rdm(activations: np.ndarray) -> np.ndarray:
    """Return each neuron's absolute differences between emotions, averaged over seeds.

    activations [seeds, emotions, neurons], in any units -> float64 [neurons, pairs], in the same units.
    """
    return _mean_rdm(np.ascontiguousarray(activations, dtype=float))


@compiled
def _mean_rdm(activations):
    """Sum the differences in the order of the seeds, so that the sum is the same on every processor."""
    seeds, emotions, neurons = activations.shape
    mean, total = np.empty((neurons, emotions * (emotions - 1) // 2)), np.empty(TILE)
    for begin in range(0, neurons, TILE):
        end, pair = min(begin + TILE, neurons), 0
        for a in range(emotions - 1):
            for b in range(a + 1, emotions):
                total[:] = 0
                for seed in range(seeds):
                    of_a, of_b = activations[seed, a, begin:end], activations[seed, b, begin:end]
                    for i in range(end - begin):
                        total[i] += abs(of_a[i] - of_b[i])
                for i in range(end - begin):
                    mean[begin + i, pair] = total[i] / seeds
                pair += 1
    return mean


def searchlight(activations: np.ndarray, attribute_rdms: np.ndarray) -> Searchlight:
    """Compute Kendall's tau-b of every neuron's mean RDM with every attribute's RDM.

    activations [seeds, emotions, neurons]; attribute_rdms [pairs, attributes], pairs in the order of
    `rdm.pair_indices`. p is one-sided (greater), by the normal approximation corrected for ties. q is over
    all neurons and attributes. A neuron with equal activations for all emotions has tau NaN, p 1 and the last
    rank.
    Raises ValueError if a value is NaN.
    """
    tau, z = correlate(
        lambda rows: mean_rdm(activations[:, :, rows]), activations.shape[2], pattern(attribute_rdms)
    )
    p = np.where(np.isnan(tau), 1.0, stats.norm.sf(z))
    order = np.where(np.isnan(tau), np.inf, -tau)
    with ThreadPoolExecutor() as pool:  # each sorts on a core of its own
        q, adjusted = pool.submit(q_rank, p), pool.submit(q_bh, p)
        rank = stats.rankdata(order, axis=0)
    return Searchlight(tau=tau, p=p, q=q.result(), q_bh=adjusted.result(), rank=rank)


def space_rdms(attribute_rdms: pd.DataFrame) -> pd.DataFrame:
    """Return the RDMs of the study's three spaces: Euclidean distances over a space's attributes.

    attribute_rdms: [pairs, attributes] distances, in the units of the attributes, which are not rescaled.
    Result: [pairs, spaces]; a space is left out if one of its attributes is missing.
    """
    complete = {space: list(names) for space, names in SPACES.items() if set(names) <= set(attribute_rdms)}
    rdms = {space: np.sqrt((attribute_rdms[names] ** 2).sum(axis=1)) for space, names in complete.items()}
    return pd.DataFrame(rdms, index=attribute_rdms.index)


def table(found: Searchlight, attributes: Sequence[str], width: int, alpha: float) -> pd.DataFrame:
    """Return a Searchlight as a long table, one row for each neuron and attribute, neuron by neuron.

    neuron, layer and unit count from 1; width is the number of neurons in a layer; significant: q < alpha.
    """
    neurons, attributes = len(found.tau), list(attributes)
    neuron = np.repeat(np.arange(neurons, dtype=np.int32), len(attributes))
    return pd.DataFrame(
        {
            "neuron": neuron + 1,
            "layer": (neuron // width + 1).astype(np.int16),
            "unit": neuron % width + 1,
            "attribute": pd.Categorical.from_codes(
                np.tile(np.arange(len(attributes), dtype=np.int16), neurons), attributes
            ),
            **{name: values.ravel() for name, values in vars(found).items()},
            "significant": found.q.ravel() < alpha,
        }
    )


def significant_by_layer(searchlight_table: pd.DataFrame) -> pd.DataFrame:
    """Count each attribute's significant neurons in each layer: `attribute, layer, neurons, significant`."""
    by = searchlight_table.groupby(["attribute", "layer"], observed=True)["significant"]
    return by.agg(neurons="size", significant="sum").reset_index()


def best_neuron(searchlight_table: pd.DataFrame, attribute: str) -> int:
    """Return the number, from 1, of the neuron that follows an attribute most closely."""
    of = searchlight_table[searchlight_table["attribute"] == attribute]
    return int(of.loc[of["rank"].idxmin(), "neuron"])
