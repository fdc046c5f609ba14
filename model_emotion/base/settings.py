"""Settings that a user writes: sections with typed keys, and a one-line message for an invalid value."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from model_emotion.base.errors import UserError


class ParamsError(UserError):
    """Settings cannot be used; the message names the key."""


class Section(BaseModel):
    """A group of settings. Unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Checked = TypeVar("Checked", bound=BaseModel)


def check_section(values: Any, path: Path | str, section: type[Checked]) -> Checked:
    """Return a section made of plain values, such as a YAML file holds.

    Raises ParamsError with one line 'PATH: KEY: what is wrong'.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        message = _message(error, section)
        # a value may have line breaks, which would make the message more than one line
        shown = "".join(one if one.isprintable() else repr(one)[1:-1] for one in message)
        raise ParamsError(f"{path}: {shown}") from None


def set_key(values: Any, key: str, value: object, path: Path | str) -> None:
    """Set a key such as `training.lr` in the content of a settings file. Raises ParamsError if it is new."""
    *sections, leaf = key.split(".")
    for section in sections:
        values = values.get(section) if isinstance(values, dict) else None
    if not isinstance(values, dict) or leaf not in values:
        raise ParamsError(f"{key}: {path} has no such key")
    values[leaf] = value


def did_you_mean(value: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """Return "; did you mean 'NAME'?" for the most similar known name, or '' if none is similar.

    cutoff: the least similarity, from 0 to 1, as difflib measures it.
    """
    near = get_close_matches(value, known, n=1, cutoff=cutoff)
    return f"; did you mean '{near[0]}'?" if near else ""


def _message(error: ValidationError, section: type[BaseModel]) -> str:
    """Return 'KEY: what is wrong' for the first fault that pydantic found in a section.

    An unknown key comes first. It is often a typing error, and the key that was meant is then missing.
    """
    faults = error.errors()
    fault = next((one for one in faults if one["type"] == "extra_forbidden"), faults[0])
    location, given = fault["loc"], fault["input"]
    match fault["type"]:
        case "extra_forbidden":
            message = "unknown key" + did_you_mean(str(location[-1]), _keys(location[:-1], section), 0.6)
        case "missing":
            message = "is missing"
        case "model_type":
            message = f"must hold keys with values, not {given!r}"
        case "value_error" | "too_short" | "too_long":
            message = fault["msg"].removeprefix("Value error, ")
        case _:
            message = f"{fault['msg']}, not {given!r}"
    key = _dotted(location)
    return f"{key}: {message}" if key else message


def _dotted(location: Sequence[int | str]) -> str:
    """('emotions', 3) -> 'emotions[3]'"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _keys(location: Sequence[int | str], section: type[BaseModel]) -> list[str]:
    """Return the keys of the section at a location inside another."""
    for part in location:
        inner: Any = section.model_fields[str(part)].annotation
        section = inner
    return list(section.model_fields)
