"""What the study published, and what is claimed of a model measured here, as data (claims.yaml); and whether the results agree.

A claim names the file that answers it and a measure: how the answer is read and set beside what was published. Each run's claims are
judged on their own; `joined` puts them together again.
"""

import math
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_emotion.cli import UserError
from model_emotion.files import read_csv
from model_emotion.measures import MEASURES, READINGS
from model_emotion.run import read_activations
from model_emotion.verdicts import FAIL, NOT_APPLICABLE, NOT_REPRODUCED, PASS, STATUSES, Verdict, summary, tally

ENOUGH_SAMPLES = 5000  # bootstrap samples with which the weights meet their tolerance


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Claim(Entry):
    """One entry of claims.yaml. `published` may be a table, key -> value: then each key is a claim of its own."""

    id: str
    headline: Literal["H1", "H2", "H3", "H4"] | None = None
    claim: str
    source: str
    run: Literal["human", "published", "live"]
    supposes: list[Literal["study", "searchlight_alpha", "drop_alpha", "bootstrap", "ranking", "attributes", "texts"]] = []
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
        if claim.measure not in MEASURES:
            raise UserError(f"{path}: {claim.id}: no measure '{claim.measure}'; there are {', '.join(MEASURES)}")
        seen.add(claim.id)
    return Claims(claims=expanded, unpublished=claims.unpublished)


def _expand(claim):
    """A table of published values, or of readings, or a list of keys -> one claim a key, with {key} filled in."""
    published = _read_off(claim) if claim.reading else dict.fromkeys(claim.each) if claim.each else claim.published
    if not isinstance(published, dict):
        return [claim]
    texts = {name: text for name in ("claim", "where", "column") if (text := getattr(claim, name))}
    return [
        claim.model_copy(
            update={name: text.replace("{key}", str(key)) for name, text in texts.items()} | {"id": f"{claim.id}.{key}", "published": value}
        )
        for key, value in published.items()
    ]


def _read_off(claim):
    """{key: value} of the readings that a claim names. Raises UserError where there are none."""
    read = read_csv(READINGS)
    for column, value in claim.reading.items():
        read = read[read[column] == value]
    if not len(read) or read[claim.key].duplicated().any():
        raise UserError(f"{READINGS}: {len(read)} readings for {claim.id}, which {claim.key} does not tell apart")
    keys = read[claim.key].astype(int) if read[claim.key].dtype.kind == "f" else read[claim.key]
    return dict(zip(keys, read["value"].astype(float), strict=True))


SECTIONS = {
    "A": "A. Human attributes",
    "B": "B. Human similarity judgements and the weights of the attributes",
    "C": "C. Inference accuracy without masks",
    "D": "D. Searchlight",
    "E": "E. Masking",
    "L": "L. The run live: a model measured here",
}
JUDGED_WITH = {"human": "published"}
"""The human results have no run of their own: they are judged with the run published."""
BEGIN, END = "<!-- claims: made by `make readme` -->", "<!-- end of claims -->"
HEADLINES = {
    "H1": "Attributes of human emotion concepts have their own neuron populations",
    "H2": "Masking an attribute's neurons hurts emotion inference more than masking as many random ones",
    "H3": "The damage follows the attribute's weight in the human concept space",
    "": "What these rest on: human ratings and judgements, unmasked accuracy",
}


def departures(params, ranking="attributes"):
    """Settings that are not the study's own: {name: sentence}. ranking: what a run's masks are made by."""
    analysis, found = params.analysis, {}
    if not params.study.is_the_studys:
        found["study"] = "study names another grid than the study's"
    for name, own in (("searchlight_alpha", 0.01), ("drop_alpha", 0.05)):
        if getattr(analysis, name) != own:
            found[name] = f"analysis.{name} is {getattr(analysis, name)}, the study's {own}"
    if analysis.bootstrap.samples < ENOUGH_SAMPLES:
        found["bootstrap"] = f"analysis.bootstrap.samples is {analysis.bootstrap.samples}; fewer than {ENOUGH_SAMPLES} scatter too far"
    for name, others in (("attributes", "the study's"), ("texts", "GoEmotions")):
        if file := getattr(params.own, name):
            found[name] = f"own.{name} is {file}, not {others}"
    if ranking != "attributes":
        found["ranking"] = f"masks.ranking is {ranking}: there are no masks of the attributes"
    return found


def run_of(claim):
    """The run that a claim is judged with."""
    return JUDGED_WITH.get(claim.run, claim.run)


def judge_run(run, stated, departed):
    """Verdicts on the claims that are judged with a run. departed: settings that are not the study's own."""
    return [judge(claim, departed) for claim in stated if run_of(claim) == run]


def joined(stated, judged):
    """Verdicts on all claims, in their order. judged: {run: its verdicts}; claims on a run that is not there are NOT APPLICABLE.

    Raises UserError where a run's verdicts are not on the claims that are stated.
    """
    by_id = {verdict.id: verdict for verdicts in judged.values() for verdict in verdicts}
    verdicts = []
    for claim in stated:
        run = run_of(claim)
        if run not in judged:
            verdicts.append(_unanswered(_said(claim), claim, NOT_APPLICABLE, f"the run {run} was not measured"))
        elif claim.id not in by_id:
            raise UserError(f"results/{run}/claims.json: no verdict on {claim.id}; run `dvc repro judge@{run}`")
        else:
            verdicts.append(by_id[claim.id])
    return verdicts


def judge(claim, departed):
    """A Verdict on one claim. A file that is missing or does not answer is a FAIL that says so."""
    base = _said(claim)
    for setting in claim.supposes:
        if setting in departed:
            return _unanswered(base, claim, NOT_APPLICABLE, departed[setting])
    try:
        table = _answers(base["file"])
        if claim.empty and table.empty:
            return _unanswered(base, claim, NOT_REPRODUCED, claim.empty)
        found = MEASURES[claim.measure](claim, table)
    except Exception as error:  # whatever a spoiled file does to a measure, the claim is not met
        return _unanswered(base, claim, FAIL, f"no answer: {' '.join(str(error).split())}")
    if math.isnan(found.difference):
        return _unanswered(base, claim, FAIL, "no answer: not a number")
    close = found.difference <= claim.tolerance + 1e-12
    known = claim.reason or found.reason
    status = PASS if close else NOT_REPRODUCED if known else FAIL
    reason = "" if close else known or f"differs by {found.difference:.4g}, more than {claim.tolerance:g}"
    return Verdict(**base, **(vars(found) | {"status": status, "reason": reason}))


def _said(claim):
    """What a Verdict repeats of its claim."""
    said = {name: getattr(claim, name) for name in ("id", "claim", "source", "run", "tolerance", "kind")}
    return said | {"headline": claim.headline or "", "file": f"results/{claim.run}/{claim.file}"}


def _unanswered(base, claim, status, reason):
    return Verdict(**base, published=claim.published, regenerated=None, difference=None, status=status, reason=reason)


@lru_cache
def _answers(file):
    read = {".parquet": pd.read_parquet, ".csv": read_csv, ".safetensors": read_activations}
    return read[Path(file).suffix](file)


def render(verdicts, unpublished):
    """CLAIMS.md as text: the summary, a table for each letter of the catalogue, and what was never published."""
    lines = [
        "# Claims", "",
        "Made by `verify` from `claims.yaml`; do not edit. Every published result beside the regenerated one.", "",
        f"**{summary(verdicts)}**", "",
    ]  # fmt: skip
    for section, title in SECTIONS.items():
        of_section = [verdict for verdict in verdicts if verdict.id.startswith(section)]
        if of_section:
            lines += [f"## {title}", "", *claim_table(of_section), ""]
    lines += ["## Not published", "", "The study released no value of these; a test holds them to an independent computation.", ""]
    lines += ["| result | what | file | test |", "| --- | --- | --- | --- |"]
    lines += [f"| {entry.id} | {entry.what} | `{entry.file}` | `{entry.test}` |" for entry in unpublished]
    return "\n".join(lines) + "\n"


def headline_table(verdicts):
    """Markdown lines for README: how many of the study's claims hold, by headline; those on a model measured here are left out."""
    verdicts = [verdict for verdict in verdicts if run_of(verdict) == "published"]
    lines = ["| | the study's claim | claims checked | " + " | ".join(STATUSES[:3]) + " |", "| --- " * 6 + "|"]
    for headline, sentence in HEADLINES.items():
        counts = tally([verdict for verdict in verdicts if verdict.headline == headline])
        cells = [headline, sentence, sum(counts.values()), *(counts[status] for status in STATUSES[:3])]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def readme_block(verdicts):
    """README's generated part, between its marks."""
    published = summary([verdict for verdict in verdicts if run_of(verdict) == "published"])
    return "\n".join([BEGIN, "```", published, "```", *headline_table(verdicts), END])


def claim_table(verdicts):
    """Markdown lines, a row a verdict."""
    lines = ["| id | claim | published | regenerated | within | verdict | where published | answered by |", "| --- " * 8 + "|"]
    for v in verdicts:
        verdict = v.status + (f": {v.reason}" if v.reason else "")
        cells = (v.id, v.claim, _number(v.published), _regenerated(v), _number(v.tolerance), verdict, v.source, f"`{v.file}`")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _number(value):
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value


def _regenerated(verdict):
    if verdict.regenerated == "as released":
        return "the same" if verdict.difference == 0 else f"at most {verdict.difference:.1g} away"
    return _number(verdict.regenerated)
