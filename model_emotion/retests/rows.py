"""The re-tests: questions that a careful reader asks of a run, and the rows that answer them.

A question is a function of a run's measurements that returns rows of one table. Every estimate is predicted
to be above 0, and every verdict follows one rule. Tests are two-sided at .05, intervals are two-sided, 95 %.
`decided_by` says whether the interval or p decides a row. The row holds if the test finds a value above 0. It
does not hold if the test finds a value below 0. Otherwise it is inconclusive. A row that nothing decides is
descriptive. Accuracies, drops and limits are fractions of 1.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from model_emotion.base.results import DOES_NOT_HOLD, HOLDS, INCONCLUSIVE, RETESTS

ALPHA = 0.05
MISSING = float("nan")
Row = dict[str, Any]
"""A row of the table by column, without its verdict."""


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return rows as retests.csv, with their verdicts; that of a row that nothing decides is empty.

    `one_sided` is the verdict that tests at .05 in the predicted direction would give. It is empty where p is
    missing.
    """
    frame = pd.DataFrame(rows, columns=[name for name in RETESTS if name not in ("verdict", "one_sided")])
    decided, by_p, estimate = frame["decided_by"] != "", frame["decided_by"] == "p", frame["estimate"]
    found, found_one_sided = frame["p"] < ALPHA, frame["p"] < 2 * ALPHA
    above = np.where(by_p, found & (estimate > 0), frame["ci_low"] > 0)
    below = np.where(by_p, found & (estimate < 0), frame["ci_high"] < 0)
    words = {
        "verdict": _words(above, below, decided),
        "one_sided": _words(
            found_one_sided & (estimate > 0),
            found_one_sided & (estimate < 0),
            decided & frame["p"].notna(),
        ),
    }
    return frame.assign(**words)[RETESTS].astype({"k": "Int64", "n": int})


def _words(above: Any, below: Any, decided: pd.Series) -> pd.Series:
    """Return a verdict for each row; empty where nothing is decided."""
    words = np.where(above, HOLDS, np.where(below, DOES_NOT_HOLD, INCONCLUSIVE))
    return pd.Series(words, decided.index).where(decided, "")


def two_sided(p: ArrayLike) -> Any:
    """Return two-sided p of one-sided p: twice the smaller tail, at most 1."""
    p = np.asarray(p, dtype=float)
    return np.minimum(1, 2 * np.minimum(p, 1 - p))


def doubled(p: ArrayLike) -> Any:
    """Return two-sided p of a permutation's one-sided p: twice the tail that was predicted, at most 1."""
    return np.minimum(1, 2 * np.asarray(p, dtype=float))


def permuted_p(found: ArrayLike, by_chance: np.ndarray) -> Any:
    """Return two-sided p of estimates [...] among those of permutations [samples, ...].

    It is twice the smaller tail; the observed order counts as one of the permutations (Phipson and Smyth
    2010).
    """
    found = np.asarray(found)
    tails = (by_chance >= found - 1e-12).sum(axis=0), (by_chance <= found + 1e-12).sum(axis=0)
    return np.minimum(1, 2 * (1 + np.minimum(*tails)) / (len(by_chance) + 1))


def resampled_p(values: np.ndarray) -> Any:
    """Return two-sided p of resampled estimates [samples, …]: twice the smaller share on a side of 0."""
    tails = (1 + (values <= 0).sum(axis=0)), (1 + (values >= 0).sum(axis=0))
    return np.minimum(1, 2 * np.minimum(*tails) / (len(values) + 1))


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
    """Return one row. decided_by: `interval`, `p` or empty. p: two-sided. key: tells its rows apart."""
    return {
        "question": question, "key": key, "k": k, "estimate": estimate, "ci_low": ci[0], "ci_high": ci[1],
        "p": p, "n": n, "reference": reference, "decided_by": decided_by, "method": method,
    }  # fmt: skip
