"""Judge the claims of claims.yaml: do the results agree with what the study published?

The claims on each run are judged separately; `schema.joined` puts the verdicts of all runs together.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv, read_parquet
from model_emotion.base.results import MEASURED, Activations, read_activations
from model_emotion.base.values import OWN_RUNS
from model_emotion.claims.comparisons import COMPARISONS
from model_emotion.claims.findings import NUMBERS, Finding
from model_emotion.claims.schema import Claim, run_of
from model_emotion.claims.verdicts import FAIL, NOT_APPLICABLE, NOT_REPRODUCED, PASS, Verdict
from model_emotion.params import Params

ENOUGH_SAMPLES = 5000
"""The number of bootstrap samples from which the human weights meet their tolerance."""


def departures(params: Params, ranking: str = "attributes", run: str = MEASURED) -> dict[str, str]:
    """Return a sentence for each setting that differs from the study's, by the name that `supposes` gives it.

    ranking: what the neurons were ranked by for the run's masks. `own` concerns no run measured elsewhere.
    """
    analysis, found = params.analysis, {}
    if not params.study.is_the_studys:
        found["study"] = "study names another grid than the study's"
    for name, own in (("searchlight_alpha", 0.01), ("drop_alpha", 0.05)):
        if getattr(analysis, name) != own:
            found[name] = f"analysis.{name} is {getattr(analysis, name)}, the study's {own}"
    if (samples := analysis.bootstrap.samples) < ENOUGH_SAMPLES:
        found["bootstrap"] = (
            f"analysis.bootstrap.samples is {samples}; below {ENOUGH_SAMPLES} the weights vary too much"
        )
    for name, others in (("attributes", "the study's"), ("texts", "GoEmotions")):
        if (file := getattr(params.own, name)) and run in OWN_RUNS:
            found[name] = f"own.{name} is {file}, not {others}"
    if ranking != "attributes":
        found["ranking"] = f"masks.ranking is {ranking}: there are no masks of the attributes"
    return found


def judge_run(
    run: str, claims: Iterable[Claim], departed: Mapping[str, str]
) -> tuple[list[Verdict], pd.DataFrame]:
    """Return the verdicts on the claims that are judged with a run, and every number that they compared.

    A run measured elsewhere is judged by the claims on `live`. departed: as `departures` returns it. The
    table has `claim, key, published, regenerated, limit`. The claims on another model compare no numbers.
    Raises UserError if a claim names a comparison that does not exist.
    """
    claims, read = list(claims), lru_cache(_read)  # each file once a call: it may change between calls
    for claim in claims:
        if claim.comparison not in COMPARISONS:
            raise UserError(
                f"claims.yaml: {claim.id}: comparison: {claim.comparison!r} is not one of "
                f"{', '.join(COMPARISONS)}"
            )
    if run in OWN_RUNS:
        judged = [_judge(claim, departed, read) for claim in claims if run_of(claim) == run]
    else:
        of_live = (claim for claim in claims if claim.run == MEASURED)
        judged = [_judge(claim.model_copy(update={"run": run}), departed, read) for claim in of_live]
    tables = [
        found.numbers(verdict.tolerance).assign(claim=verdict.id)
        for verdict, found in judged
        if found and not verdict.on_model
    ]
    numbers = (
        pd.concat([table for table in tables if len(table)]) if tables else pd.DataFrame(columns=NUMBERS)
    )
    numbers = numbers.astype({"published": float, "regenerated": float, "limit": float})
    columns = ["claim", *NUMBERS]
    return [verdict for verdict, _ in judged], numbers.reindex(columns=columns).reset_index(drop=True)


def judge(claim: Claim, departed: Mapping[str, str]) -> Verdict:
    """Return the verdict on one claim.

    It is FAIL, with the reason, if the claim's file is missing or wrong.
    """
    return _judge(claim, departed, _read)[0]


def _judge(
    claim: Claim, departed: Mapping[str, str], read: Callable[[str], pd.DataFrame | Activations]
) -> tuple[Verdict, Finding | None]:
    """Return the verdict on a claim, and the finding that it rests on, if there is one.

    read: returns the content of a file of results.
    """
    for setting in claim.supposes:
        if setting in departed:
            return claim.without_answer(NOT_APPLICABLE, departed[setting]), None
    try:
        table = read(claim.path)
        if claim.empty and isinstance(table, pd.DataFrame) and table.empty:
            return claim.without_answer(NOT_REPRODUCED, claim.empty), None
        found = COMPARISONS[claim.comparison](claim, table)
    except Exception as error:  # whatever a broken file makes a comparison raise, the claim is not met
        return claim.without_answer(FAIL, f"no answer: {' '.join(str(error).split())}"), None
    if math.isnan(found.difference):
        return claim.without_answer(FAIL, "no answer: not a number"), None
    close = found.difference <= claim.tolerance + 1e-12
    known = claim.reason or found.reason
    status = PASS if close else NOT_REPRODUCED if known else FAIL
    reason = "" if close else known or f"differs by {found.difference:.4g}, more than {claim.tolerance:g}"
    if claim.reading:  # the one published value of this claim is a reading
        found = replace(found, readings=1)
    said = {name: value for name, value in vars(found).items() if name != "pairs"}
    return Verdict(**claim.stated(), **(said | {"status": status, "reason": reason})), found


def _read(path: str) -> pd.DataFrame | Activations:
    read = {".parquet": read_parquet, ".csv": read_csv, ".safetensors": read_activations}
    return read[Path(path).suffix](path)
