"""Drops: how much lower accuracy is under an attribute's mask than under random masks of its size.

A drop is the accuracy with random masks minus that with the attribute's, as a fraction of 1. It is above 0 if
the attribute's mask lowers accuracy more.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.statistics import FEWEST, atanh, mean_correlation, paired_drop, regression
from model_emotion.rsa.correction import q_bh, q_rank

try:
    import diptest
except ImportError:  # it has no wheel for Linux on aarch64
    diptest = None

ROUNDING = 1e-12
"""Differences between accuracies that are smaller than this come from rounding."""

CELL = ["emotion", "seed", "attribute", "k"]
REGRESSION_COLUMNS = ["k", "emotion", "r", "z", "p", "slope", "intercept"]
OVER_EMOTIONS = ["k", "mean_r", "t", "df", "p", "ci_low", "ci_high"]
OVER_ATTRIBUTES = ["k", "r", "p", "n"]
POOLED_OVER = {"emotion": ["emotion"], "attribute": ["attribute"], "cell": ["emotion", "attribute"]}
"""Table drop_by_NAME -> the keys within which it pools drops."""
H3_TABLES = ("human_correlation", "human_correlation_summary", "human_correlation_attributes")
"""The tables of `human_correlation`."""


def accuracy_drops(masked: pd.DataFrame) -> pd.DataFrame:
    """Compute the drops of a run: `emotion, seed, attribute, k, random, masked, drop`.

    One row per emotion, seed and attribute mask. masked: masked_accuracy.csv. `random` is the mean over the
    attribute's own random masks if it has any, else over those that all attributes share. Raises UserError if
    an attribute mask has no random mask of its size.
    """
    masked = masked.assign(attribute=masked["attribute"].fillna(""))
    attribute = masked[masked["kind"] == "attribute"]
    random = masked[masked["kind"] == "random"].groupby(CELL, sort=False, as_index=False)["accuracy"].mean()
    own = random.rename(columns={"accuracy": "own"})
    shared = random[random["attribute"] == ""].drop(columns="attribute")
    shared = shared.rename(columns={"accuracy": "shared"})
    table = attribute.merge(own, on=CELL, how="left").merge(shared, on=["emotion", "seed", "k"], how="left")
    table["random"] = table["own"].fillna(table["shared"])
    alone = table[table["random"].isna()]
    if len(alone):
        emotion, seed, k = alone.iloc[0][["emotion", "seed", "k"]]
        raise UserError(f"masked accuracies: no random mask of size {k} for {emotion}, seed {seed}")
    drop = table["random"] - table["accuracy"]
    # the mean of equal accuracies can differ from them in its last digit
    table["drop"] = drop.where(drop.abs() > ROUNDING, 0.0)
    return table.rename(columns={"accuracy": "masked"})[[*CELL, "random", "masked", "drop"]]


def drop_table(drops: pd.DataFrame, keys: list[str], alpha: float) -> pd.DataFrame:
    """Test the drops pooled within each of `keys` and k.

    Returns keys, `k, drop, t, df, se, ci_low, ci_high, p, q, q_bh, star`. q corrects for all rows of the
    table, as in the study; a row has a star if q < alpha.
    """
    rows = [
        dict(zip([*keys, "k"], key, strict=True)) | paired_drop(group["drop"])._asdict()
        for key, group in drops.groupby([*keys, "k"], sort=False)
    ]
    result = pd.DataFrame(rows)
    result["q"], result["q_bh"] = q_rank(result["p"]), q_bh(result["p"])
    return result.assign(star=result["q"] < alpha)


def effects(drops: pd.DataFrame) -> pd.DataFrame:
    """Average the drops over seeds: `k, attribute, emotion, drop`."""
    return drops.groupby(["k", "attribute", "emotion"], sort=False, as_index=False)["drop"].mean()


def unimodality(drops: pd.DataFrame) -> pd.DataFrame:
    """Test whether each attribute's effects over the emotions have one mode: `k, attribute, dip, p, n`.

    Hartigan's dip, with p from Hartigan's table. Without the package diptest there are no rows.
    """
    rows = []
    for (k, attribute), group in effects(drops).groupby(["k", "attribute"], sort=False) if diptest else ():
        dip, p = diptest.diptest(group["drop"].to_numpy())
        rows.append((k, attribute, dip, p, len(group)))
    return pd.DataFrame(rows, columns=["k", "attribute", "dip", "p", "n"])


def human_correlation(
    drops: pd.DataFrame, weights: pd.Series
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Correlate effects with human weights over the attributes (H3), by Pearson's r.

    weights: series by attribute. Returns three tables: `k, emotion, r, z, p, slope, intercept` of each
    emotion (the line is that of the drop on the weight); `k, mean_r, t, df, p, ci_low, ci_high` over the
    emotions, by Fisher's z; and `k, r, p, n` of the attributes' mean effects, where attributes are the cases.
    They are empty if some masks are of other attributes than those with a weight, or if there are fewer than
    FEWEST attributes.
    """
    attributes = set(drops["attribute"])
    if not attributes <= set(weights.index) or len(attributes) < FEWEST:
        return (
            pd.DataFrame(columns=REGRESSION_COLUMNS),
            pd.DataFrame(columns=OVER_EMOTIONS),
            pd.DataFrame(columns=OVER_ATTRIBUTES),
        )
    each, over_emotions, over_attributes = [], [], []
    for k, of_k in effects(drops).groupby("k", sort=False):
        wide = of_k.pivot(index="attribute", columns="emotion", values="drop")[of_k["emotion"].unique()]
        weight = weights.loc[wide.index].to_numpy()
        lines = pd.DataFrame([regression(weight, wide[emotion]) for emotion in wide])
        lines.insert(1, "z", lines["r"].map(atanh))
        each.append(pd.concat([pd.DataFrame({"k": k, "emotion": wide.columns}), lines], axis=1))
        over_emotions.append({"k": k} | mean_correlation(lines["r"])._asdict())
        mean = regression(weight, wide.mean(axis=1))
        over_attributes.append({"k": k, "r": mean.r, "p": mean.p, "n": len(wide)})
    return pd.concat(each, ignore_index=True), pd.DataFrame(over_emotions), pd.DataFrame(over_attributes)


def _mean_and_se(values: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    by = values.groupby(keys, sort=False)["accuracy"]
    return by.agg(accuracy="mean", se="sem", n="size").reset_index()


def accuracy_by_condition(accuracy: pd.DataFrame, masked: pd.DataFrame) -> pd.DataFrame:
    """Average each emotion's accuracy without a mask, and with random and attribute masks of each size.

    Returns `emotion, condition, k, accuracy, se, n`; k is 0 without a mask. Means and standard errors are
    over seeds, and with masks also over attributes or draws. Masks by permuted ratings are left out.
    """
    masked = masked[masked["kind"] != "permuted"]
    parts = [
        _mean_and_se(accuracy.assign(condition="none", k=0), ["emotion", "condition", "k"]),
        _mean_and_se(masked.rename(columns={"kind": "condition"}), ["emotion", "condition", "k"]),
    ]
    return pd.concat(parts, ignore_index=True)


def accuracy_by_mask(masked: pd.DataFrame) -> pd.DataFrame:
    """Average accuracy over seeds and draws: `emotion, attribute, kind, k, accuracy, se, n`."""
    keys = ["emotion", "attribute", "kind", "k"]
    return _mean_and_se(masked.assign(attribute=masked["attribute"].fillna("")), keys)


def shown_size(table: pd.DataFrame, k: int) -> int:
    """Return k, or the first size of a table that has no masks of size k."""
    return k if (table["k"] == k).any() else table["k"].iloc[0]


def _six_decimals(value: float) -> float:
    """Round a number, so that experiments do not differ by the rounding of a sum or by -0."""
    return round(float(value), 6) + 0.0


def metrics(accuracy: pd.DataFrame, tables: dict[str, pd.DataFrame], k: int) -> dict[str, Any]:
    """Return the few numbers by which experiments are compared, for JSON; what is unknown is left out.

    tables: those of `drop_tables`. k: the size of masks; a run without it shows its first. Numbers have six
    decimals; the tables have them in full.
    """
    k = shown_size(tables["drop_by_attribute"], k)
    by_attribute = tables["drop_by_attribute"].query("k == @k").set_index("attribute")
    by_emotion = tables["drop_by_emotion"].query("k == @k")
    headline = [attribute for attribute in study.HEADLINE_ATTRIBUTES if attribute in by_attribute.index]
    found: dict[str, Any] = {"mean_accuracy": _six_decimals(accuracy["accuracy"].mean())}
    if accuracy["majority"].notna().all():
        found["mean_majority"] = _six_decimals(accuracy["majority"].mean())
        found["emotions_above_floor"] = int((~tables["floor"]["floor"]).sum())
    found |= {
        "k": int(k),
        "emotions_hurt": int(by_emotion["star"].sum()),
        "attributes_hurting": int(by_attribute["star"].sum()),
        "drop": {attribute: _six_decimals(by_attribute.loc[attribute, "drop"]) for attribute in headline},
    }
    r = tables["human_correlation_summary"].set_index("k")["mean_r"]
    if k in r and np.isfinite(r.loc[k]):
        found["human_correlation"] = _six_decimals(r.loc[k])
    return found


def floor(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Find the emotions that prompts infer no better than always answering with the majority class.

    No mask can lower the accuracy of such an emotion. accuracy: accuracy.csv. Returns `emotion, accuracy,
    ci_low, ci_high, majority, floor`: the accuracy is averaged over seeds, the interval is Wilson's at 95 %
    for the examples of one seed, and `floor` is true if it does not lie above the majority rate. If that is
    unknown, `floor` is false.
    """
    means = accuracy.groupby("emotion", sort=False)[["accuracy", "majority", "n"]].mean()
    low, high = proportion_confint(means["accuracy"] * means["n"], means["n"], method="wilson")
    means = means.assign(ci_low=low, ci_high=high, floor=low <= means["majority"]).reset_index()
    return means[["emotion", "accuracy", "ci_low", "ci_high", "majority", "floor"]]


def above_floor(table: pd.DataFrame, floors: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of emotions above the floor; all rows if fewer than FEWEST emotions would be left."""
    kept = set(floors.loc[~floors["floor"], "emotion"])
    return table[table["emotion"].isin(kept)] if len(kept) >= FEWEST else table


def pool_random_masks(masked: pd.DataFrame) -> pd.DataFrame | None:
    """Return masked accuracies in which all attributes share all random masks, for less noisy drops.

    None if they share them already.
    """
    random = masked["kind"] == "random"
    if masked.loc[random, "attribute"].isna().all():
        return None
    each = masked.loc[random, ["attribute", "draw"]].apply(tuple, axis=1)
    draw = masked["draw"].mask(random, pd.Series(pd.factorize(each)[0] + 1, index=each.index))
    return masked.assign(attribute=masked["attribute"].mask(random), draw=draw)


def _tests(tested: pd.DataFrame, weights: pd.Series, alpha: float) -> dict[str, pd.DataFrame]:
    """Return the tables of tests on drops, by the names of their CSV files."""
    correlations = human_correlation(tested, weights)
    return {f"drop_by_{name}": drop_table(tested, keys, alpha) for name, keys in POOLED_OVER.items()} | dict(
        zip(H3_TABLES, correlations, strict=True)
    )


def pooled_tables(
    masked: pd.DataFrame, tables: Mapping[str, pd.DataFrame], weights: pd.Series, alpha: float
) -> dict[str, pd.DataFrame]:
    """Return the tables of tests if attributes shared all random masks, by the names of their CSV files.

    tables: those of `drop_tables`. They have no rows if the attributes do share their random masks.
    """
    shared = pool_random_masks(masked)
    if shared is None:
        return {name: tables[name].head(0) for name in (*(f"drop_by_{of}" for of in POOLED_OVER), *H3_TABLES)}
    return _tests(above_floor(accuracy_drops(shared), tables["floor"]), weights, alpha)


def drop_tables(
    accuracy: pd.DataFrame, masked: pd.DataFrame, drops: pd.DataFrame, weights: pd.Series, alpha: float
) -> dict[str, pd.DataFrame]:
    """Return the tables of a run by the names of their CSV files.

    accuracy, masked: accuracy.csv and masked_accuracy.csv. drops: those of `accuracy_drops`; tests leave out
    emotions at floor. weights: human weights by attribute. alpha: for the stars.
    """
    floors = floor(accuracy)
    tested = above_floor(drops, floors)
    return _tests(tested, weights, alpha) | {
        "unimodality": unimodality(tested),
        "accuracy_by_condition": accuracy_by_condition(accuracy, masked),
        "accuracy_by_mask": accuracy_by_mask(masked),
        "floor": floors,
    }
