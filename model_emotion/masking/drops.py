"""What masking does: the drop of accuracy under an attribute's mask against random masks of its size, and its tests.

A drop is the accuracy with a random mask minus that with the attribute's, as fractions of 1; above 0 the attribute mask does worse.
"""

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.statistics import atanh, mean_correlation, paired_drop, regression
from model_emotion.rsa.correction import q_bh, q_rank

try:
    import diptest
except ImportError:  # it has no wheel for Linux on aarch64
    diptest = None

ENOUGH = 4
"""Emotions that the tests over emotions need, and attributes those over attributes."""

ROUNDING = 1e-12
"""A difference of accuracies that is none."""

CELL = ["emotion", "seed", "attribute", "k"]
EACH = ["k", "emotion", "r", "z", "p", "slope", "intercept"]
OVER_EMOTIONS = ["k", "mean_r", "t", "df", "p", "ci_low", "ci_high"]
OVER_ATTRIBUTES = ["k", "r", "p", "n"]


def accuracy_drops(masked):
    """A run's masked accuracies -> `emotion, seed, attribute, k, random, masked, drop`, one row an attribute mask.

    The random accuracy is the mean over draws, of the attribute's own where it has any, else of those that all attributes share.
    A mean of equal accuracies can differ from them in its last digit, which is no drop. Raises UserError where an attribute mask has no
    random one of its size.
    """
    masked = masked.assign(attribute=masked["attribute"].fillna(""))
    attribute = masked[masked["kind"] == "attribute"]
    random = masked[masked["kind"] == "random"].groupby(CELL, sort=False, as_index=False)["accuracy"].mean()
    own = random.rename(columns={"accuracy": "own"})
    shared = (
        random[random["attribute"] == ""].drop(columns="attribute").rename(columns={"accuracy": "shared"})
    )
    table = attribute.merge(own, on=CELL, how="left").merge(shared, on=["emotion", "seed", "k"], how="left")
    table["random"] = table["own"].fillna(table["shared"])
    alone = table[table["random"].isna()]
    if len(alone):
        first = alone.iloc[0]
        raise UserError(
            f"masked accuracies: no random mask of size {first['k']} for {first['emotion']}, seed {first['seed']}"
        )
    drop = table["random"] - table["accuracy"]
    table["drop"] = drop.where(drop.abs() > ROUNDING, 0.0)
    return table.rename(columns={"accuracy": "masked"})[[*CELL, "random", "masked", "drop"]]


def drop_table(table, keys, alpha):
    """Tests of the drops pooled within each of `keys` and k: keys, `k, drop, t, df, se, ci_low, ci_high, p, q, q_bh, star`.

    q over all rows of the table, as in the study; a star where q < alpha.
    """
    rows = [
        dict(zip([*keys, "k"], key, strict=True)) | paired_drop(group["drop"])
        for key, group in table.groupby([*keys, "k"], sort=False)
    ]
    result = pd.DataFrame(rows)
    result["q"], result["q_bh"] = q_rank(result["p"]), q_bh(result["p"])
    return result.assign(star=result["q"] < alpha)


def effects(table):
    """Mean drop over seeds: `k, attribute, emotion, drop`."""
    return table.groupby(["k", "attribute", "emotion"], sort=False, as_index=False)["drop"].mean()


def unimodality(table):
    """Hartigan's dip of each attribute's effects over the emotions: `k, attribute, dip, p, n` (p from Hartigan's table).

    Without the package diptest there are no rows.
    """
    rows = []
    for (k, attribute), group in effects(table).groupby(["k", "attribute"], sort=False) if diptest else ():
        dip, p = diptest.diptest(group["drop"].to_numpy())
        rows.append((k, attribute, dip, p, len(group)))
    return pd.DataFrame(rows, columns=["k", "attribute", "dip", "p", "n"])


def human_correlation(table, weights):
    """H3: Pearson's r over the attributes of an emotion's effects with the attributes' human weights.

    weights: series by attribute. Returns (`k, emotion, r, z, p, slope, intercept` of the drop's line on the weight;
    `k, mean_r, t, df, p, ci_low, ci_high` over the emotions by Fisher's z;
    `k, r, p, n` of the attributes' mean effects, where attributes are the cases). Empty where not all masks are of attributes with a
    weight, ENOUGH of them.
    """
    attributes = set(table["attribute"])
    if (
        not attributes <= set(weights.index) or len(attributes) < ENOUGH
    ):  # neurons ranked by something that people did not judge
        return tuple(pd.DataFrame(columns=columns) for columns in (EACH, OVER_EMOTIONS, OVER_ATTRIBUTES))
    each, over_emotions, over_attributes = [], [], []
    for k, of_k in effects(table).groupby("k", sort=False):
        wide = of_k.pivot(index="attribute", columns="emotion", values="drop")[of_k["emotion"].unique()]
        weight = weights.loc[wide.index].to_numpy()
        lines = pd.DataFrame([regression(weight, wide[emotion]) for emotion in wide])
        lines.insert(1, "z", lines["r"].map(atanh))
        each.append(pd.concat([pd.DataFrame({"k": k, "emotion": wide.columns}), lines], axis=1))
        over_emotions.append({"k": k} | mean_correlation(lines["r"]))
        mean = regression(weight, wide.mean(axis=1))
        over_attributes.append({"k": k, "r": mean.r, "p": mean.p, "n": len(wide)})
    return pd.concat(each, ignore_index=True), pd.DataFrame(over_emotions), pd.DataFrame(over_attributes)


def _mean_and_se(values, keys):
    by = values.groupby(keys, sort=False)["accuracy"]
    return by.agg(accuracy="mean", se="sem", n="size").reset_index()


def accuracy_by_condition(accuracy, masked):
    """Mean accuracy of each emotion without a mask and with random and attribute masks: `emotion, condition, k, accuracy, se, n`.

    Over seeds without a mask (k = 0), over seeds and attributes with one; se is the standard error over those.
    """
    parts = [
        _mean_and_se(accuracy.assign(condition="none", k=0), ["emotion", "condition", "k"]),
        _mean_and_se(masked.rename(columns={"kind": "condition"}), ["emotion", "condition", "k"]),
    ]
    return pd.concat(parts, ignore_index=True)


def accuracy_by_mask(masked):
    """Mean accuracy over seeds and draws of each emotion, attribute, kind and k: `emotion, attribute, kind, k, accuracy, se, n`."""
    return _mean_and_se(
        masked.assign(attribute=masked["attribute"].fillna("")), ["emotion", "attribute", "kind", "k"]
    )


def shown_size(table, k):
    """k, or the table's first size where it has none of k."""
    return k if (table["k"] == k).any() else table["k"].iloc[0]


def _six_decimals(value):
    """A float for a comparison of experiments, in which a sum's rounding, or -0, would stand as a difference."""
    return round(float(value), 6) + 0.0


def metrics(accuracy, tables, k):
    """The few numbers that experiments are compared by, at masks of size k, or a run's first: dict, JSON-ready, without what is unknown.

    To six decimals; the tables have them in full.
    """
    k = shown_size(tables["drop_by_attribute"], k)
    by_attribute = tables["drop_by_attribute"].query("k == @k").set_index("attribute")
    by_emotion = tables["drop_by_emotion"].query("k == @k")
    headline = [attribute for attribute in study.HEADLINE_ATTRIBUTES if attribute in by_attribute.index]
    found = {"mean_accuracy": _six_decimals(accuracy["accuracy"].mean())}
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
    return found | (
        {"human_correlation": _six_decimals(r.loc[k])} if k in r and np.isfinite(r.loc[k]) else {}
    )


def floor(accuracy):
    """Emotions that a run infers no better than by always saying the commoner class: no mask can make them worse.

    accuracy: `emotion, seed, accuracy, majority, n`. Returns `emotion, accuracy, ci_low, ci_high, majority, floor`: accuracy averaged over
    seeds, Wilson's 95 % interval for the examples of one seed, floor where it is not above the majority rate. Where the majority is
    unknown, none is at floor.
    """
    means = accuracy.groupby("emotion", sort=False)[["accuracy", "majority", "n"]].mean()
    low, high = proportion_confint(means["accuracy"] * means["n"], means["n"], method="wilson")
    means = means.assign(ci_low=low, ci_high=high, floor=low <= means["majority"]).reset_index()
    return means[["emotion", "accuracy", "ci_low", "ci_high", "majority", "floor"]]


def above_floor(table, floors):
    """The rows of emotions that are not at floor; all rows where fewer than ENOUGH emotions would be left."""
    kept = set(floors.loc[~floors["floor"], "emotion"])
    return table[table["emotion"].isin(kept)] if len(kept) >= ENOUGH else table
