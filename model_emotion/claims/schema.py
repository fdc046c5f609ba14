"""claims.yaml as typed, checked entries: claims of the study, and claims on a model measured here.

`joined` puts the verdicts of all runs together, in the order of claims.yaml.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv, read_yaml
from model_emotion.claims.findings import READINGS, Value
from model_emotion.claims.verdicts import NOT_APPLICABLE, Obtained, Verdict


class Entry(BaseModel):
    """A part of claims.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Claim(Entry):
    """A claim. If `published` is a table {key: value}, each key becomes a claim of its own."""

    id: str
    headline: Literal["H1", "H2", "H3", "H4"] | None = None
    claim: str
    source: str
    run: Literal["human", "published", "live"]
    supposes: list[
        Literal["study", "searchlight_alpha", "drop_alpha", "bootstrap", "ranking", "attributes", "texts"]
    ] = []
    """Settings that the claim relies on. If one differs from the study's, the claim is NOT APPLICABLE."""
    file: str
    comparison: str
    where: str | None = None
    column: str | None = None
    by: str | list[str] | dict[str, str] | None = None
    """The columns by which rows belong together. As a table: the names of readings' columns in the file."""
    reference: str | None = None
    published: Value | dict[str, Value] | None = None
    reading: dict[str, str | int] | None = None
    """Instead of `published`: selects values read off a figure, by result, quantity, k and so on.

    Each is a claim.
    """
    each: list[str] | None = None
    """Instead of `published`: keys without a published value. Each is a claim."""
    key: str | None = None
    """With `reading`: the column whose values become the keys."""
    within: Annotated[float, Field(ge=0)] | None = None
    tolerance: Annotated[float, Field(ge=0)] = 0
    kind: Literal["exact", "rounded", "statistical"]
    obtained: Obtained = "recomputed"
    """How the value comes about. `re-read`: parsed from a released file, and at most averaged, with the
    standard error of the mean.
    """
    repeats: str | None = None
    """The id of a claim that this one repeats or follows from. It is not counted as an independent result."""
    reason: str | None = None
    """Why the claim can't be met, if that is known. It is then NOT REPRODUCED instead of FAIL."""
    empty: str | None = None
    """Why the file may have no rows, and what to do. The claim is then NOT REPRODUCED."""

    @property
    def path(self) -> str:
        """The file that answers the claim."""
        return f"results/{self.run}/{self.file}"

    def stated(self) -> dict[str, Any]:
        """Return what a verdict repeats of its claim."""
        said = {
            name: getattr(self, name)
            for name in ("id", "claim", "source", "run", "tolerance", "kind", "obtained")
        }
        return said | {"headline": self.headline or "", "repeats": self.repeats or "", "file": self.path}

    def without_answer(self, status: str, reason: str) -> Verdict:
        """Return a verdict that rests on no regenerated value."""
        published = None if isinstance(self.published, dict) else self.published
        found: dict[str, Any] = {"published": published, "regenerated": None, "difference": None}
        return Verdict(**self.stated(), **found, status=status, reason=reason)


class Unpublished(Entry):
    """A result of which the study published no value, and the test that checks it independently."""

    id: str
    what: str
    file: str
    test: str


class Claims(Entry):
    """The content of claims.yaml."""

    claims: list[Claim]
    unpublished: list[Unpublished]


JUDGED_WITH = {"human": "published"}
"""The human results have no run of their own: they are judged with the run published."""


def run_of(claim: Claim | Verdict) -> str:
    """Return the run that a claim is judged with."""
    return JUDGED_WITH.get(claim.run, claim.run)


def load_claims(path: Path | str = "claims.yaml") -> Claims:
    """Read claims.yaml; each key of a table becomes a claim. Raises UserError that names the entry."""
    try:
        read = Claims.model_validate(read_yaml(path))
    except ValidationError as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from None
    claims = [one for claim in read.claims for one in _expanded(claim)]
    seen = set()
    for claim in claims:
        if claim.id in seen:
            raise UserError(f"{path}: id {claim.id} is used twice")
        seen.add(claim.id)
    _check_repeats(claims, path)
    return Claims(claims=claims, unpublished=read.unpublished)


def _check_repeats(claims: list[Claim], path: Path | str) -> None:
    """Raise UserError if a claim repeats none or one that is itself a repeat.

    `repeats` may name a claim, or a table of claims by the id that they share.
    """
    independent = {name for claim in claims if not claim.repeats for name in (claim.id, _stem(claim))}
    for claim in claims:
        if claim.repeats and claim.repeats not in independent:
            raise UserError(
                f"{path}: {claim.id}: repeats: {claim.repeats!r} is not the id of an independent claim"
            )


def _stem(claim: Claim) -> str:
    """Return the id without the key of a table: B2.tau for B2.tau.valence, and the id itself otherwise."""
    return ".".join(claim.id.split(".")[:2])


def _expanded(claim: Claim) -> list[Claim]:
    """Return one claim per published value, reading or key, with {key} filled in."""
    published: Any = claim.published
    if claim.reading:
        published = _readings(claim, claim.reading)
    elif claim.each:
        published = dict.fromkeys(claim.each)
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


def _readings(claim: Claim, selected: dict[str, str | int]) -> dict[str | int, float]:
    """Return {key: value} of the readings that a claim selects."""
    read = read_csv(READINGS)
    for column, value in selected.items():
        read = read[read[column] == value]
    if not len(read):
        raise UserError(f"claims.yaml: {claim.id}: reading: no row of {READINGS.name} is selected")
    if read[claim.key].duplicated().any():
        raise UserError(f"claims.yaml: {claim.id}: reading: several rows have the same {claim.key}")
    keys = read[claim.key].astype(int) if read[claim.key].dtype.kind == "f" else read[claim.key]
    return dict(zip(keys, read["value"].astype(float), strict=True))


def joined(claims: Iterable[Claim], judged: Mapping[str, Iterable[Verdict]]) -> list[Verdict]:
    """Return the verdicts on all claims, in the order of the claims.

    judged: each run's verdicts. Claims on a run that is not among them are NOT APPLICABLE. Raises UserError
    if a run's verdicts do not cover its claims.
    """
    by_id = {verdict.id: verdict for verdicts in judged.values() for verdict in verdicts}
    verdicts = []
    for claim in claims:
        run = run_of(claim)
        if run not in judged:
            verdicts.append(claim.without_answer(NOT_APPLICABLE, f"the run {run} was not measured"))
        elif claim.id not in by_id:
            raise UserError(
                f"results/{run}/claims.json: no verdict on {claim.id}; run `dvc repro claims@{run}`"
            )
        else:
            verdicts.append(by_id[claim.id])
    return verdicts
