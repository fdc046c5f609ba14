"""Read what the report shows: claims, hypotheses, drops, re-tests, figures and the whole searchlight."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv, read_parquet, read_yaml, sha256
from model_emotion.base.results import HOLDS, INCONCLUSIVE, MEASURED, folder
from model_emotion.base.values import OWN_RUNS
from model_emotion.claims.pages import SECTIONS
from model_emotion.claims.verdicts import NOT_APPLICABLE, OF_STUDY, PASS, Verdict, read, tally
from model_emotion.claims.verdicts import summary as closing
from model_emotion.figures import catalogue
from model_emotion.report import hypotheses
from model_emotion.report.cards import cards
from model_emotion.report.compare import compare
from model_emotion.report.drops import drops
from model_emotion.report.gallery import pictures
from model_emotion.report.numbers import numbers
from model_emotion.report.page import packed, small_first
from model_emotion.report.prose import fill

DIGITS = 1000
"""tau in the page has three digits."""
UNDEFINED = -32768
"""Stands for the tau of a neuron that is the same for all emotions."""
QUESTIONS = {
    "accuracy_above_majority": "Is the model more accurate than always answering with the majority class?",
    "accuracy_order": "Is the order of the emotions by accuracy that of the study?",
    "significant_neurons": "H1: does any neuron's tau exceed the largest tau by chance?",
    "significant_neurons_of_all": "H1: … corrected for the number of attributes?",
    "own_neurons": "H1: how many best neurons remain the best when the other attributes are partialled out?",
    "split_half": "H1: how many of the best neurons do two halves of the seeds share?",
    "split_half_reliability": "H1: how reliable are the neurons' taus over seeds?",
    "split_half_best": "H1: how large is the tau of the best neurons in seeds that did not select them?",
    "place_among_random": "H2: does the attribute's mask leave less accuracy than random masks of its size?",
    "place_of_size": "H2: … for how many attributes, at each mask size?",
    "place_error_rate": "H2: … how often does a random mask, by the t interval or the former rule?",
    "masks_hurt_over_attributes": "H2: do attribute masks lower accuracy more (random factor: masks)?",
    "masks_hurt_over_emotions": "H2: … for these masks (random factor: emotions)?",
    "masks_hurt_beyond_permuted": "H2: … more than masks by permuted ratings do?",
    "masks_hurt_crossed": "H2: … with emotions, seeds and masks as crossed random factors?",
    "masks_hurt_crossed_of_size": "H2: … with these factors, at each mask size?",
    "share_of_variance": "H2: which factor's drops vary most?",
    "share_of_variance_of_size": "H2: … which, at each mask size?",
    "drop_without_attribute": "H2: what is the mean drop without one attribute?",
    "drop_without_emotion": "H2: what is the mean drop without one emotion?",
    "layer_of_mask": "H2: in which layer do a mask's neurons lie?",
    "layer_and_mask": "H2: does accuracy depend on the layer of the masked neurons?",
    "huge_neurons": "H2: how many neurons have huge activations?",
    "steps_with_huge_neurons": "H2: does accuracy fall further where a mask first takes such a neuron?",
    "random_masks_with_huge_neurons": "H2: … and with random masks that have one?",
    "share_of_distance": "H2: how much of the accuracy above the majority class do masks remove?",
    "corrected_stars": "H2: how many drops are significant by Benjamini and Hochberg's q?",
    "bayes_factor_drop": "H2: how much more likely are the data with a drop than without (Bayes factor)?",
    "equivalence_drop": "H2: is the mean drop smaller than 2 points?",
    "specification_curve_drop": "H2: does the drop depend on choices of the analysis?",
    "detectable_place": "H2: how far below the random masks must a mask lie to differ significantly?",
    "detectable_drop": "H2: which drop could the test of one attribute detect?",
    "detectable_drop_over_attributes": "H2: which mean drop could a test over the attributes detect?",
    "human_correlation_attributes": "H3: does the drop follow the human weight (random factor: attributes)?",
    "human_correlation_of_size": "H3: … at each mask size?",
    "human_correlation_pooled_of_size": "H3: … with all random masks pooled, at each mask size?",
    "human_correlation_permuted": "H3: … with the weights permuted?",
    "human_correlation_given_layer": "H3: … given the mean layer of the masked neurons?",
    "human_correlation_given_layer_of_size": "H3: … given that layer, at each mask size?",
    "human_correlation_semipartial": "H3: … with that part of the weight that the layer does not predict?",
    "human_correlation_semipartial_of_size": "H3: … with that part, at each mask size?",
    "human_correlation_without_attribute": "H3: … without one attribute?",
    "human_correlation_without_emotion": "H3: … without one emotion?",
    "bayes_factor_correlation": "H3: how much more likely are the data with a correlation (Bayes factor)?",
    "equivalence_correlation": "H3: is r smaller than .30?",
    "specification_curve_correlation": "H3: does the correlation depend on choices of the analysis?",
    "detectable_correlation": "H3: which r could this number of attributes detect?",
    "model_and_human": "H4: is the model's RDM closer to the human one than with its emotions permuted?",
    "model_and_human_given": "H4: … given labels, training, accuracy and valence?",
    "model_and_human_without_emotion": "H4: … without one emotion?",
    "layers_and_references": "H4: how many layers follow people's judgements and each attribute?",
    "noise_ceiling": "H4: how well could any model do (noise ceiling)?",
    "agreement_with_subjects": "H4: how close are the model and the attributes to single people?",
}
"""Every question of retests.csv in plain words."""


def sources(run: str) -> list[Path]:
    """Return the result files of a run that the page shows, besides its figures."""
    names = (
        "claims.json", "compared.parquet", "metrics.json", "retests.csv", "significant_by_layer.csv",
        "searchlight.parquet", "model_rsa.csv", "masked_accuracy.csv", "floor.csv", "weights.csv",
        "mean_rdm.csv", "drop_by_emotion.csv", "drop_by_attribute.csv", "drop_by_cell.csv",
        "human_correlation.csv", "human_correlation_summary.csv", "pooled/drop_by_emotion.csv",
        "pooled/drop_by_attribute.csv", "pooled/drop_by_cell.csv", "pooled/human_correlation.csv",
    )  # fmt: skip
    return [folder(run) / name for name in names]


def made_from(runs: Iterable[str]) -> dict[str, str]:
    """Return {path: SHA-256} of every file that the page shows. Raises UserError if one is missing."""
    pictures = [path for run in runs for path in sorted(Path("paper_figures", run).glob("*.svg"))]
    hashes = {}
    for path in [*(path for run in runs for path in sources(run)), *pictures]:
        if not path.exists():
            raise UserError(
                f"{path}: not found; run `make repro`, or `make published` for the published run only"
            )
        hashes[path.as_posix()] = sha256(path)
    return hashes


def verdicts(runs: Iterable[str]) -> list[Verdict]:
    """Return the verdicts on the claims of these runs, in the order of claims.yaml."""
    return [verdict for run in runs for verdict in read(folder(run) / "claims.json")]


def figures_of_results() -> dict[str, str]:
    """Return {result of CLAIMS.md, such as E5: name of the first figure that shows it}."""
    names: dict[str, str] = {}
    for entry in catalogue.FIGURES:
        for result in entry.shows:
            names.setdefault(result, entry.name)
    return names


def stages_by_output(path: str = "dvc.yaml", runs: Iterable[str] = OWN_RUNS) -> dict[str, str]:
    """Return {output: `stage` or `stage@run`} of every stage in dvc.yaml, for these runs."""
    made_by = {}
    for name, stage in read_yaml(path)["stages"].items():
        for out in [*stage.get("outs", []), *stage.get("metrics", [])]:
            out = next(iter(out)) if isinstance(out, dict) else out
            imported = "imported" in stage.get("matrix", {}).get("run", "")
            of_stage = [run for run in runs if not (imported and run in OWN_RUNS)]
            for run in of_stage if "${item.run}" in out else (None,):
                made_by[out.replace("${item.run}", run or "")] = f"{name}@{run}" if run else name
    return made_by


def counts(claims: list[Verdict]) -> dict[str, int]:
    """Return the number of claims with each status that occurs."""
    return {status: number for status, number in tally(claims).items() if number}


def headline(claims: Iterable[Verdict]) -> str:
    """Return how many published values are regenerated, and how many claims hold of a model measured here."""
    judged = [claim for claim in claims if claim.status != NOT_APPLICABLE]
    study = [claim.status == PASS for claim in judged if not claim.on_model]
    here = [claim.status == PASS for claim in judged if claim.run == MEASURED]
    numbers = {"passed": sum(study), "published": len(study), "held": sum(here), "measured": len(here)}
    return fill("headline.j2", **numbers).strip()


def by_section(claims: list[Verdict]) -> list[tuple[str, list[Verdict]]]:
    """Return [(title, its claims)] in the order of CLAIMS.md, then those on each run measured elsewhere."""
    own = [claim for claim in claims if claim.run in (*OF_STUDY, MEASURED)]
    sections = [
        (title, [claim for claim in own if claim.id.startswith(key)]) for key, title in SECTIONS.items()
    ]
    for run in dict.fromkeys(claim.run for claim in claims if claim not in own):
        sections.append((f"L. The run {run}: measured elsewhere", [c for c in claims if c.run == run]))
    return [(title, some) for title, some in sections if some]


def outcome(rows: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    """Return the verdict on a question, as words and as a kind, or None if its rows have no verdict."""
    words = [row["verdict"] for row in rows if row["verdict"]]
    held = words.count(HOLDS)
    if not words:
        return None
    unclear = INCONCLUSIVE in words
    kind = (
        "holds" if held == len(words) else "partly" if held else INCONCLUSIVE if unclear else "does-not-hold"
    )
    return {"kind": kind, "words": words[0] if len(rows) == 1 else f"{held} of {len(words)} hold"}


def retests(runs: Sequence[str]) -> list[dict[str, Any]]:
    """Return each question in words, its method, and for each run its rows, outcome and number of controls.

    The outcome counts no controls. A missing value is None.
    """
    answers = {run: hypotheses.read_answers(run) for run in runs}
    tables = {run: read_csv(folder(run) / "retests.csv").astype(object) for run in runs}
    names = list(dict.fromkeys(name for table in tables.values() for name in table["question"]))
    asked = []
    for name in sorted(names, key=[*QUESTIONS, *names].index):
        of_runs = {}
        for run, table in tables.items():
            rows = table[table["question"] == name].pipe(lambda rows: rows.where(rows.notna(), None))
            controls = answers[run].controls().index if name == "significant_neurons" else ()
            records = rows.to_dict("records")
            counted = [row for row in records if row["key"] not in controls]
            if records:
                of_runs[run] = {"rows": records, "outcome": outcome(counted), "controls": len(controls)}
        method = next(iter(of_runs.values()))["rows"][0]["method"]
        words = QUESTIONS.get(name, name)
        group = words[:2] if words[:2] in hypotheses.FACTS else "Prompts"
        asked.append({"group": group, "question": words, "method": method, "runs": of_runs})
    return asked


def searchlight(run: str) -> dict[str, Any]:
    """Return every neuron's tau with every attribute, and what to compare it with.

    `tau`: int16 [attributes, neurons], 1000 tau, packed. `counts` [attributes][layers]: significant neurons.
    `least`: the smallest tau that is significant by the study's q. `critical`: the threshold that, by chance,
    the largest tau of all neurons exceeds in 2.5 % of the orders of the emotions. Both can be None.
    """
    columns = ["neuron", "layer", "attribute", "tau", "significant"]
    table = read_parquet(folder(run) / "searchlight.parquet", columns=columns)
    attributes = list(table["attribute"].iloc[: table["attribute"].nunique()])
    layers, n = int(table["layer"].max()), len(attributes)
    tau, significant = (table[name].to_numpy().reshape(-1, n).T for name in ("tau", "significant"))
    least = [
        float(row[some].min()) if some.any() else None for row, some in zip(tau, significant, strict=True)
    ]
    critical = hypotheses.read_answers(run)("significant_neurons")["reference"]
    whole = np.where(np.isnan(tau), UNDEFINED, np.round(np.nan_to_num(tau) * DIGITS)).astype("<i2")
    return {
        "attributes": attributes,
        "layers": layers,
        "width": tau.shape[1] // layers,
        "digits": DIGITS,
        "undefined": UNDEFINED,
        "counts": significant.reshape(n, layers, -1).sum(axis=2).tolist(),
        "least": least,
        "critical": [float(critical[name]) if name in critical else None for name in attributes],
        "tau": packed(small_first(whole)),
    }


def summary(runs: Sequence[str], claims: list[Verdict]) -> dict[str, Any]:
    """Return results/report.json: the page in numbers, and the files that it was made from."""
    of_runs = {
        run: [claim for claim in claims if claim.run == run] for run in dict.fromkeys(c.run for c in claims)
    }
    return {
        "headline": headline(claims),
        "claims": {run: counts(some) for run, some in of_runs.items()},
        "hypotheses": {run: [vars(row) for row in hypotheses.table(run, claims)] for run in runs},
        "metrics": {
            run: json.loads((folder(run) / "metrics.json").read_text(encoding="utf-8")) for run in runs
        },
        "made_from": made_from(runs),
    }


def details(
    runs: Sequence[str], claims: list[Verdict], options: Mapping[str, Any], drop_alpha: float
) -> dict[str, Any]:
    """Return what the page shows besides its summary, by the names in page.html. options: params.figures."""
    return {
        "runs": runs,
        "words": list(dict.fromkeys(claim.word for claim in claims)),
        "closing": closing(claims),
        "emotions": len(study.EMOTIONS),
        "attributes": len(study.ATTRIBUTES),
        "sections": by_section(claims),
        "figure_of": figures_of_results(),
        "stage_of": stages_by_output(runs=runs),
        "compared": compare(runs),
        "cards": cards({run: hypotheses.table(run, claims) for run in runs}),
        "drops": drops(runs),
        "numbers": numbers(runs, claims),
        "retests": retests(runs),
        "searchlights": {run: searchlight(run) for run in runs},
        "figures": pictures(runs, options),
        "drop_alpha": f"{drop_alpha:g}".removeprefix("0"),
    }
