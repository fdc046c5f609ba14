"""H2 and H3: do masks lower accuracy because of an attribute, or because of the layers of its neurons?

`counts` is mask_layers.csv, `attribute, k, layer, neurons`: how many neurons of an attribute's mask of size k
lie in each layer, from 1. The mean layer of a mask is a covariate that the study did not consider. It was
chosen after the results were known (post hoc).
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from model_emotion.base.statistics import FEWEST, Regression, correlation_interval, product, regression
from model_emotion.masking.drops import ROUNDING
from model_emotion.masking.masks import MaskName
from model_emotion.retests.masks import several_sizes
from model_emotion.retests.partial import basis, of_permuted, residuals
from model_emotion.retests.rows import MISSING, Row, permuted_p, row

MEASURES = {"drop": 1, "damage": -1}
"""What a mask does: its drop, or its damage (accuracy without a mask minus that with it).

Correlations over masks do not depend on the accuracy without a mask, so damage is taken as minus the accuracy
with the mask.
"""


def mask_layers(masks: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return mask_layers.csv: in which layers the neurons of the attributes' masks lie.

    masks: arrays [layers, width] by name; a neuron is masked where its value is not 1.
    """
    rows = [
        (name.attribute, name.k, layer, neurons)
        for name, mask in ((MaskName.parse(text), mask) for text, mask in masks.items())
        if name.kind == "attribute"
        for layer, neurons in enumerate((mask != 1).sum(axis=1), 1)
    ]
    return pd.DataFrame(rows, columns=["attribute", "k", "layer", "neurons"])


def layers_of_masks(counts: pd.DataFrame, k: int) -> list[Row]:
    """In which layer do an attribute's masked neurons lie, on average? Descriptive.

    `reference`: the mean layer of a random mask.
    """
    layers, method = (
        counts["layer"].max(),
        "mean layer of the neurons of the mask; reference: of a random mask",
    )
    reference = (1 + layers) / 2
    return [
        row("layer_of_mask", method, "", mean, n=k, key=str(attribute), k=k, reference=reference)
        for attribute, mean in _mean_layer(counts, k).items()
    ]


def _mean_layer(counts: pd.DataFrame, k: int) -> pd.Series:
    """Return the mean layer of each attribute's mask of size k."""
    of_size = counts[counts["k"] == k]
    weighted = (of_size["layer"] * of_size["neurons"]).groupby(of_size["attribute"], sort=False).sum()
    return weighted / of_size.groupby("attribute", sort=False)["neurons"].sum()


def given_layer(
    drops: pd.DataFrame, counts: pd.DataFrame, weights: pd.Series, k: int, samples: int, seed: int
) -> Iterator[Row]:
    """Does what a mask does correlate with its attribute's human weight, given the mean layer of its neurons?

    Rows for the drop and for the damage at size k: `layer_and_mask`, the correlation with the mean layer;
    `human_correlation_given_layer`, the partial r, with p by Freedman and Lane (1983);
    `human_correlation_semipartial`, r with that part of the weight that the layer does not predict. Then the
    last two for each of several sizes, which decide nothing. No row if masks are of something else than the
    attributes with a weight.
    """
    for measure in MEASURES:
        cases = _cases(drops, counts, weights, k, measure)
        if cases is None:
            return
        effect, _, layer = cases
        if alone := _alone(effect, layer):
            method = (
                f"Pearson's r over attributes of {measure} with the mean layer of the mask; Fisher z interval"
            )
            ci = correlation_interval(alone.r, len(effect))
            yield row("layer_and_mask", method, "", alone.r, ci, alone.p, len(effect), key=measure, k=k)
        yield from _given(cases, measure, k, samples, seed)
    for size in several_sizes(drops):
        for measure in MEASURES:
            cases = _cases(drops, counts, weights, size, measure)
            if cases is not None:
                yield from _given(cases, measure, size, samples, seed, one_of_several=True)


def _alone(effect: np.ndarray, layer: np.ndarray) -> Regression | None:
    return regression(layer, effect) if _varies(layer) else None


def _given(
    cases: tuple[np.ndarray, np.ndarray, np.ndarray],
    measure: str,
    k: int,
    samples: int,
    seed: int,
    one_of_several: bool = False,
) -> Iterator[Row]:
    """Yield the partial and the semi-partial r of effects with weights, given layers (`cases`).

    one_of_several: k is one of several sizes, whose rows have a question of their own and decide nothing.
    """
    effect, weight, layer = cases
    key, of_size, decided_by = (f"{measure}, {k}", "_of_size", "") if one_of_several else (measure, "", "p")
    plain, alone, n = regression(weight, effect).r, _alone(effect, layer), len(effect)
    r, p = freedman_lane(effect, weight, layer, samples, seed)
    of = f"{measure} with human weight over attributes, given the mean layer of the mask"
    method = f"partial r of {of} (chosen post hoc); p by Freedman and Lane (1983), {samples} permutations"
    question, method = f"human_correlation_given_layer{of_size}", f"{method}; reference: r"
    yield row(question, method, decided_by, r, p=p, n=n, key=key, k=k, reference=plain)
    rest = r * np.sqrt(1 - alone.r**2) if alone else r
    method = f"semi-partial r of {of}, taken out of the weight alone; reference: r"
    question = f"human_correlation_semipartial{of_size}"
    yield row(question, method, "", rest, n=n, key=key, k=k, reference=plain)


def _cases(
    drops: pd.DataFrame, counts: pd.DataFrame, weights: pd.Series, k: int, measure: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return each attribute's effect, human weight and mean layer; None if some are unknown or too few."""
    of_size, layer = drops[drops["k"] == k], _mean_layer(counts, k)
    column = "drop" if measure == "drop" else "masked"
    effect = MEASURES[measure] * of_size.groupby("attribute", sort=False)[column].mean()
    known = set(weights.index) & set(layer.index)
    if len(effect) < FEWEST or not set(effect.index) <= known or not _varies(effect.to_numpy()):
        return None
    return effect.to_numpy(), weights[effect.index].to_numpy(), layer[effect.index].to_numpy()


def _varies(values: np.ndarray) -> bool:
    return bool(np.ptp(values) > ROUNDING)


def freedman_lane(
    y: np.ndarray, x: np.ndarray, given: np.ndarray, samples: int, seed: int
) -> tuple[float, float]:
    """Return the partial r of y and x given a third variable, all [n], and its two-sided p.

    What the third variable leaves of y is permuted and added to what it predicts (Freedman and Lane 1983).
    The prediction has no part in a partial r, so the residuals alone are permuted, and regressed again. Both
    are NaN if y or x follows from the third variable.
    """
    known = _with_constant(given)
    if any(basis(np.column_stack([known, one])) is None for one in (y, x)):
        return MISSING, MISSING
    of_y, of_x = residuals(np.array([y, x]), known)
    r = float(product(of_y[None], of_x[:, None])[0, 0])
    permuted = np.random.default_rng(seed).permuted(np.tile(of_y, (samples, 1)), axis=1)
    return r, float(permuted_p(r, of_permuted(permuted, of_x, known)))


def _with_constant(given: np.ndarray) -> np.ndarray:
    """Return a basis of the constants and a variable [n], or of the constants alone if it does not vary."""
    constant = np.ones(len(given))
    both = basis(np.column_stack([constant, given]))
    return basis(constant[:, None]) if both is None else both  # type: ignore[return-value]
