"""claims.yaml as typed, checked entries: what the study published, and what is claimed of a model measured here."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv
from model_emotion.claims.comparisons import COMPARISONS, READINGS


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Claim(Entry):
    """One entry of claims.yaml. `published` may be a table, key -> value: then each key is a claim of its own."""

    id: str
    headline: Literal["H1", "H2", "H3", "H4"] | None = None
    claim: str
    source: str
    run: Literal["human", "published", "live"]
    supposes: list[
        Literal["study", "searchlight_alpha", "drop_alpha", "bootstrap", "ranking", "attributes", "texts"]
    ] = []
    """The settings that must be as the claim takes them, mostly the study's own; else it is NOT APPLICABLE."""
    file: str
    measure: str
    where: str | None = None
    column: str | None = None
    by: str | list[str] | None = None
    reference: str | None = None
    published: float | int | str | dict[str, float | int | str] | None = None
    reading: dict[str, str | int] | None = None
    """Instead of `published`: the values read off a figure, by result, quantity, k …; each reading is a claim of its own."""
    each: list[str] | None = None
    """Instead of `published`: keys without a value, where the study has none to compare; each is a claim of its own."""
    key: str | None = None
    """The column of the readings that tells them apart."""
    within: Annotated[float, Field(ge=0)] | None = None
    tolerance: Annotated[float, Field(ge=0)] = 0
    kind: Literal["exact", "rounded", "statistical"]
    reason: str | None = None
    """Why it can't match, where that is known: then it is NOT REPRODUCED, not FAIL."""
    empty: str | None = None
    """Why its file may have no rows, and what to do: then it is NOT REPRODUCED."""


class Unpublished(Entry):
    """A result of which the study released no value: the test that checks it against an independent computation."""

    id: str
    what: str
    file: str
    test: str


class Claims(Entry):
    claims: list[Claim]
    unpublished: list[Unpublished]


def load_claims(path="claims.yaml"):
    """Claims, tables expanded. Raises UserError that names the entry."""
    try:
        claims = Claims.model_validate(yaml.safe_load(Path(path).read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from None
    expanded = [one for claim in claims.claims for one in _expand(claim)]
    seen = set()
    for claim in expanded:
        if claim.id in seen:
            raise UserError(f"{path}: id {claim.id} stands twice")
        if claim.measure not in COMPARISONS:
            raise UserError(
                f"{path}: {claim.id}: no measure '{claim.measure}'; there are {', '.join(COMPARISONS)}"
            )
        seen.add(claim.id)
    return Claims(claims=expanded, unpublished=claims.unpublished)


def _expand(claim):
    """A table of published values, or of readings, or a list of keys -> one claim a key, with {key} filled in."""
    published = (
        _read_off(claim) if claim.reading else dict.fromkeys(claim.each) if claim.each else claim.published
    )
    if not isinstance(published, dict):
        return [claim]
    texts = {name: text for name in ("claim", "where", "column") if (text := getattr(claim, name))}
    return [
        claim.model_copy(
            update={name: text.replace("{key}", str(key)) for name, text in texts.items()}
            | {"id": f"{claim.id}.{key}", "published": value}
        )
        for key, value in published.items()
    ]


def _read_off(claim):
    """{key: value} of the readings that a claim names. Raises UserError where there are none."""
    read = read_csv(READINGS)
    for column, value in claim.reading.items():
        read = read[read[column] == value]
    if not len(read) or read[claim.key].duplicated().any():
        raise UserError(
            f"{READINGS}: {len(read)} readings for {claim.id}, which {claim.key} does not tell apart"
        )
    keys = read[claim.key].astype(int) if read[claim.key].dtype.kind == "f" else read[claim.key]
    return dict(zip(keys, read["value"].astype(float), strict=True))
