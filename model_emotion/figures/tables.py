"""The results that figures show: the file of each, the columns that are needed, and selections from them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv, read_parquet
from model_emotion.base.results import Activations, read_activations

PAIR = ["emotion_a", "emotion_b"]
INTERVAL = ["ci_low", "ci_high"]
ATTRIBUTES = list(study.ATTRIBUTES)
TABLES: dict[str, tuple[str, list[str] | None]] = {
    "attributes": ("results/human/attributes.csv", ["emotion", *ATTRIBUTES]),
    "loadings": ("results/human/loadings.csv", ["item", *study.SPACES["appraisal"]]),
    "parallel_analysis": (
        "results/human/parallel_analysis.csv",
        ["component", "eigenvalue", "random_mean", "random_quantile"],
    ),
    "reliability": ("results/human/reliability.csv", ["attribute", "kind", "icc", "q", *INTERVAL]),
    "attribute_rdms": ("results/human/attribute_rdms.csv", [*PAIR, *ATTRIBUTES]),
    "human_weights": ("results/human/weights.csv", ["attribute", "tau_boot", "q", *INTERVAL]),
    "mean_rdm": ("results/{run}/mean_rdm.csv", [*PAIR, "distance"]),
    "weights": ("results/{run}/weights.csv", ["attribute", "tau_boot"]),
    "agreement": ("results/{run}/agreement.csv", ["emotion", "kappa"]),
    "activations": ("results/{run}/activations.safetensors", None),
    "accuracy": ("results/{run}/accuracy.csv", ["emotion", "seed", "accuracy"]),
    "majority": ("results/{run}/majority.csv", ["emotion", "seed", "majority"]),
    "accuracy_by_condition": (
        "results/{run}/accuracy_by_condition.csv",
        ["emotion", "condition", "k", "accuracy", "se"],
    ),
    "accuracy_by_mask": (
        "results/{run}/accuracy_by_mask.csv",
        ["emotion", "attribute", "kind", "k", "accuracy"],
    ),
    "searchlight": (
        "results/{run}/searchlight.parquet",
        ["neuron", "layer", "attribute", "tau", "rank", "significant"],
    ),
    "searchlight_spaces": (
        "results/{run}/searchlight_spaces.parquet",
        ["neuron", "layer", "attribute", "tau", "rank", "significant"],
    ),
    "significant_by_layer": ("results/{run}/significant_by_layer.csv", ["attribute", "layer", "significant"]),
    "overlap": ("results/{run}/overlap.csv", ["k", "attribute_a", "attribute_b", "shared"]),
    "selectivity": ("results/{run}/selectivity.csv", ["k", "attributes", "neurons"]),
    "model_rsa": ("results/{run}/model_rsa.csv", ["layer", "reference", "tau"]),
    "drop_by_emotion": ("results/{run}/drop_by_emotion.csv", ["emotion", "k", "drop", "star", *INTERVAL]),
    "drop_by_attribute": (
        "results/{run}/drop_by_attribute.csv",
        ["attribute", "k", "drop", "star", *INTERVAL],
    ),
    "drop_by_cell": ("results/{run}/drop_by_cell.csv", ["emotion", "attribute", "k", "drop", "star"]),
    "unimodality": ("results/{run}/unimodality.csv", ["k", "attribute", "dip", "p"]),
    "human_correlation": ("results/{run}/human_correlation.csv", ["k", "emotion", "r", "slope", "intercept"]),
    "retests": (
        "results/{run}/retests.csv",
        ["question", "key", "k", "estimate", *INTERVAL, "n", "reference", "verdict"],
    ),
    "mask_layers": ("results/{run}/mask_layers.csv", ["attribute", "k", "layer", "neurons"]),
    "specifications": (
        "results/{run}/specifications.csv",
        ["hypothesis", "size", "baseline", "seeds", "scale", "coefficient", "weight", "estimate", "p"],
    ),
    "human_correlation_summary": ("results/{run}/human_correlation_summary.csv", ["k", "mean_r", *INTERVAL]),
}
"""Name -> path (with {run} for a run's results) and the columns that figures need; None for activations."""
ORDER = "weights"
"""A table that only sets an order: without rows, the order of the other tables stays."""


def path(name: str, run: str) -> str:
    """Return the file of a table."""
    return TABLES[name][0].format(run=run)


def read(name: str, run: str) -> pd.DataFrame | Activations:
    """Read a table of a run, or its activations. Raises UserError if a column is missing."""
    file, columns = path(name, run), TABLES[name][1]
    if columns is None:
        return read_activations(file)
    if file.endswith(".parquet"):
        check(name, pq.read_schema(file).names, run)
        return read_parquet(file, columns=columns)
    table = read_csv(file)
    check(name, table.columns, run)
    return table


def check(name: str, found: Iterable[str], run: str) -> None:
    """Raise UserError that names the first needed column of a table that is not among those found."""
    for column in TABLES[name][1] or ():
        if column not in found:
            raise UserError(f"{path(name, run)}: no column '{column}', which a figure needs; run `dvc repro`")


def at_size(table: pd.DataFrame, k: int) -> pd.DataFrame:
    """Return the rows on masks of k neurons. Raises UserError if there are none."""
    rows = table[table["k"] == k]
    if rows.empty:
        sizes = ", ".join(map(str, sorted(table["k"].unique())))
        raise UserError(f"params.yaml: figures.top_k: there are no masks of {k} neurons. Choose from {sizes}")
    return rows


def of_run(options: Mapping[str, Any], run: str) -> dict[str, Any]:
    """Return params.figures for a run: a size, emotion or attribute that it lacks becomes its first one."""
    cells, layers = (read_csv(path(name, run)) for name in ("drop_by_cell", "significant_by_layer"))
    known = {"top_k": cells["k"], "emotion": cells["emotion"], "attribute": layers["attribute"]}
    own = {
        name: options[name] if options[name] in set(column) else column.iloc[0]
        for name, column in known.items()
    }
    return {**options, **own, "top_k": int(own["top_k"])}


def names_of(run: str) -> dict[str, list[str]]:
    """Return {kind: names} of the emotions and attributes of a run."""
    cells, layers = (read_csv(path(name, run)) for name in ("drop_by_cell", "significant_by_layer"))
    return {"emotion": list(cells["emotion"].unique()), "attribute": list(layers["attribute"].unique())}


def in_order(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the distinct names in the order of `known`; other names come last, in their own order."""
    names = list(names)
    present = set(names)
    return list(dict.fromkeys([*(name for name in known if name in present), *names]))


def wide(
    table: pd.DataFrame,
    rows: str,
    columns: str,
    values: str,
    row_names: Sequence | None,
    column_names: Sequence | np.ndarray,
) -> pd.DataFrame:
    """Return values of a long table as a frame with the given rows and columns; a missing value is NaN."""
    pivoted = table.pivot(index=rows, columns=columns, values=values)
    return pivoted.reindex(index=row_names, columns=column_names)


def by_weight(attributes: Iterable[str], weights: pd.DataFrame) -> list[str]:
    """Return the attributes in B2's order: the largest human weight first, those without a weight last."""
    known = weights.sort_values("tau_boot", ascending=False, kind="stable")["attribute"]
    return in_order(attributes, known)
