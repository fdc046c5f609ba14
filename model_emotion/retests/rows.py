"""The re-tests: questions that a careful reader asks of a run, each answered by an estimate and what chance would give.

A question is a function of a run's measurements that gives rows of one table. Every estimate is predicted to be above 0. A row says
whether its interval or its p decides (`decided_by`): it holds where the interval lies above 0, or where p < .05, else it does not hold.
A row that nothing decides describes. Accuracies, drops and limits are fractions of 1, intervals two-sided and of 95 %.
"""

import numpy as np
import pandas as pd

from model_emotion.base.results import DOES_NOT_HOLD, HOLDS, RETESTS

ALPHA, POWER = 0.05, 0.8
MISSING = float("nan")


def table(rows):
    """Rows as a data frame of RETESTS, with their verdicts; a row that nothing decides has none."""
    frame = pd.DataFrame(rows, columns=[name for name in RETESTS if name != "verdict"])
    above = np.where(frame["decided_by"] == "p", frame["p"] < ALPHA, frame["ci_low"] > 0)
    verdict = pd.Series(np.where(above, HOLDS, DOES_NOT_HOLD)).where(frame["decided_by"] != "", "")
    return frame.assign(verdict=verdict)[RETESTS].astype({"k": "Int64", "n": int})


def row(
    question,
    method,
    decided_by,
    estimate=MISSING,
    ci=(MISSING, MISSING),
    p=MISSING,
    n=0,
    *,
    key="",
    k=None,
    reference=MISSING,
):
    """One row of the table, before its verdict."""
    return {
        "question": question, "key": key, "k": k, "estimate": estimate, "ci_low": ci[0], "ci_high": ci[1], "p": p, "n": n,
        "reference": reference, "decided_by": decided_by, "method": method,
    }  # fmt: skip
