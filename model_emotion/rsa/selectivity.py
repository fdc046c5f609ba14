"""How selective the best neurons are: whether attributes choose the same ones."""

import numpy as np
import pandas as pd


def rank_table(searchlight_table):
    """The table's ranks as a frame [neurons, attributes]."""
    attributes = list(searchlight_table["attribute"].cat.categories)
    return pd.DataFrame(searchlight_table["rank"].to_numpy().reshape(-1, len(attributes)), columns=attributes)


def selected(ranks, k):
    """Frame of ranks [neurons, attributes] -> bool array: rank <= k, as the study chooses (ties can make it more or fewer than k)."""
    return ranks.to_numpy() <= k


def overlap(ranks, top_k):
    """Neurons that two attributes share among their k best: `k, attribute_a, attribute_b, shared`; an attribute with itself is its size."""
    frames = []
    for k in top_k:
        chosen = selected(ranks, k).astype(int)
        shared = pd.DataFrame(chosen.T @ chosen, index=ranks.columns, columns=ranks.columns)
        shared = (
            shared.rename_axis("attribute_a")
            .reset_index()
            .melt("attribute_a", var_name="attribute_b", value_name="shared")
        )
        frames.append(shared.assign(k=k)[["k", "attribute_a", "attribute_b", "shared"]])
    return pd.concat(frames, ignore_index=True)


def selectivity(ranks, significant, top_k):
    """For each k: how many neurons are among the best of exactly n attributes, and attributes whose k best hold insignificant neurons.

    significant: bool [neurons, attributes]. Returns (`k, attributes, neurons` for n >= 1, `k, attribute, insignificant`).
    """
    shared, weak = [], []
    for k in top_k:
        chosen = selected(ranks, k)
        n, neurons = np.unique(chosen.sum(axis=1), return_counts=True)
        shared.append(pd.DataFrame({"k": k, "attributes": n[n > 0], "neurons": neurons[n > 0]}))
        weak.append(
            pd.DataFrame(
                {"k": k, "attribute": ranks.columns, "insignificant": (chosen & ~significant).sum(axis=0)}
            )
        )
    return pd.concat(shared, ignore_index=True), pd.concat(weak, ignore_index=True)


def staircase(ranks: np.ndarray, k: int) -> np.ndarray:
    """Return the neurons among the k best of any attribute, each once, as indices into ranks [neurons, attributes].

    Those of the first attribute come first, by rank, then those that the second attribute adds, and so on.
    """
    best = ranks <= k
    neurons = np.flatnonzero(best.any(axis=1))
    first = best[neurons].argmax(axis=1)
    return neurons[np.lexsort([ranks[neurons, first], first])]


def share_by_layer(ranks: np.ndarray, layers: np.ndarray, k: int) -> np.ndarray:
    """Return the share of each layer's neurons that are among the k best: [attributes, layers], fractions of 1.

    ranks [neurons, attributes]; layers [neurons], the number of each neuron's layer.
    """
    return np.array([(ranks[layers == layer] <= k).mean(axis=0) for layer in np.unique(layers)]).T
