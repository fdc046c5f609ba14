"""A user's own attributes and texts: files in data/own that replace the study's.

Errors are found before any work. They name file, data row (from 1, below the header) and column in one line,
but do not repeat texts.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base.errors import UserError
from model_emotion.base.validation import did_you_mean, nameable
from model_emotion.inputs.goemotions import SPLITS
from model_emotion.params import OWN_KINDS

FOLDER = Path("data/own")


def read_ratings(name: str, emotions: Sequence[str]) -> pd.DataFrame:
    """Read a file of ratings as a data frame [rows, attributes] of finite floats, with the emotions as index.

    emotions: those of the run; each must have a row, and there may be others. Raises UserError.
    """
    path, table = FOLDER / name, _read(name)
    if "emotion" not in table:
        raise UserError(f"{path}: no column 'emotion' among {_listed(table)}")
    rated = table.pop("emotion")
    if twice := _first(rated.duplicated()):
        raise UserError(f"{path}: data row {twice}: '{rated[twice - 1]}' is listed twice")
    for place, emotion in enumerate(emotions):
        if emotion not in set(rated):
            near = did_you_mean(emotion, map(str, rated))
            raise UserError(f"params.yaml: emotions[{place}]: '{emotion}' has no row in {path}{near}")
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
            raise UserError(
                f"{path}: column '{attribute}' is the same for all emotions of params.yaml; remove it"
            )
        table[attribute] = numbers
    return table.set_index(rated)


def read_texts(name: str, emotions: Sequence[str], asked: str) -> pd.DataFrame:
    """Read a file of texts as `split`, `text` and a uint8 column per label, rows in the order of the file.

    emotions: those of the run; each must be a label that some texts have and some lack, in train, dev and the
    split `asked`. Other columns that are not all 0 and 1 are left out. Raises UserError.
    """
    path, table = FOLDER / name, _read(name)
    for column in ("text", "split"):
        if column not in table:
            lacks = f"no column '{column}' among its {len(table.columns)}"
            raise UserError(f"{path}: {lacks}; name the columns in the first row")
    if row := _first(~table["split"].isin(SPLITS)):
        raise UserError(f"{path}: data row {row}, column 'split': is not train, dev or test")
    if row := _first(~table["text"].map(lambda text: isinstance(text, str) and bool(text.strip()))):
        raise UserError(f"{path}: data row {row}, column 'text': is not a text")
    columns = {column: _zero_or_one(table[column]) for column in table if column not in ("text", "split")}
    labels = {column: values.astype(np.uint8) for column, values in columns.items() if values.notna().all()}
    for place, emotion in enumerate(emotions):
        if emotion not in columns:
            near = did_you_mean(emotion, labels) or f"; its labels are {_listed(labels)}"
            raise UserError(f"params.yaml: emotions[{place}]: '{emotion}' is not a column of {path}{near}")
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


def _read(name: str) -> pd.DataFrame:
    """Read a file of data/own; the cells of a CSV are all text. Raises UserError."""
    path = FOLDER / name
    if not path.is_file():
        there = sorted(file.name for file in FOLDER.glob("*") if file.suffix.lower() in OWN_KINDS)
        near = did_you_mean(name, there) or f"; {FOLDER} has {_listed(there)}"
        raise UserError(f"{path}: not found{near}")
    try:
        table = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8; save it as CSV UTF-8") from None
    except ValueError as error:  # of pandas or pyarrow
        said = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read as {path.suffix[1:]}: {said}") from None
    if not len(table):
        raise UserError(f"{path}: has no rows")
    table = table.set_axis(table.columns.map(str), axis=1)
    if row := _first(table.columns.duplicated()):
        raise UserError(f"{path}: column '{table.columns[row - 1]}' is listed twice")
    if row := _first([not str(column).strip() for column in table]):
        raise UserError(
            f"{path}: column {row} has no name; if it is the index of a data frame, write with index=False"
        )
    return table.reset_index(drop=True)


def _csv(path: Path) -> pd.DataFrame:
    rows = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    return rows.iloc[1:].set_axis(rows.iloc[0], axis=1).reset_index(drop=True)


def _number(cell: object) -> float:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return np.nan


def _zero_or_one(column: pd.Series) -> pd.Series:
    """Return a column's values as 0, 1, and NaN for any other value."""
    numbers = column.map(_number)
    return numbers.where(numbers.isin([0, 1]))


def _first(wrong: Sequence[bool] | pd.Series | np.ndarray) -> int:
    """Return the first data row, from 1, that is wrong; 0 if none is."""
    wrong = np.asarray(wrong, dtype=bool)
    return int(wrong.argmax()) + 1 if wrong.any() else 0


def _listed(names: Iterable[object], most: int = 12) -> str:
    """Return names as 'a, b, c and 4 more'."""
    every = [str(name) for name in names]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more if every else "nothing"
