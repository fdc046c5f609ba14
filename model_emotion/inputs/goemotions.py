"""GoEmotions (Demszky et al. 2020) as one tidy table: a row per text, a 0/1 column per label."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base.errors import InputError

SPLITS = ("train", "dev", "test")
LABELS = 28


def read_labels(path: Path) -> list[str]:
    """Read the 28 label names in the order of their ids, `neutral` last. Raises InputError."""
    names = path.read_text(encoding="utf-8").split()
    if len(names) != LABELS or len(set(names)) != LABELS or names[-1] != "neutral":
        raise InputError(
            f"{path}: {len(names)} names, {len(set(names))} different; must be {LABELS}, with 'neutral' last"
        )
    return names


def read_split(path: Path, labels: list[str]) -> pd.DataFrame:
    """Read a split's TSV (text, label ids, comment id): `text` and a uint8 column per label, in file order.

    Quotes are read as the csv module does by default, as in the study: a text that begins with a quotation
    mark loses it. Raises InputError that names file and line, but does not repeat the text.
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
    """Return label ids such as '4,27' as zeros and ones, uint8 [count]."""
    row = np.zeros(count, dtype=np.uint8)
    for label in ids.split(","):
        if not (label.isascii() and label.isdigit() and int(label) < count):
            raise ValueError(f"the second field must be label ids from 0 to {count - 1}, separated by commas")
        row[int(label)] = 1
    return row


def tidy(splits: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Join the tables of {split: table} in their order; the first column is `split`."""
    return pd.concat(
        [table.assign(split=split)[["split", *table]] for split, table in splits.items()], ignore_index=True
    )
