"""Verdicts on claims, which the stage `claims` writes and the stage `verify` joins: counts and failures."""

import json
from dataclasses import dataclass
from pathlib import Path

from model_emotion.base.errors import UserError

PASS, FAIL, NOT_REPRODUCED, NOT_APPLICABLE = "PASS", "FAIL", "NOT REPRODUCED", "NOT APPLICABLE"
STATUSES = (PASS, FAIL, NOT_REPRODUCED, NOT_APPLICABLE)


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

    def line(self) -> str:
        """Return one line for a terminal."""
        return f"{self.status} {self.id}: {self.claim}" + (f": {self.reason}" if self.reason else "")


def tally(verdicts: list[Verdict]) -> dict[str, int]:
    """Return the number of verdicts with each of the four statuses."""
    return {status: sum(verdict.status == status for verdict in verdicts) for status in STATUSES}


def summary(verdicts: list[Verdict]) -> str:
    """Return the line that ends `make repro`."""
    counts = tally(verdicts)
    shown = [status for status in STATUSES if status != NOT_APPLICABLE or counts[status]]
    return f"claims: {len(verdicts)}, " + ", ".join(f"{status} {counts[status]}" for status in shown)


def read(path: Path) -> list[Verdict]:
    """Read a claims.json. Raises UserError if it is missing."""
    if not path.exists():
        raise UserError(f"{path}: not found; run `dvc repro` first")
    return [Verdict(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))["claims"]]


def check(run: str | None = None) -> bool:
    """Print the failed claims and the counts, of all runs or of one. Return whether no claim failed."""
    verdicts = read(Path("results", run or "", "claims.json"))
    for verdict in verdicts:
        if verdict.status == FAIL:
            print(verdict.line())
    print(summary(verdicts))
    return all(verdict.status != FAIL for verdict in verdicts)
