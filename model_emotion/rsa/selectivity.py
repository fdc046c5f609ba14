"""Selectivity of the best neurons: whether different attributes select the same neurons."""

from collections.abc import Iterable

import numpy as np
import pandas as pd


def rank_table(searchlight_table: pd.DataFrame) -> pd.DataFrame:
    """Return the ranks of `searchlight.table` as a data frame [neurons, attributes]."""
    attributes = list(searchlight_table["attribute"].cat.categories)
    return pd.DataFrame(searchlight_table["rank"].to_numpy().reshape(-1, len(attributes)), columns=attributes)


def selected(ranks: pd.DataFrame, k: int) -> np.ndarray:
    """Return bool [neurons, attributes]: rank <= k, as in the study. Ties can give more or fewer than k."""
    return ranks.to_numpy() <= k


def overlap(ranks: pd.DataFrame, top_k: Iterable[int]) -> pd.DataFrame:
    """Count the neurons that two attributes share among their k best: `k, attribute_a, attribute_b, shared`.

    ranks [neurons, attributes]. The rows of an attribute with itself give its number of selected neurons.
    """
    names, frames = np.array(ranks.columns, dtype=object), []
    for k in top_k:
        chosen = selected(ranks, k).astype(int)
        pairs = {"attribute_a": np.tile(names, len(names)), "attribute_b": np.repeat(names, len(names))}
        frames.append(pd.DataFrame({"k": k, **pairs, "shared": (chosen.T @ chosen).ravel()}))
    return pd.concat(frames, ignore_index=True)


def selectivity(
    ranks: pd.DataFrame, significant: np.ndarray, top_k: Iterable[int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count, for each k, neurons selected by several attributes, and selected neurons that are insignificant.

    ranks, significant (bool): [neurons, attributes]. Returns two tables. `k, attributes, neurons`: how many
    neurons are among the k best of exactly that many attributes (at least one).
    `k, attribute, insignificant`: how many of an attribute's k best neurons are not significant.
    """
    shared, weak = [], []
    for k in top_k:
        chosen = selected(ranks, k)
        n, neurons = np.unique(chosen.sum(axis=1), return_counts=True)
        shared.append(pd.DataFrame({"k": k, "attributes": n[n > 0], "neurons": neurons[n > 0]}))
        insignificant = (chosen & ~significant).sum(axis=0)
        weak.append(pd.DataFrame({"k": k, "attribute": ranks.columns, "insignificant": insignificant}))
    return pd.concat(shared, ignore_index=True), pd.concat(weak, ignore_index=True)


def staircase(ranks: np.ndarray, k: int) -> np.ndarray:
    """Return the neurons among the k best of any attribute, each once, as indices into ranks.

    ranks [neurons, attributes]. The first attribute's neurons come first, by rank, then those that the second
    attribute adds, and so on.
    """
    best = ranks <= k
    neurons = np.flatnonzero(best.any(axis=1))
    first = best[neurons].argmax(axis=1)
    return neurons[np.lexsort([ranks[neurons, first], first])]


def share_by_layer(ranks: np.ndarray, layers: np.ndarray, k: int) -> np.ndarray:
    """Return the share of each layer's neurons among the k best, [attributes, layers], as fractions of 1.

    ranks [neurons, attributes]; layers [neurons], the number of each neuron's layer.
    """
    return np.array([(ranks[layers == layer] <= k).mean(axis=0) for layer in np.unique(layers)]).T
