"""Checks of a user's settings, with errors that name the key and what is wrong."""

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from model_emotion.base.errors import UserError

NOT_NAMES = (
    "NA", "NULL", "NaN", "None", "nan", "null", "emotion", "emotion_a", "emotion_b", "epoch", "train_loss",
    "dev_accuracy", "human", "model", "random",
)  # fmt: skip
"""Words that CSV readers take for a missing value, and words that mean something else in the results."""

Model = TypeVar("Model", bound=BaseModel)
Value = TypeVar("Value", bound=Hashable)
Values = TypeVar("Values", bound=Collection)


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'NAME'?" if a known name is similar to a value, else an empty string."""
    near = get_close_matches(value, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def one_of(known: Collection[Value], what: str) -> Callable[[Value], Value]:
    """Return a function that returns a known value and raises ValueError for any other.

    what: what the known values are, in the plural.
    """

    def check_value(value: Value) -> Value:
        if value not in known:
            near = did_you_mean(str(value), map(str, known))
            raise ValueError(f"{value!r} is not one of the {len(known)} {what}{near}")
        return value

    return check_value


def unique(values: Values) -> Values:
    """Return the values. Raises ValueError if one is listed twice."""
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{value!r} is listed twice")
        seen.add(value)
    return values


def nameable(value: str) -> str:
    """Return the name of an emotion or attribute. Raises ValueError if files cannot be named after it."""
    if not re.fullmatch(r"[^\W\d_]([\w -]*\w)?", value) or value in NOT_NAMES:
        raise ValueError(
            f"'{value}' cannot be a name: start with a letter, use letters, digits, '_', '-' and spaces, "
            f"and none of the words {', '.join(NOT_NAMES)}"
        )
    return value


def check(values: Any, path: object, model: type[Model]) -> Model:
    """Return a model of plain values, as a YAML file holds them. path: named in errors.

    Raises UserError with one line that names the first wrong key.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(_explain(error, path, model)) from None


def _explain(error: ValidationError, path: object, model: type[BaseModel]) -> str:
    """Return one line about pydantic's first error."""
    first = error.errors()[0]
    key, message = _key(first["loc"]), first["msg"].removeprefix("Value error, ")
    match first["type"]:
        case "extra_forbidden":
            near = get_close_matches(str(first["loc"][-1]), _siblings(first["loc"], model), n=1)
            message = "unknown key" + (f"; did you mean '{near[0]}'?" if near else "")
        case "missing":
            message = "is missing"
        case "value_error":
            pass
        case _:
            message = f"{message}, not {first['input']!r}"
    return f"{path}: {key}: {message}" if key else f"{path}: {message}"


def _key(location: Sequence[int | str]) -> str:
    """Return ('emotions', 3) as 'emotions[3]', without pydantic's names for the branches of a union."""
    key = ""
    for part in location:
        if isinstance(part, int):
            key += f"[{part}]"
        elif re.fullmatch(r"\w+", part) and part not in ("int", "float"):
            key += f".{part}" if key else part
    return key


def _siblings(location: Sequence[int | str], section: Any) -> list[str]:
    """Return the keys that are allowed in the place of the last part of a location."""
    for part in location[:-1]:
        section = section.model_fields[part].annotation
    return list(section.model_fields)
