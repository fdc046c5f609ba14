"""The page's four cards, H1 to H4: for each run a verdict, a sentence and the picture of a re-test.

A verdict is a rule over the rows of retests.csv. The sentences are in templates/card.j2.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from model_emotion.base.results import HOLDS
from model_emotion.report.hypotheses import FACTS, Answers, Hypothesis, read_answers, verdict
from model_emotion.report.prose import fill
from model_emotion.report.scale import round_ticks


@dataclass(frozen=True)
class Mark:
    """A point or column of a picture. An end of the interval that does not exist is None."""

    name: str
    value: float
    low: float | None
    high: float | None
    strong: bool


@dataclass(frozen=True)
class Picture:
    """A small chart: marks side by side over an axis with round ticks.

    bars: draw columns from 0. band: the lowest and highest value of a shaded band, such as a noise ceiling.
    scale: what the values are multiplied by to be in the unit of the caption.
    """

    caption: str
    marks: tuple[Mark, ...]
    bars: bool = False
    band: tuple[float, ...] = ()
    scale: float = 1
    ticks: tuple[float, ...] = field(init=False)

    def __post_init__(self) -> None:
        ends = [end for mark in self.marks for end in (mark.value, mark.low, mark.high) if end is not None]
        object.__setattr__(self, "ticks", round_ticks(min(0, *ends, *self.band), max(0, *ends, *self.band)))


@dataclass(frozen=True)
class Answer:
    """What the re-tests of one run say on a hypothesis."""

    run: str
    verdict: str
    kind: str
    sentence: str
    picture: Picture | None
    found: str
    retested: tuple[str, ...]


@dataclass(frozen=True)
class Card:
    """A hypothesis, what was published on it, and the answer of each run; the first answer leads."""

    id: str
    claim: str
    published: str
    answers: tuple[Answer, ...]


def _marks(rows: pd.DataFrame, strong: Callable[[str, Any], bool]) -> tuple[Mark, ...]:
    """Return a mark for each row, by key."""
    rows = rows[rows["estimate"].notna()]
    return tuple(
        Mark(
            str(key),
            row["estimate"],
            None if pd.isna(row["ci_low"]) else row["ci_low"],
            None if pd.isna(row["ci_high"]) else row["ci_high"],
            strong(str(key), row),
        )
        for key, row in rows.iterrows()
    )


def _holds(_: str, row: Mapping[str, Any]) -> bool:
    return row["verdict"] == HOLDS


def _largest_first(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values("estimate", ascending=False, kind="stable")


def picture(hypothesis: str, answers: Answers) -> Picture | None:
    """Return the picture of a hypothesis, or None if the re-test that it shows was not run."""
    if hypothesis == "H1":
        own = answers("significant_neurons_of_all").index
        tested = answers("significant_neurons")
        marks = _marks(_largest_first(tested[tested.index.isin(own)]), _holds)
        shown = Picture("Neurons that each attribute keeps", marks, bars=True) if marks else None
    elif hypothesis == "H2":
        marks = _marks(_largest_first(answers("place_among_random")), _holds)
        caption = "Points below random masks, by attribute, with prediction intervals"
        shown = Picture(caption, marks, scale=100) if marks else None
    elif hypothesis == "H3":
        k = answers.one("human_correlation_attributes")
        marks = _marks(
            answers("human_correlation_of_size"), lambda key, _: k is not None and key == f"{k['k']:.0f}"
        )
        shown = Picture("H3's r at each mask size, with 95 % intervals", marks) if marks else None
    else:
        marks = _marks(_largest_first(answers("agreement_with_subjects")), lambda key, _: key == "model")
        ceiling = tuple(answers("noise_ceiling")["estimate"])
        caption = "Tau with single people: model (blue), attributes, noise ceiling (band)"
        shown = Picture(caption, marks, band=ceiling) if marks else None
    return shown


def answer(run: str, row: Hypothesis, answers: Answers) -> Answer:
    """Return what the re-tests of a run say on a hypothesis."""
    facts = FACTS[row.id](answers)
    word = verdict(row.id, facts)
    return Answer(
        run=run,
        verdict=word,
        kind=word.split(":")[0].replace(" ", "-"),
        sentence=fill("card.j2", id=row.id, verdict=word, **facts).strip(),
        picture=picture(row.id, answers),
        found=row.found,
        retested=row.retested,
    )


def cards(tables: Mapping[str, Iterable[Hypothesis]]) -> list[Card]:
    """Return a card for each hypothesis. tables: run -> its H1 to H4 (`hypotheses.table`)."""
    asked = {run: read_answers(run) for run in tables}
    return [
        Card(
            rows[0].id,
            rows[0].claim,
            rows[0].published,
            tuple(answer(run, row, asked[run]) for run, row in zip(tables, rows, strict=True)),
        )
        for rows in zip(*tables.values(), strict=True)
    ]
