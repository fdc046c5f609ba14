"""The searchlight: Kendall's tau of each neuron's RDM of the emotions with each human attribute's RDM."""

from collections.abc import Iterable
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
"""Neurons that are handled together: their activations fit into a core's cache."""


@dataclass(frozen=True)
class Searchlight:
    """Results per neuron and attribute, each [neurons, attributes].

    tau: Kendall's tau-b. p: one-sided. q: the study's; q_bh: Benjamini and Hochberg's. rank: of the neuron
    for the attribute; 1 is the largest tau, and ties share their average.
    """

    tau: np.ndarray
    p: np.ndarray
    q: np.ndarray
    q_bh: np.ndarray
    rank: np.ndarray


def mean_rdm(activations: np.ndarray) -> np.ndarray:
    """Return the RDM of each neuron, float64 [neurons, pairs]: absolute differences, averaged over seeds.

    activations: [seeds, emotions, neurons].
    """
    return _mean_rdm(np.ascontiguousarray(activations, dtype=float))


@compiled
def _mean_rdm(activations):
    """Do the work of `mean_rdm`, summing seeds in their order, so that every processor agrees."""
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

    activations: [seeds, emotions, neurons]. attribute_rdms: [pairs, attributes], pairs in the order of
    `rdm.pair_indices`. p is one-sided (greater), by the normal approximation corrected for ties; q corrects
    for all neurons and attributes. A neuron that is constant over emotions has no tau: NaN, p = 1 and the
    last rank. Raises ValueError if a value is NaN.
    """
    tau, z = correlate(
        lambda rows: mean_rdm(activations[:, :, rows]), activations.shape[2], pattern(attribute_rdms)
    )
    p = np.where(np.isnan(tau), 1.0, stats.norm.sf(z))
    order = np.where(np.isnan(tau), np.inf, -tau)
    with ThreadPoolExecutor() as pool:  # each sorts, on a core of its own
        q, also = pool.submit(q_rank, p), pool.submit(q_bh, p)
        rank = stats.rankdata(order, axis=0)
    return Searchlight(tau=tau, p=p, q=q.result(), q_bh=also.result(), rank=rank)


def space_rdms(attribute_rdms: pd.DataFrame) -> pd.DataFrame:
    """Return the RDMs of the spaces, frame [pairs, spaces]: Euclidean distances over a space's attributes.

    The attributes are not rescaled. A space is left out if some of its attributes are. attribute_rdms: frame
    [pairs, attributes].
    """
    whole = {space: list(names) for space, names in SPACES.items() if set(names) <= set(attribute_rdms)}
    rdms = {space: np.sqrt((attribute_rdms[names] ** 2).sum(axis=1)) for space, names in whole.items()}
    return pd.DataFrame(rdms, index=attribute_rdms.index)


def table(found: Searchlight, attributes: Iterable[str], width: int, alpha: float) -> pd.DataFrame:
    """Return a searchlight as a long table, neuron by neuron.

    Columns: `neuron, layer, unit` (from 1), `attribute, tau, p, q, q_bh, rank`, and `significant`, which is q
    < alpha.
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
    """Count the significant neurons of each attribute and layer: `attribute, layer, neurons, significant`."""
    by = searchlight_table.groupby(["attribute", "layer"], observed=True)["significant"]
    return by.agg(neurons="size", significant="sum").reset_index()
