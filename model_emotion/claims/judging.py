"""Judge the claims of claims.yaml: whether the results agree with what was published.

A claim names the file that answers it and a measure: how the answer is read and set beside what was published. Each run's claims are
judged on their own; `joined` puts them together again.
"""

import math
from functools import lru_cache
from pathlib import Path

import pandas as pd

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv
from model_emotion.base.results import read_activations
from model_emotion.claims.comparisons import COMPARISONS
from model_emotion.claims.verdicts import FAIL, NOT_APPLICABLE, NOT_REPRODUCED, PASS, Verdict

ENOUGH_SAMPLES = 5000  # bootstrap samples with which the weights meet their tolerance
JUDGED_WITH = {"human": "published"}
"""The human results have no run of their own: they are judged with the run published."""


def departures(params, ranking="attributes"):
    """Settings that are not the study's own: {name: sentence}. ranking: what a run's masks are made by."""
    analysis, found = params.analysis, {}
    if not params.study.is_the_studys:
        found["study"] = "study names another grid than the study's"
    for name, own in (("searchlight_alpha", 0.01), ("drop_alpha", 0.05)):
        if getattr(analysis, name) != own:
            found[name] = f"analysis.{name} is {getattr(analysis, name)}, the study's {own}"
    if analysis.bootstrap.samples < ENOUGH_SAMPLES:
        found["bootstrap"] = (
            f"analysis.bootstrap.samples is {analysis.bootstrap.samples}; fewer than {ENOUGH_SAMPLES} scatter too far"
        )
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
            verdicts.append(
                _unanswered(_said(claim), claim, NOT_APPLICABLE, f"the run {run} was not measured")
            )
        elif claim.id not in by_id:
            raise UserError(
                f"results/{run}/claims.json: no verdict on {claim.id}; run `dvc repro judge@{run}`"
            )
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
        found = COMPARISONS[claim.measure](claim, table)
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
    return Verdict(
        **base, published=claim.published, regenerated=None, difference=None, status=status, reason=reason
    )


@lru_cache
def _answers(file):
    read = {".parquet": pd.read_parquet, ".csv": read_csv, ".safetensors": read_activations}
    return read[Path(file).suffix](file)
