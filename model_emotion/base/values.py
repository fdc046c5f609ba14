"""The kinds of values that settings have: names, files, seeds, sizes of masks and their lists."""

import re
import unicodedata
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from model_emotion.base import study
from model_emotion.base.settings import did_you_mean

Value = TypeVar("Value")


def _one_of(known: Collection[Value], what: str) -> Callable[[Value], Value]:
    """Return a check that a value is known. what: what the message calls the known values."""

    def check(value: Value) -> Value:
        if isinstance(value, bool) or value not in known:
            hint = did_you_mean(str(value), map(str, known)) if isinstance(value, str) else ""
            raise ValueError(f"{value!r} is not one of the {len(known)} {what}{hint}")
        return value

    return check


def unique(values: list[Value]) -> list[Value]:
    """Return the values. Raises ValueError if one is listed twice."""
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{value!r} is listed twice")
        seen.add(value)
    return values


def _distinct_files(names: list[str]) -> list[str]:
    """Return the names. Raises ValueError if two would name the same file where capitals do not count."""
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(name.casefold(), name)) != name:
            raise ValueError(
                f"{other!r} and {name!r} differ only in capitals, and files are named after them"
            )
    return names


NOT_NAMES = (
    "NA", "NULL", "NaN", "None", "nan", "null", "True", "TRUE", "true", "False", "FALSE", "false", "inf",
    "Inf", "INF", "infinity", "Infinity", "INFINITY",
    "emotion", "emotion_a", "emotion_b", "epoch", "train_loss", "dev_accuracy", "human", "model", "random",
    "permuted",
)  # fmt: skip
"""Words that CSV readers take for anything but text, and words that mean something else in result files."""
LONGEST_NAME = 48
"""In characters, so that a file named after an emotion has at most 255 bytes, the limit of most systems."""


def normal(name: str) -> str:
    """Return a name as it is compared: in Unicode's composed form (NFC), with single blanks between words."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def nameable(value: str) -> str:
    """Return the value, as `normal` does, if it can name an emotion or an attribute.

    Names are used for columns, masks and files. They may be of any script. Raises ValueError for others.
    """
    name = normal(value)
    # Marks are parts of letters. Joiners (U+200C, U+200D) are parts of Persian and Indian words.
    shape = "".join("a" if unicodedata.category(one)[0] in "LM" else one for one in name)
    fits = re.fullmatch(r"a([a\d _\u200c\u200d-]*[a\d_])?", shape) and name[0].isalpha()
    if not fits or len(name) > LONGEST_NAME or name in NOT_NAMES:
        raise ValueError(
            f"{value!r} can't be a name: a name begins with a letter, has letters, digits, '_', '-' and "
            f"blanks, at most {LONGEST_NAME} of them, and is none of {', '.join(NOT_NAMES)}"
        )
    return name


OWN_KINDS = (".csv", ".parquet")
"""The suffixes of a user's own tables."""


def _own_file(value: str) -> str:
    name = Path(value).name
    if name != value:
        raise ValueError(f"{value!r} is a path; put the file in data/own and give its name alone: {name!r}")
    if Path(value).suffix.lower() not in OWN_KINDS:
        raise ValueError(f"{value!r} is neither a .csv nor a .parquet file; save the table as one of them")
    return value


OWN_RUNS = ("published", "live")
"""The runs that are not imported: the authors' measurements, and those of this machine."""
TAKEN = (*OWN_RUNS, "human", "imported", "times")
"""Folders of results/ that no imported run can have."""


def _run_name(value: str) -> str:
    if not re.fullmatch("[a-z][a-z0-9_-]{0,39}", value) or value in TAKEN:
        raise ValueError(
            f"{value!a} can't name an imported run: a name begins with a small letter, has at most 40 small "
            f"letters, digits, '_' and '-', and is none of {', '.join(TAKEN)}"
        )
    return value


def _size(value: object) -> object:
    """Check the size of a mask: a number of neurons, or a share of them."""
    count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    share = isinstance(value, float) and 0 < value < 1
    if not (count or share):
        raise ValueError(
            f"{value!r} is neither a number of neurons, such as 1000, nor a share of them between 0 and 1, "
            "such as 0.11"
        )
    return value


def _commit(value: str) -> str:
    if not re.fullmatch("([0-9a-f]{40})?", value):
        raise ValueError(
            f"{value!r} is not a commit; give all 40 hexadecimal digits of one, or '' for a model in a folder"
        )
    return value


def _scheduler(value: str) -> str:
    if not re.fullmatch(r"\w+://\S+:\d+", value):
        raise ValueError(f"{value!r} is not the address of a scheduler, such as tcp://HOST:8786")
    return value


an_emotion, an_attribute = _one_of(study.EMOTIONS, "emotions"), _one_of(study.ATTRIBUTES, "attributes")
_a_seed = _one_of(study.SEEDS, "seeds of the study")
_a_size = _one_of(study.ATTRIBUTE_TOP_K, "mask sizes of the study")
Name = Annotated[str, AfterValidator(nameable)]
Emotion = Annotated[str, AfterValidator(an_emotion)]
Attribute = Annotated[str, AfterValidator(an_attribute)]
OwnFile = Annotated[str, AfterValidator(_own_file)]
Commit = Annotated[str, AfterValidator(_commit)]
Scheduler = Annotated[str, AfterValidator(_scheduler)]
RunName = Annotated[str, AfterValidator(_run_name)]
LARGEST_SEED = 2**32 - 1
"""Of numpy's RandomState, which draws the study's examples."""
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Size = Annotated[int | float, BeforeValidator(_size)]
Count = Annotated[int, Field(ge=1)]
Draws = Annotated[int, Field(ge=1, le=10_000)]
Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Emotions = Annotated[list[Emotion], Field(min_length=4), AfterValidator(unique)]
Labels = Annotated[list[Name], Field(min_length=4), AfterValidator(unique), AfterValidator(_distinct_files)]
Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(unique)]
Sizes = Annotated[list[Size], Field(min_length=1), AfterValidator(unique)]
StudySeeds = Annotated[
    list[Annotated[int, AfterValidator(_a_seed)]], Field(min_length=2), AfterValidator(unique)
]
StudySizes = Annotated[
    list[Annotated[int, AfterValidator(_a_size)]], Field(min_length=1), AfterValidator(unique)
]
