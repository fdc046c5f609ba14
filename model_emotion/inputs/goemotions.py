"""GoEmotions (Demszky et al. 2020) as one tidy table: a row a text, a 0/1 column a label, comment ids left out."""

import csv
import io

import numpy as np
import pandas as pd

from model_emotion.base.errors import InputError

SPLITS = ("train", "dev", "test")
LABELS = 28


def read_labels(path):
    """The 28 label names in GoEmotions' order, `neutral` last; label id i is name i. Raises InputError."""
    names = path.read_text(encoding="utf-8").split()
    if len(names) != LABELS or len(set(names)) != LABELS or names[-1] != "neutral":
        raise InputError(
            f"{path}: {len(names)} names, {len(set(names))} different; must be {LABELS}, 'neutral' the last"
        )
    return names


def read_split(path, labels):
    """One split's TSV (text, comma-separated label ids, comment id) -> data frame `text` + a uint8 column a label, file order.

    Quotes are read as the csv module does by default, as the study did: a text that begins with a quotation mark loses it.
    Raises InputError that names file and line; texts are people's and are not repeated.
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


def _label_row(ids, count):
    """'4,27' -> [count] zeros and ones, uint8."""
    row = np.zeros(count, dtype=np.uint8)
    for label in ids.split(","):
        if not (label.isascii() and label.isdigit() and int(label) < count):
            raise ValueError(f"the second field is not label ids from 0 to {count - 1} with commas between")
        row[int(label)] = 1
    return row


def tidy(splits):
    """{split: its table} -> one data frame with `split` as its first column, splits in the order given."""
    return pd.concat(
        [table.assign(split=split)[["split", *table]] for split, table in splits.items()], ignore_index=True
    )
