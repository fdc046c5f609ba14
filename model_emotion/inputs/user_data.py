"""Read and check a user's own attributes and texts, files in data/own that replace the study's.

An error is reported before any work, in one line that names the file, the data row (counted from 1, below the
header) and the column. It never shows a text, because people wrote them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from model_emotion.base.errors import UserError
from model_emotion.base.settings import did_you_mean
from model_emotion.base.values import OWN_KINDS, nameable
from model_emotion.inputs.goemotions import SPLITS

FOLDER = Path("data/own")


def read_ratings(name: str, emotions: Sequence[str]) -> pd.DataFrame:
    """Read a file of ratings into a data frame [rated emotions, attributes] of finite floats.

    The index holds the rated emotions. emotions: those of the run, each of which must have a row.
    Raises UserError if the file cannot be read or a column, row or value is missing or invalid.
    """
    path, table = FOLDER / name, _read(name)
    if "emotion" not in table:
        raise UserError(f"{path}: no column 'emotion' among {_listed(table)}")
    rated = table.pop("emotion")
    if twice := _first(rated.duplicated()):
        raise UserError(f"{path}: data row {twice}: '{rated[twice - 1]}' is listed twice")
    for place, emotion in enumerate(emotions):
        if emotion not in set(rated):
            similar = did_you_mean(emotion, map(str, rated))
            raise UserError(f"params.yaml: emotions[{place}]: '{emotion}' has no row in {path}{similar}")
    if not len(table.columns):
        raise UserError(f"{path}: no attribute: add a column of ratings beside 'emotion'")
    for attribute in table:
        try:
            nameable(attribute)
        except ValueError as error:
            raise UserError(f"{path}: attribute {error}") from None
        numbers = table[attribute].map(_number)
        if row := _first(~np.isfinite(numbers)):
            raise UserError(f"{path}: data row {row}, column '{attribute}': is not a number")
        if numbers[rated.isin(emotions)].nunique() == 1:
            same = f"column '{attribute}' is the same for all of params.yaml's emotions"
            raise UserError(f"{path}: {same}; give ratings that differ, or remove the column")
        table[attribute] = numbers
    return table.set_index(rated)


def read_texts(name: str, emotions: Sequence[str], evaluated: str) -> pd.DataFrame:
    """Read a file of texts, in file order: `split`, `text` and a uint8 column for each label.

    emotions: those of the run. Each must be a label that train, dev and the split `evaluated` have both as 0
    and as 1. Columns with other values than 0 and 1 are not labels and are left out. Raises UserError if the
    file cannot be read or a column or value is missing or invalid.
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
            other = did_you_mean(emotion, labels) or f"; its labels are {_listed(labels)}"
            raise UserError(f"params.yaml: emotions[{place}]: '{emotion}' is no column of {path}{other}")
        if row := _first(columns[emotion].isna()):
            raise UserError(f"{path}: data row {row}, column '{emotion}': is not 0 or 1")
        for split in dict.fromkeys(("train", "dev", evaluated)):
            of_split = labels[emotion][table["split"] == split]
            if of_split.nunique() < 2:
                lacks = "no row" if not of_split.any() else "every row"
                raise UserError(
                    f"{path}: {lacks} of {split} has '{emotion}'; a task needs texts with and without it"
                )
    return pd.DataFrame({"split": table["split"].astype(str), "text": table["text"].astype(str), **labels})


def _read(name: str) -> pd.DataFrame:
    """Read a file of data/own into a data frame; all cells of a CSV file are strings. Raises UserError."""
    path = FOLDER / name
    if not path.is_file():
        there = sorted(file.name for file in FOLDER.glob("*") if file.suffix.lower() in OWN_KINDS)
        raise UserError(
            f"{path}: not found" + (did_you_mean(name, there) or f"; {FOLDER} has {_listed(there)}")
        )
    try:
        table = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8; save it as CSV UTF-8") from None
    except ValueError as error:  # pandas' and pyarrow's errors are ValueErrors
        raise UserError(
            f"{path}: can't be read as {path.suffix[1:]}: {' '.join(str(error).split())}"
        ) from None
    if not len(table):
        raise UserError(f"{path}: has no rows")
    table = table.set_axis(table.columns.map(str), axis=1)
    if row := _first(table.columns.duplicated()):
        raise UserError(f"{path}: column '{table.columns[row - 1]}' is listed twice")
    if row := _first([not str(column).strip() for column in table]):
        raise UserError(f"{path}: column {row} has no name; if it is pandas' index, write with index=False")
    return table.reset_index(drop=True)


def _csv(path: Path) -> pd.DataFrame:
    """Read a CSV file as strings; unlike pandas' own header, this keeps repeated column names."""
    rows = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    return rows.iloc[1:].set_axis(rows.iloc[0], axis=1).reset_index(drop=True)


def _number(cell: Any) -> float:
    """Return a cell as a number, or NaN."""
    try:
        return float(cell)
    except (TypeError, ValueError):
        return np.nan


def _zero_or_one(column: pd.Series) -> pd.Series:
    """Return the values of a column as 0 and 1, and NaN for others."""
    numbers = column.map(_number)
    return numbers.where(numbers.isin([0, 1]))


def _first(wrong: ArrayLike) -> int:
    """Return the number, from 1, of the first data row that is wrong, or 0 if there is none."""
    wrong = np.asarray(wrong, dtype=bool)
    return int(wrong.argmax()) + 1 if wrong.any() else 0


def _listed(values: Iterable, most: int = 12) -> str:
    """Return 'a, b, c', with the number of names beyond `most`."""
    names = [str(value) for value in values]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "nothing"
