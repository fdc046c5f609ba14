"""The raw surveys, read so that only answers are kept.

Ids, times and stories never enter a data frame. Only the columns with answers and those for the rules that
keep raters are read, and the story that one rule needs becomes true or false, cell by cell. No error shows
the content of a cell.
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base import study
from model_emotion.base.errors import InputError

REQUIRED = {"Finished": "TRUE", "UserLanguage": "EN", "Consent": "I AGREE"}
"""Column -> the answer that keeps a rater, in upper case, because the files differ."""
CATCH = 28
"""The catch item of the first two surveys: it asks for the answer 9."""
AFFECTIVE = ("Arousal", "Valence")
PHYSICAL = ("Happy", "Anger", "Sad", "Fear", "Surprise", "Disgust")
APPRAISAL_ITEMS = tuple(f"{number}_Item_1" for number in range(4, 42))
APPRAISAL_CATCH = {"42_Item_1": 4, "43_Item_1": -99}
NOT_APPLICABLE, MIDDLE, EXTREME = -99, 5, 9
"""The answer "not applicable", the middle of the scale from 1 to 9, as which it counts, and its end."""
AGREEMENT = {
    "Emotion": "emotion",
    "Cohen's kappa": "kappa",
    "Count": "count",
    "Interrater Correlation": "correlation",
    "Accuracy": "accuracy",
}


@dataclass(frozen=True)
class Survey:
    """The kept raters of a survey in which everyone rated every emotion.

    answers: [raters, 27 emotions in the study's order, attributes], 1 to 9. given: the number of raters
    before the rules.
    """

    answers: np.ndarray
    given: int

    @property
    def means(self) -> np.ndarray:
        """The mean over raters, [27, attributes]."""
        return self.answers.mean(axis=0)


@dataclass(frozen=True)
class Appraisals:
    """The kept rows of the appraisal survey: in each, a rater judges one remembered event of one emotion.

    answers: [rows, 38 items], 1 to 9. emotions: [rows] names. given: the number of rows before the rules.
    """

    answers: np.ndarray
    emotions: np.ndarray
    given: int

    def emotion_means(self, scores: np.ndarray) -> np.ndarray:
        """Return the mean scores [27, n] of each emotion, in the study's order. scores: [rows, n]."""
        return np.stack([scores[self.emotions == emotion].mean(axis=0) for emotion in study.EMOTIONS])


def word_list(path: Path) -> list[str]:
    """Read the 28 words (27 emotions and neutral), in the order in which the surveys number them from 1."""
    words = [line.strip() for line in _text(path).splitlines() if line.strip()]
    if sorted(words) != sorted([*study.EMOTIONS, "neutral"]):
        raise InputError(f"{path}: does not list the 27 emotions and 'neutral', one per line")
    return words


def affective(path: Path, words: list[str]) -> Survey:
    """Read the survey of arousal and valence. words: the word list that numbers its items."""
    return _survey(path, words, AFFECTIVE)


def physical(path: Path, words: list[str]) -> Survey:
    """Read the survey of the six facial expressions. words: the word list that numbers its items."""
    return _survey(path, words, PHYSICAL)


def appraisal(path: Path) -> Appraisals:
    """Read the survey of 38 appraisal items.

    A row is kept if both catch items are right and the event is not the literal `n/a`, which pandas would
    read as a missing value by default. The first two rows below the header hold the questions and import ids.
    """
    answers = [*APPRAISAL_ITEMS, *APPRAISAL_CATCH]
    table = _table(
        path, [*REQUIRED, "EMOTION", *answers], {"Specific Event": lambda story: story.strip() != "n/a"}
    ).iloc[2:]
    given = len(table)
    table = table[_agreed(table)]
    numbers = _numbers(path, table, answers, also=NOT_APPLICABLE)
    caught = np.all([numbers[item] == right for item, right in APPRAISAL_CATCH.items()], axis=0)
    keep = caught & table["Specific Event"].to_numpy(dtype=bool)
    emotions = table["EMOTION"].str.lower()
    _check(path, emotions.isin(study.EMOTIONS), "EMOTION", "is not one of the 27 emotions")
    for emotion in study.EMOTIONS:
        if not (keep & (emotions == emotion)).any():
            raise InputError(f"{path}: no row of '{emotion}' passes the rules")
    items = numbers.loc[keep, list(APPRAISAL_ITEMS)].replace(NOT_APPLICABLE, MIDDLE)
    return Appraisals(items.to_numpy(), emotions[keep].to_numpy(dtype=str), given)


def agreement(path: Path) -> pd.DataFrame:
    """Read how well GoEmotions' raters agree: `emotion, kappa, count, correlation, accuracy`, 27 rows."""
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


def _survey(path: Path, words: list[str], attributes: tuple[str, ...]) -> Survey:
    """Read a survey with a row per rater and a column per item and attribute, such as `3_Valence_1`."""
    columns = {
        (item, attribute): f"{item}_{attribute}_1" for item in range(1, CATCH + 1) for attribute in attributes
    }
    table = _table(path, [*REQUIRED, *columns.values()])
    given = len(table)
    table = table[_agreed(table)]
    numbers = _numbers(path, table, list(columns.values()))
    numbers = numbers[np.all([numbers[columns[CATCH, attribute]] == 9 for attribute in attributes], axis=0)]
    if numbers.empty:
        raise InputError(f"{path}: no rater passes the rules for keeping raters")
    items = [words.index(emotion) + 1 for emotion in study.EMOTIONS]
    answers = [[numbers[columns[item, attribute]] for attribute in attributes] for item in items]
    return Survey(np.moveaxis(np.array(answers), 2, 0), given)


def _text(path: Path) -> str:
    """Return the content of a UTF-8 file."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None


def _table(
    path: Path, columns: Iterable[str], converters: Mapping[str, Callable[[str], object]] | None = None
) -> pd.DataFrame:
    """Read the named columns of a CSV file as text, rows numbered from 0.

    converters: {column: function of a cell}. These columns are read too, and only the function's results are
    kept.
    """
    convert: dict[str, Callable[[str], object]] = dict.fromkeys(columns, str.strip) | dict(converters or {})
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
                        f"{path}: data row {number} has {len(row)} cells, but the header has {len(header)}"
                    )
                rows.append([function(row[place[column]]) for column, function in convert.items()])
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    except csv.Error:
        raise InputError(f"{path}: not a table of comma-separated values, or cut off") from None
    return pd.DataFrame(rows, columns=list(convert))


def _plain(name: str) -> str:
    """Return a column's name without spaces: the files have stray ones, as in `1_Anger _1`."""
    return "".join(name.split())


def _agreed(table: pd.DataFrame) -> np.ndarray:
    """Return bool [rows]: finished, in English, and with consent."""
    return np.all([table[column].str.upper() == right for column, right in REQUIRED.items()], axis=0)


def _numbers(path: Path, table: pd.DataFrame, columns: list[str], also: int | None = None) -> pd.DataFrame:
    """Return columns as floats. Raises InputError unless each is a whole number from 1 to 9, or `also`."""
    numbers = table[columns].apply(pd.to_numeric, errors="coerce").astype(float)
    for column in columns:
        _check(path, numbers[column].notna(), column, "is not a number")
        known = numbers[column].isin([*range(1, 10), also])
        _check(path, known, column, "is not a whole number from 1 to 9")
    return numbers


def _check(path: Path, good: pd.Series, column: str, fault: str) -> None:
    """Raise InputError that names column and row (from 1, below the header) if a row is not good."""
    if not good.all():
        row = good.index[~good.to_numpy(dtype=bool)][0] + 1
        raise InputError(f"{path}: column '{column}', data row {row} {fault}")
