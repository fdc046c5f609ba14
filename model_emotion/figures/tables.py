"""The results that figures show: where each stands, which columns a figure needs, and what is taken from a table."""

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv
from model_emotion.base.results import read_activations

PAIR = ["emotion_a", "emotion_b"]
INTERVAL = ["ci_low", "ci_high"]
ATTRIBUTES = list(study.ATTRIBUTES)
TABLES = {
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
    "accuracy": ("results/{run}/accuracy.csv", ["emotion", "seed", "accuracy", "majority"]),
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
    "retests": ("results/{run}/retests.csv", ["question", "key", "k", "estimate", *INTERVAL, "n", "verdict"]),
    "human_correlation_summary": ("results/{run}/human_correlation_summary.csv", ["k", "mean_r", *INTERVAL]),
}
"""Name -> path (with {run} where it is a run's) and columns; the activations are arrays."""
ORDER = "weights"
"""The table that only tells an order: where it has no rows, that of the others stays."""


def path(name, run):
    """The file of a table."""
    return TABLES[name][0].format(run=run)


def read(name, run):
    """A table of a run, checked; activations as `run.Activations`. Raises UserError where a column is missing."""
    file, columns = path(name, run), TABLES[name][1]
    if name == "activations":
        return read_activations(file)
    if file.endswith(".parquet"):
        import pandas as pd
        import pyarrow.parquet as pq

        check(name, pq.read_schema(file).names, run)
        return pd.read_parquet(file, columns=columns)
    table = read_csv(file)
    check(name, table.columns, run)
    return table


def check(name, found, run):
    """Raises UserError that names the first column of the table which is not among those found."""
    for column in TABLES[name][1] or ():
        if column not in found:
            raise UserError(
                f"{path(name, run)}: no column '{column}', which a figure needs; make it anew with `dvc repro`"
            )


def at_size(table, k):
    """The rows of masks of k neurons. Raises UserError where there is none."""
    rows = table[table["k"] == k]
    if rows.empty:
        sizes = ", ".join(map(str, sorted(table["k"].unique())))
        raise UserError(f"params.yaml: figures.top_k: no masks of {k} neurons were measured, only of {sizes}")
    return rows


def of_run(options, run):
    """params.figures as a run can show them: its first size of mask, emotion, attribute, where it has not those that are named."""
    cells, layers, own = read("drop_by_cell", run), read("significant_by_layer", run), dict(options)
    for name, column in (
        ("top_k", cells["k"]),
        ("emotion", cells["emotion"]),
        ("attribute", layers["attribute"]),
    ):
        if own[name] not in set(column):
            own[name] = column.iloc[0]
    return own | {"top_k": int(own["top_k"])}


def in_order(names, known):
    """The distinct names, in the order of `known`; what is not known comes last, as it stands."""
    present = set(names)
    return list(dict.fromkeys([*(name for name in known if name in present), *names]))


def wide(table, rows, columns, values, row_names, column_names):
    """A long table as a frame with the given rows and columns; what is not there is missing."""
    return table.pivot(index=rows, columns=columns, values=values).reindex(
        index=row_names, columns=column_names
    )


def by_weight(attributes, weights):
    """The attributes, the one with the largest weight in the human space first (B2's order); names without a weight last."""
    known = weights.sort_values("tau_boot", ascending=False, kind="stable")["attribute"]
    return in_order(attributes, known)
