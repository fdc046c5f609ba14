"""A user's own attributes and texts, files in data/own, in the place of the study's: read, checked, and made what later stages read.

What is wrong is said before any work, in one line that names file, data row (from 1, below the header) and column. Texts, which are
people's, are not repeated.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base.errors import UserError
from model_emotion.base.settings import did_you_mean
from model_emotion.base.values import OWN_KINDS, nameable
from model_emotion.inputs.goemotions import SPLITS

FOLDER = Path("data/own")


def read_ratings(name, emotions):
    """The file of ratings as data frame [rows, attributes] of finite floats, its index the emotions. Raises UserError.

    emotions: those of the run, each of which must have a row; there may be more.
    """
    path, table = FOLDER / name, _read(name)
    if "emotion" not in table:
        raise UserError(f"{path}: no column 'emotion' among {_listed(table)}")
    rated = table.pop("emotion")
    if twice := _first(rated.duplicated()):
        raise UserError(f"{path}: data row {twice}: '{rated[twice - 1]}' stands twice")
    for place, emotion in enumerate(emotions):
        if emotion not in set(rated):
            raise UserError(
                f"params.yaml: emotions[{place}]: '{emotion}' has no row in {path}{did_you_mean(emotion, map(str, rated))}"
            )
    if not len(table.columns):
        raise UserError(f"{path}: no attribute: there is no column beside 'emotion'")
    for attribute in table:
        try:
            nameable(attribute)
        except ValueError as error:
            raise UserError(f"{path}: attribute {error}") from None
        numbers = table[attribute].map(_number)
        if row := _first(~np.isfinite(numbers)):
            raise UserError(f"{path}: data row {row}, column '{attribute}': is not a number")
        if numbers[rated.isin(emotions)].nunique() == 1:
            raise UserError(
                f"{path}: column '{attribute}' is the same for all of params.yaml's emotions: it tells none apart"
            )
        table[attribute] = numbers
    return table.set_index(rated)


def read_texts(name, emotions, asked):
    """The file of texts as data frame `split`, `text` and a uint8 column a label, rows as they stand. Raises UserError.

    emotions: those of the run, each a label with and without in train, dev and the split `asked`. A column that is not 0 and 1
    throughout is no label and left out.
    """
    path, table = FOLDER / name, _read(name)
    for column in ("text", "split"):
        if column not in table:
            raise UserError(
                f"{path}: no column '{column}' among its {len(table.columns)}; the first row must name them"
            )
    if row := _first(~table["split"].isin(SPLITS)):
        raise UserError(f"{path}: data row {row}, column 'split': is not train, dev or test")
    if row := _first(~table["text"].map(lambda text: isinstance(text, str) and bool(text.strip()))):
        raise UserError(f"{path}: data row {row}, column 'text': is not a text")
    columns = {column: _zero_or_one(table[column]) for column in table if column not in ("text", "split")}
    labels = {column: values.astype(np.uint8) for column, values in columns.items() if values.notna().all()}
    for place, emotion in enumerate(emotions):
        if emotion not in columns:
            raise UserError(f"params.yaml: emotions[{place}]: '{emotion}' is no column of {path}"
                            + (did_you_mean(emotion, labels) or f"; its labels are {_listed(labels)}"))  # fmt: skip
        if row := _first(columns[emotion].isna()):
            raise UserError(f"{path}: data row {row}, column '{emotion}': is not 0 or 1")
        for split in dict.fromkeys(("train", "dev", asked)):
            of_split = labels[emotion][table["split"] == split]
            if of_split.nunique() < 2:
                lacks = "no row" if not of_split.any() else "every row"
                raise UserError(
                    f"{path}: {lacks} of {split} has '{emotion}'; a task needs texts with and without it"
                )
    return pd.DataFrame({"split": table["split"].astype(str), "text": table["text"].astype(str), **labels})


def _read(name):
    """A file of data/own as a data frame; the cells of a CSV are all text. Raises UserError."""
    path = FOLDER / name
    if not path.is_file():
        there = sorted(file.name for file in FOLDER.glob("*") if file.suffix.lower() in OWN_KINDS)
        raise UserError(
            f"{path}: not there" + (did_you_mean(name, there) or f"; {FOLDER} has {_listed(there)}")
        )
    try:
        table = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8; save it as CSV UTF-8") from None
    except ValueError as error:  # those of pandas and pyarrow are
        raise UserError(
            f"{path}: can't be read as {path.suffix[1:]}: {' '.join(str(error).split())}"
        ) from None
    if not len(table):
        raise UserError(f"{path}: has no rows")
    table = table.set_axis(table.columns.map(str), axis=1)
    if row := _first(table.columns.duplicated()):
        raise UserError(f"{path}: column '{table.columns[row - 1]}' stands twice")
    if row := _first([not str(column).strip() for column in table]):
        raise UserError(
            f"{path}: column {row} has no name; where it is pandas' index, write with index=False"
        )
    return table.reset_index(drop=True)


def _csv(path):
    rows = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    return rows.iloc[1:].set_axis(rows.iloc[0], axis=1).reset_index(drop=True)


def _number(cell):
    try:
        return float(cell)
    except (TypeError, ValueError):
        return np.nan


def _zero_or_one(column):
    """Its values as 0 and 1, NaN where one is neither."""
    numbers = column.map(_number)
    return numbers.where(numbers.isin([0, 1]))


def _first(wrong):
    """The first data row, from 1, where something is wrong; 0 where nothing is."""
    wrong = np.asarray(wrong, dtype=bool)
    return int(wrong.argmax()) + 1 if wrong.any() else 0


def _listed(names, most=12):
    """'a, b, c', the rest counted."""
    names = [str(name) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "nothing"
