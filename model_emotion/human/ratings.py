"""Read the raw surveys, and keep nothing about people but their answers.

Only the columns of answers and those that decide which raters are kept are read. Ids, times and stories are
never in a data frame: the one story that a rule needs becomes true or false when its cell is read. No error
message shows what a cell holds.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base import study
from model_emotion.base.errors import InputError

AGREED = {"Finished": "TRUE", "UserLanguage": "EN", "Consent": "I AGREE"}
"""{column: its value in upper case, for a rater to be kept}; the files differ in case."""
CATCH = 28
"""The item that asks for the answer 9."""
AFFECTIVE = ("Arousal", "Valence")
PHYSICAL = ("Happy", "Anger", "Sad", "Fear", "Surprise", "Disgust")
APPRAISAL_ITEMS = tuple(f"{number}_Item_1" for number in range(4, 42))
APPRAISAL_CATCH = {"42_Item_1": 4, "43_Item_1": -99}
NOT_APPLICABLE, MIDDLE = -99, 5
"""The answer "not applicable" counts as the middle of the scale from 1 to 9."""
AGREEMENT = {
    "Emotion": "emotion",
    "Cohen's kappa": "kappa",
    "Count": "count",
    "Interrater Correlation": "correlation",
    "Accuracy": "accuracy",
}


@dataclass(frozen=True)
class Survey:
    """The kept raters of a survey in which everyone rated every emotion."""

    answers: np.ndarray
    """[raters, 27 emotions in the study's order, attributes], 1 to 9"""
    given: int
    """Number of raters before the rules were applied."""

    @property
    def means(self) -> np.ndarray:
        """[27, attributes] means over raters."""
        return self.answers.mean(axis=0)


@dataclass(frozen=True)
class Appraisals:
    """The kept rows of the appraisal survey. A row is one rater's memory of one event with one emotion."""

    answers: np.ndarray
    """[rows, 38 items], 1 to 9"""
    emotions: np.ndarray
    """[rows] names"""
    given: int
    """Number of rows before the rules were applied."""

    def emotion_means(self, scores: np.ndarray) -> np.ndarray:
        """Return the means [27, n] of scores [rows, n] per emotion, in the study's order."""
        return np.stack([scores[self.emotions == emotion].mean(axis=0) for emotion in study.EMOTIONS])


def word_list(path: Path | str) -> list[str]:
    """Read the 28 words (27 emotions and neutral) in the order in which the surveys number them from 1.

    Raises InputError if the file holds other words.
    """
    words = [line.strip() for line in _text(path).splitlines() if line.strip()]
    if sorted(words) != sorted([*study.EMOTIONS, "neutral"]):
        raise InputError(f"{path}: its lines are not the 27 emotions and 'neutral'")
    return words


def affective(path: Path | str, words: list[str]) -> Survey:
    """Read the survey of arousal and valence. words: the word list, which numbers its items.

    Raises InputError, as the other readers do, if a column is missing, if a cell is not a number on the
    scale, or if no rater is kept.
    """
    return _survey(path, words, AFFECTIVE)


def physical(path: Path | str, words: list[str]) -> Survey:
    """Read the survey of the six facial expressions. words: the word list, which numbers its items."""
    return _survey(path, words, PHYSICAL)


def appraisal(path: Path | str) -> Appraisals:
    """Read the survey of 38 appraisal items.

    A row is kept if both catch items are right and the event is not the literal `n/a`, which pandas by
    default reads as a missing value. The first two rows under the header are question texts and import ids.
    Raises InputError also for an unknown emotion, and for an emotion of which no row is kept.
    """
    answers = [*APPRAISAL_ITEMS, *APPRAISAL_CATCH]
    told = {"Specific Event": lambda story: story.strip() != "n/a"}
    table = _table(path, [*AGREED, "EMOTION", *answers], told).iloc[2:]
    given = len(table)
    table = table[_agreed(table)]
    numbers = _numbers(path, table, answers, also=NOT_APPLICABLE)
    caught = np.all([numbers[item] == right for item, right in APPRAISAL_CATCH.items()], axis=0)
    keep = caught & table["Specific Event"].to_numpy(dtype=bool)
    emotions = table["EMOTION"].str.lower()
    _check(path, emotions.isin(study.EMOTIONS), "EMOTION", "is not one of the 27 emotions")
    for emotion in study.EMOTIONS:
        if not (keep & (emotions == emotion)).any():
            raise InputError(f"{path}: no row of '{emotion}' passes the rules for keeping rows")
    items = numbers.loc[keep, list(APPRAISAL_ITEMS)].replace(NOT_APPLICABLE, MIDDLE)
    return Appraisals(items.to_numpy(), emotions[keep].to_numpy(dtype=str), given)


def agreement(path: Path | str) -> pd.DataFrame:
    """Read how well GoEmotions' raters agree: `emotion, kappa, count, correlation, accuracy`, 27 rows.

    The rows are in the study's order. Raises InputError if an emotion is missing or a cell is not a number.
    """
    table = _table(path, list(AGREEMENT))
    table = table[table["Emotion"] != ""].copy()  # the file ends in empty rows and columns
    if sorted(table["Emotion"]) != sorted(study.EMOTIONS):
        raise InputError(f"{path}: column 'Emotion' does not name each of the 27 emotions once")
    for column in list(AGREEMENT)[1:]:
        table[column] = pd.to_numeric(table[column], errors="coerce")
        _check(path, table[column].notna(), column, "is not a number")
    table["Count"] = table["Count"].astype(int)
    table = table.rename(columns=AGREEMENT)
    return table.set_index("emotion").loc[list(study.EMOTIONS)].reset_index()


def _survey(path: Path | str, words: list[str], attributes: Sequence[str]) -> Survey:
    """Read a survey with a row per rater and a column per item and attribute, such as `3_Valence_1`."""
    columns = {
        (item, attribute): f"{item}_{attribute}_1" for item in range(1, CATCH + 1) for attribute in attributes
    }
    table = _table(path, [*AGREED, *columns.values()])
    given = len(table)
    table = table[_agreed(table)]
    numbers = _numbers(path, table, list(columns.values()))
    numbers = numbers[np.all([numbers[columns[CATCH, attribute]] == 9 for attribute in attributes], axis=0)]
    if numbers.empty:
        raise InputError(f"{path}: no rater passes the rules for keeping raters")
    items = [words.index(emotion) + 1 for emotion in study.EMOTIONS]
    answers = [[numbers[columns[item, attribute]] for attribute in attributes] for item in items]
    return Survey(np.moveaxis(np.array(answers), 2, 0), given)


def _text(path: Path | str) -> str:
    """Return the content of a UTF-8 file."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None


def _table(
    path: Path | str, columns: Sequence[str], converters: dict[str, Callable[[str], object]] | None = None
) -> pd.DataFrame:
    """Return the named columns of a CSV file as text, rows numbered from 0.

    converters: {further column: function of a cell}; only the function's result is kept.
    """
    convert: dict[str, Callable[[str], object]] = {column: str.strip for column in columns}
    convert |= converters or {}
    rows = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [_plain(name) for name in next(reader, [])]
            for column in convert:
                if _plain(column) not in header:
                    raise InputError(f"{path}: column '{column}' is missing")
            place = {column: header.index(_plain(column)) for column in convert}
            for number, row in enumerate(reader, 1):
                if len(row) != len(header):
                    raise InputError(
                        f"{path}: data row {number} has {len(row)} cells where the header has {len(header)}"
                    )
                rows.append([function(row[place[column]]) for column, function in convert.items()])
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    except csv.Error:
        raise InputError(f"{path}: not a table of comma-separated values, or cut off") from None
    return pd.DataFrame(rows, columns=list(convert))


def _plain(name: str) -> str:
    """Return a column's name without blanks; the files have stray ones, as in `1_Anger _1`."""
    return "".join(name.split())


def _agreed(table: pd.DataFrame) -> np.ndarray:
    """Return for each row whether the rater finished, in English, and consented."""
    return np.all([table[column].str.upper() == right for column, right in AGREED.items()], axis=0)


def _numbers(
    path: Path | str, table: pd.DataFrame, columns: list[str], also: int | None = None
) -> pd.DataFrame:
    """Return columns as floats, each a whole number from 1 to 9 or `also`. Raises InputError otherwise."""
    numbers = table[columns].apply(pd.to_numeric, errors="coerce").astype(float)
    for column in columns:
        _check(path, numbers[column].notna(), column, "is not a number")
        known = numbers[column].isin([*range(1, 10), also])
        _check(path, known, column, "is off the scale of whole numbers from 1 to 9")
    return numbers


def _check(path: Path | str, good: pd.Series, column: str, fault: str) -> None:
    """Raise InputError if a row is not good. It names column and row (from 1), never the cell's content."""
    if not good.all():
        row = good.index[~good.to_numpy(dtype=bool)][0] + 1
        raise InputError(f"{path}: column '{column}', data row {row} {fault}")
