"""How selective the best neurons are: do different attributes choose the same ones?"""

from collections.abc import Iterable

import numpy as np
import pandas as pd


def rank_table(searchlight_table: pd.DataFrame) -> pd.DataFrame:
    """Return the ranks of a searchlight's table as a frame [neurons, attributes]."""
    attributes = list(searchlight_table["attribute"].cat.categories)
    return pd.DataFrame(searchlight_table["rank"].to_numpy().reshape(-1, len(attributes)), columns=attributes)


def selected(ranks: pd.DataFrame, k: int) -> np.ndarray:
    """Return bool [neurons, attributes]: whether a rank is at most k, as the study selects neurons.

    With ties, more or fewer than k neurons can be selected. ranks: frame [neurons, attributes].
    """
    return ranks.to_numpy() <= k


def overlap(ranks: pd.DataFrame, top_k: Iterable[int]) -> pd.DataFrame:
    """Count the neurons that two attributes share among their k best: `k, attribute_a, attribute_b, shared`.

    An attribute with itself shares all neurons that it selects. ranks: frame [neurons, attributes].
    """
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


def selectivity(
    ranks: pd.DataFrame, significant: np.ndarray, top_k: Iterable[int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count, for each k, neurons by the number of attributes that select them, and insignificant neurons.

    Returns `k, attributes, neurons`: how many neurons are among the k best of exactly n >= 1 attributes. And
    `k, attribute, insignificant`: how many of an attribute's k best neurons are not significant. ranks: frame
    [neurons, attributes]. significant: bool [neurons, attributes].
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
