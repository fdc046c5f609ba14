"""Compare the regression of drops and human weights with the lines of the study's figures (H3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from model_emotion.base.files import read_csv
from model_emotion.base.results import folder
from model_emotion.base.statistics import line_interval, regression
from model_emotion.claims.findings import READINGS, Finding, with_readings
from model_emotion.masking.drops import human_correlation

if TYPE_CHECKING:  # schema imports this module
    from model_emotion.claims.schema import Claim


def plotted_weights(claim: Claim, table: pd.DataFrame) -> Finding:
    """Return the largest difference from E9's mean correlations when B2's plotted weights are the input.

    table: the drop of each emotion, attribute and size. The study correlates the drops of 14 attributes with
    the bootstrap means of their weights, averages Fisher's z over the emotions, and transforms back.
    """
    read = read_csv(READINGS)
    plotted = read.query("result == 'B2' and quantity == 'tau'").set_index("attribute")["value"]
    means = read.query("result == 'E9' and quantity == 'r_mean'").set_index("k")["value"]
    _, ours, _ = human_correlation(table, plotted)
    largest = float((ours.set_index("k")["mean_r"] - means).abs().max())
    return Finding(largest, 0, largest)


def weight_on_drop(claim: Claim, table: pd.DataFrame) -> Finding:
    """Count the readings of one emotion's regression of weight on drop that ours reproduces.

    `where` selects the readings, `by` names the query for the emotion's 14 drops. The band is the 95 %
    confidence interval of the line at its two ends (Draper and Smith 1998, Applied Regression Analysis, 1.4).
    """
    weights = read_csv(folder("human") / "weights.csv").set_index("attribute")["tau_boot"]
    drops = table.query(str(claim.by)).set_index("attribute")["drop"]
    x, y = drops.to_numpy(), weights[drops.index].to_numpy()
    line = regression(x, y)
    ends = np.array([x.min(), x.max()])
    heights, halves = line_interval(x, y, line.slope, line.intercept, ends)
    found = {"slope_tau_on_drop": line.slope, "intercept_tau_on_drop": line.intercept}
    for name, at, height, half in zip(("start", "end"), ends, heights, halves, strict=True):
        found |= {f"line_{name}_drop": at, f"line_{name}_tau": height}
        found |= {f"band_{name}_low": height - half, f"band_{name}_high": height + half}
    ours = pd.DataFrame({"quantity": list(found), "_ours": list(found.values())})
    return with_readings(claim, ours, ["quantity"], claim.within)
