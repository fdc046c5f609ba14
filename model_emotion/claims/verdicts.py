"""Verdicts on claims, which the stage `claims` writes and the stage `verify` joins: counts and failures."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from model_emotion.base.errors import UserError

PASS, FAIL, NOT_REPRODUCED, NOT_APPLICABLE = "PASS", "FAIL", "NOT REPRODUCED", "NOT APPLICABLE"
STATUSES = (PASS, FAIL, NOT_REPRODUCED, NOT_APPLICABLE)
ON_MODEL = {PASS: "supported", NOT_REPRODUCED: "not supported"}
"""Words for claims on another model than the study's: nobody published a value that could be reproduced."""
OF_STUDY = ("human", "published")
"""What claims on the study are about; all others are about a run of another model."""
Obtained = Literal["recomputed", "re-read", "arithmetic"]
OBTAINED = get_args(Obtained)
"""How a regenerated value comes about, as claims.yaml says."""


@dataclass(frozen=True)
class Verdict:
    """Whether the results meet a claim, and how far they are from what was published."""

    id: str
    headline: str
    claim: str
    source: str
    run: str
    file: str
    published: float | int | str | None
    regenerated: float | int | str | None
    difference: float | None
    tolerance: float
    kind: str
    status: str
    reason: str
    obtained: str = OBTAINED[0]
    repeats: str = ""
    """The id of the claim that this one repeats or follows from; empty if it is an independent result."""
    readings: int = 0
    """The number of values read off figures that were compared."""
    cells: int = 0
    """The number of cells of released tables that were compared."""

    @property
    def on_model(self) -> bool:
        """Whether the claim is on a run of another model, and not on the study."""
        return self.run not in OF_STUDY

    @property
    def word(self) -> str:
        """The status in the words for its run."""
        return ON_MODEL.get(self.status, self.status) if self.on_model else self.status

    def line(self) -> str:
        """Return one line for a terminal."""
        return f"{self.word} {self.id}: {self.claim}" + (f": {self.reason}" if self.reason else "")


def tally(verdicts: list[Verdict]) -> dict[str, int]:
    """Return the number of verdicts with each of the four statuses."""
    return {status: sum(verdict.status == status for verdict in verdicts) for status in STATUSES}


def summary(verdicts: list[Verdict]) -> list[str]:
    """Return the lines that end `make repro`: the counts of claims on the study, and on each run of a model.

    Before the counts, a line says how many of the study's results are independent and what was compared.
    """
    study = [verdict for verdict in verdicts if not verdict.on_model]
    runs = dict.fromkeys(verdict.run for verdict in verdicts if verdict.on_model)
    lines = (
        [independent(study), _counts("claims on the study", study, (PASS, FAIL, NOT_REPRODUCED))]
        if study
        else []
    )
    for run in runs:
        of_run = [verdict for verdict in verdicts if verdict.run == run]
        lines.append(_counts(f"claims on the run {run}", of_run, tuple(ON_MODEL)))
    return lines


def independent(verdicts: list[Verdict]) -> str:
    """Return a line that counts each independent result once, by how it was obtained.

    It also counts the readings of figures and the cells of released tables that were compared.
    """
    once = [verdict for verdict in verdicts if not verdict.repeats]
    by_origin = ", ".join(f"{sum(v.obtained == word for v in once)} {word}" for word in OBTAINED)
    compared = [verdict for verdict in verdicts if verdict.readings or verdict.cells]
    readings = sum(verdict.readings for verdict in compared)
    cells = sum(verdict.cells for verdict in compared if not verdict.repeats)
    missed = sum(verdict.status != PASS for verdict in compared)
    met = f"{missed} of their claims not met" if missed else "all within their claims' tolerances"
    return (
        f"independent results: {len(once)} ({by_origin}); {len(verdicts) - len(once)} claims repeat one of "
        f"them; compared: {readings:,} readings and {cells:,} table cells, {met}"
    )


def _counts(subject: str, verdicts: list[Verdict], always: tuple[str, ...]) -> str:
    """Return a line with the counts. always: the statuses that are shown even if no verdict has them."""
    counts, words = tally(verdicts), ON_MODEL if verdicts[0].on_model else {}
    shown = [status for status in STATUSES if status in always or counts[status]]
    return f"{subject}: {len(verdicts)}, " + ", ".join(
        f"{words.get(status, status)} {counts[status]}" for status in shown
    )


def read(path: Path) -> list[Verdict]:
    """Read a claims.json. Raises UserError if it is missing."""
    if not path.exists():
        raise UserError(f"{path}: not found; run `dvc repro` first")
    return [Verdict(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))["claims"]]


def check(run: str | None = None) -> bool:
    """Print the failed claims and the counts, of all runs or of one. Return whether no claim failed.

    With all runs, only the claims on the study decide.
    """
    verdicts = read(Path("results", run or "", "claims.json"))
    for verdict in verdicts:
        if verdict.status == FAIL:
            print(verdict.line())
    print("\n".join(summary(verdicts)))
    return all(verdict.status != FAIL or (verdict.on_model and not run) for verdict in verdicts)
