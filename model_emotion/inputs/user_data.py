"""Read and check a user's own attributes and texts: files in data/own that replace the study's, and tables.

An error is reported before any work, in one line that names the file, the data row (counted from 1, below the
header) and the column. It never shows a text, because people wrote them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base.errors import UserError
from model_emotion.base.settings import did_you_mean
from model_emotion.base.values import OWN_KINDS, nameable
from model_emotion.inputs.goemotions import SPLITS
from model_emotion.inputs.tables import QUOTING, UserTable, read_table

FOLDER = Path("data/own")
MISSING = "is not a text; pandas reads texts such as 'null' or 'NA' as missing unless keep_default_na=False"


def read_ratings(name: str, emotions: Sequence[str]) -> pd.DataFrame:
    """Read a file of ratings into a data frame [rated emotions, attributes] of finite floats.

    The index holds the rated emotions. emotions: those of the run, each of which must have a row.
    Raises UserError if the file cannot be read or a column, row or value is missing or invalid.
    """
    table = _read(name)
    path = table.name
    if "emotion" not in table.rows:
        raise UserError(f"{path}: no column 'emotion' among {_listed(table.rows)}")
    rated = table.names("emotion")
    table.refuse(
        table.rows["emotion"].astype(str).str.contains("\n|\r"), f"has a line break; {QUOTING}", "emotion"
    )
    if (twice := rated.duplicated()).any():
        table.refuse(twice, f"'{rated[twice].iloc[0]}' is listed twice")
    for place, emotion in enumerate(emotions):
        if emotion not in set(rated):
            similar = did_you_mean(emotion, rated)
            raise UserError(f"params.yaml: emotions[{place}]: '{emotion}' has no row in {path}{similar}")
    attributes = [column for column in table.rows if column != "emotion"]
    if not attributes:
        raise UserError(f"{path}: no attribute: add a column of ratings beside 'emotion'")
    ratings = table.numbers(attributes)
    for attribute in attributes:
        try:
            nameable(attribute)
        except ValueError as error:
            raise UserError(f"{path}: attribute {error}") from None
        table.refuse(ratings[attribute].isna(), "is not a number", attribute)
        if ratings[attribute][rated.isin(emotions)].nunique() == 1:
            same = f"column '{attribute}' is the same for all of params.yaml's emotions"
            raise UserError(f"{path}: {same}; give ratings that differ, or remove the column")
    return ratings.set_index(rated)


def read_texts(name: str, emotions: Sequence[str], evaluated: str) -> pd.DataFrame:
    """Read a file of texts, in file order: `split`, `text` and a uint8 column for each label.

    emotions: those of the run. Each must be a label that train, dev and the split `evaluated` have both as 0
    and as 1. Columns with other values than 0 and 1 are not labels and are left out. Raises UserError if the
    file cannot be read or a column or value is missing or invalid.
    """
    table = _read(name)
    texts = labelled_texts(
        table, {emotion: f"params.yaml: emotions[{i}]" for i, emotion in enumerate(emotions)}
    )
    for emotion in emotions:
        for split in dict.fromkeys(("train", "dev", evaluated)):
            of_split = texts[emotion][texts["split"] == split]
            if of_split.nunique() < 2:
                lacks = "no row" if not of_split.any() else "every row"
                raise UserError(
                    f"{table.name}: {lacks} of {split} has '{emotion}'; a task needs both classes"
                )
    return texts


def labelled_texts(table: UserTable, emotions: dict[str, str]) -> pd.DataFrame:
    """Return a table's `split`, `text` and a uint8 column for each label, in the order of the table.

    emotions: {name of one that must be a label: where the name was given, for messages}. Raises UserError if
    a column or value is missing or invalid.
    """
    path, rows = table.name, table.rows
    for column in ("text", "split"):
        if column not in rows:
            raise UserError(
                f"{path}: no column '{column}' among its {len(rows.columns)}; the first row must name them"
            )
    splits = table.names("split")
    table.refuse(~splits.isin(SPLITS), "is not train, dev or test", "split")
    table.refuse_rows_within_cells("split", SPLITS)
    missing = rows["text"].map(lambda text: not (isinstance(text, str) and text.strip()))
    table.refuse(missing, MISSING if rows["text"].isna().any() else "is not a text", "text")
    columns = table.zero_or_one(column for column in rows if column not in ("text", "split"))
    labels = {column: columns[column].astype(np.uint8) for column in columns if columns[column].notna().all()}
    for emotion, given in emotions.items():
        if emotion not in columns:
            other = did_you_mean(emotion, labels) or f"; its labels are {_listed(labels)}"
            raise UserError(f"{given}: '{emotion}' is no column of {path}{other}")
        table.refuse(columns[emotion].isna(), "is not 0 or 1", emotion)
    texts = pd.DataFrame({"split": splits, "text": rows["text"].astype(str), **labels})
    return texts.reset_index(drop=True)


def _read(name: str) -> UserTable:
    """Read a file of data/own. Raises UserError."""
    path = FOLDER / name
    if not path.is_file():
        there = sorted(file.name for file in FOLDER.glob("*") if file.suffix.lower() in OWN_KINDS)
        raise UserError(
            f"{path}: not found" + (did_you_mean(name, there) or f"; {FOLDER} has {_listed(there)}")
        )
    return read_table(path)


def _listed(values: Iterable, most: int = 12) -> str:
    """Return 'a, b, c', with the number of names beyond `most`."""
    names = [str(value) for value in values]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "nothing"
