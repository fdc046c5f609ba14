"""The re-tests: questions that a careful reader asks of a run, and the rows that answer them.

A question is a function of a run's measurements that returns rows of one table. Every estimate is predicted
to be above 0. `decided_by` says what decides a row: it holds if its interval lies above 0, or if p < .05, and
else does not hold. A row that nothing decides is descriptive. Accuracies, drops and limits are fractions of
1. Intervals are two-sided, 95 %.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from model_emotion.base.results import DOES_NOT_HOLD, HOLDS, RETESTS

ALPHA, POWER = 0.05, 0.8
MISSING = float("nan")
Row = dict[str, Any]
"""A row of the table by column, without its verdict."""


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return rows as retests.csv, with their verdicts; that of a row that nothing decides is empty."""
    frame = pd.DataFrame(rows, columns=[name for name in RETESTS if name != "verdict"])
    above = np.where(frame["decided_by"] == "p", frame["p"] < ALPHA, frame["ci_low"] > 0)
    verdict = pd.Series(np.where(above, HOLDS, DOES_NOT_HOLD)).where(frame["decided_by"] != "", "")
    return frame.assign(verdict=verdict)[RETESTS].astype({"k": "Int64", "n": int})


def row(
    question: str,
    method: str,
    decided_by: str,
    estimate: float = MISSING,
    ci: Sequence[float] = (MISSING, MISSING),
    p: float = MISSING,
    n: int = 0,
    *,
    key: str = "",
    k: int | None = None,
    reference: float = MISSING,
) -> Row:
    """Return one row. decided_by: `interval`, `p` or empty. key: tells the rows of a question apart."""
    return {
        "question": question, "key": key, "k": k, "estimate": estimate, "ci_low": ci[0], "ci_high": ci[1],
        "p": p, "n": n, "reference": reference, "decided_by": decided_by, "method": method,
    }  # fmt: skip
