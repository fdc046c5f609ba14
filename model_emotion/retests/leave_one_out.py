"""H2, H3 and H4 without each attribute and without each emotion: does one of them make the result?

All rows are descriptive. `reference` is the estimate with all of them; the row farthest from it is the most
influential one.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from model_emotion.base.statistics import FEWEST, regression
from model_emotion.retests.rows import Row, row


def without_each_mask(drops: pd.DataFrame, k: int, weights: pd.Series) -> Iterator[Row]:
    """Repeat the mean drop (H2) and r of drop with human weight (H3) without each attribute and emotion.

    drops: drops.parquet. k: the size of masks. weights: human weights by attribute. There are no rows on
    r if an attribute has no weight, if fewer than FEWEST attributes would be left, or if drops do not differ.
    """
    cube = drops[drops["k"] == k].pivot_table("drop", "emotion", "attribute", sort=False)
    measures: dict[str, Callable[[pd.DataFrame], float]] = {
        "drop": lambda left: float(left.to_numpy().mean())
    }
    if len(cube.columns) > FEWEST and set(cube.columns) <= set(weights.index) and cube.mean().nunique() > 1:
        measures["human_correlation"] = lambda left: regression(weights[left.columns], left.mean()).r
    for name, measure in measures.items():
        for axis, cases in enumerate(("emotion", "attribute")):
            method = f"{name.replace('_', ' ')} without one {cases}; reference: with all"
            if len(cube.axes[axis]) < 2:
                continue
            for out in cube.axes[axis]:
                left = cube.drop(out, axis=axis)
                yield row(
                    f"{name}_without_{cases}", method, "", measure(left), n=len(left.axes[axis]),
                    key=str(out), k=k, reference=measure(cube),
                )  # fmt: skip


def without_each_emotion(model: np.ndarray, human: np.ndarray, emotions: Sequence[str]) -> Iterator[Row]:
    """Repeat Kendall's tau of the whole model's RDM with the mean human one (H4) without each emotion.

    model, human: distances [pairs], in the order of `rdm.pair_names`.
    """
    first, second = np.triu_indices(len(emotions), 1)
    every = float(stats.kendalltau(model, human).statistic)
    method = (
        "Kendall's tau of the whole model's RDM with the human one without one emotion; reference: with all"
    )
    for number, emotion in enumerate(emotions):
        kept = (first != number) & (second != number)
        if len(emotions) > FEWEST:
            tau = float(stats.kendalltau(model[kept], human[kept]).statistic)
            n = len(emotions) - 1
            yield row("model_and_human_without_emotion", method, "", tau, n=n, key=emotion, reference=every)
