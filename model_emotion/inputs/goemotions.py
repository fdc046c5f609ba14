"""Read GoEmotions (Demszky et al. 2020) into one tidy table, without the ids of the comments.

Each text has a row, each label a column of 0 and 1.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base.errors import InputError

SPLITS = ("train", "dev", "test")
LABELS = 28
"""Number of labels: 27 emotions and neutral."""


def read_labels(path: Path) -> list[str]:
    """Return the 28 label names in GoEmotions' order; label id i is name i, and `neutral` is the last.

    Raises InputError if the names are not 28 different ones that end with `neutral`.
    """
    names = path.read_text(encoding="utf-8").split()
    if len(names) != LABELS or len(set(names)) != LABELS or names[-1] != "neutral":
        raise InputError(
            f"{path}: {len(names)} names, {len(set(names))} of them different; "
            f"must be {LABELS} different names that end with 'neutral'"
        )
    return names


def read_split(path: Path, labels: Sequence[str]) -> pd.DataFrame:
    """Read the TSV file of one split in file order: `text` and a uint8 column for each label.

    A line of the file has a text, label ids with commas between them, and a comment id. Quotation marks are
    read with the csv module's defaults, as in the study: a text that begins with a quotation mark loses it.
    Raises InputError, which names the file and line. It never shows a text, because people wrote them.
    """
    texts, rows = [], []
    try:
        content = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start + 1} is not UTF-8") from None
    lines = csv.reader(io.StringIO(content), delimiter="\t")
    try:
        for fields in lines:
            if len(fields) != 3:
                raise ValueError(f"{len(fields)} fields instead of 3 (text, label ids, comment id)")
            texts.append(fields[0])
            rows.append(_label_row(fields[1], len(labels)))
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}: line {lines.line_num}: {error}") from None
    if not texts:
        raise InputError(f"{path}: has no rows")
    table = pd.DataFrame(np.stack(rows), columns=labels)
    table.insert(0, "text", texts)
    return table


def _label_row(ids: str, count: int) -> np.ndarray:
    """Return uint8 zeros and ones [count] of label ids like '4,27'. Raises ValueError if an id is invalid."""
    row = np.zeros(count, dtype=np.uint8)
    for label in ids.split(","):
        if not (label.isascii() and label.isdigit() and int(label) < count):
            raise ValueError(f"the second field must be label ids from 0 to {count - 1}, separated by commas")
        row[int(label)] = 1
    return row


def tidy(splits: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Join the tables of the splits, in their order, into one with `split` as its first column."""
    return pd.concat(
        [table.assign(split=split)[["split", *table]] for split, table in splits.items()], ignore_index=True
    )
