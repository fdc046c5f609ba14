"""What the report shows of the results: claims, hypotheses, drops, re-tests, figures and the whole searchlight."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv, read_yaml, sha256
from model_emotion.base.results import folder
from model_emotion.claims.pages import SECTIONS
from model_emotion.claims.verdicts import NOT_APPLICABLE, PASS, STATUSES
from model_emotion.figures import catalogue, tables
from model_emotion.report import hypotheses
from model_emotion.report.page import packed

DIGITS = 1000
"""tau in the page has three digits."""
UNDEFINED = -32768
"""Stands for the tau of a neuron that is the same for all emotions."""
QUESTIONS = {
    "accuracy_above_majority": "Does the model infer emotions better than by always naming the commoner class?",
    "accuracy_order": "Are the emotions easy for it that were easy in the study?",
    "significant_neurons": "H1: does a neuron follow the attribute more closely than the best of all neurons would by chance?",
    "significant_neurons_of_all": "H1: … corrected for all attributes too?",
    "own_neurons": "H1: how many of its best neurons stay its best, given the other attributes?",
    "split_half": "H1: how many of the best neurons do two halves of the seeds share?",
    "split_half_reliability": "H1: how reliable are the neurons' taus over seeds?",
    "split_half_best": "H1: how large is the tau of the best neurons in seeds that did not choose them?",
    "place_among_random": "H2: does the attribute's mask leave less accuracy than random ones of its size?",
    "place_of_size": "H2: … for how many attributes, at each size?",
    "masks_hurt_over_attributes": "H2: do attribute masks hurt more than random ones, masks as the cases?",
    "masks_hurt_over_emotions": "H2: … emotions as the cases, for these masks?",
    "masks_hurt_over_all": "H2: … emotions, seeds and masks drawn anew?",
    "share_of_distance": "H2: how much of what prompts know beyond the commoner class do masks take?",
    "corrected_stars": "H2: how many drops are significant by Benjamini and Hochberg's q?",
    "detectable_place": "H2: how far below the random masks had one to lie?",
    "detectable_drop": "H2: which drop could the test of an attribute have shown?",
    "detectable_drop_over_attributes": "H2: which mean drop could this many attributes have shown?",
    "human_correlation_attributes": "H3: does the damage follow the human weight, attributes as the cases?",
    "human_correlation_of_size": "H3: … and at each size of masks?",
    "human_correlation_permuted": "H3: … with the weights permuted?",
    "detectable_correlation": "H3: which r could this many attributes have shown?",
    "model_and_human": "H4: is the model's space more like the human one than with its emotions permuted?",
    "noise_ceiling": "H4: how well could any model do?",
    "agreement_with_subjects": "H4: how near do the model and the attributes come, for other people and emotions?",
}
"""Every question of the re-tests in plain words."""


def sources(run):
    """Result files of a run that the page reads, figures aside."""
    names = (
        "claims.json",
        "metrics.json",
        "retests.csv",
        "significant_by_layer.csv",
        "searchlight.parquet",
        "model_rsa.csv",
    )
    drops = ("drop_by_emotion.csv", "drop_by_attribute.csv", "human_correlation_summary.csv")
    return [folder(run) / name for name in (*names, *drops)]


def made_from(runs):
    """{path: sha256} of every result that the page shows. Raises UserError for one that is not there."""
    pictures = [path for run in runs for path in sorted(Path("paper_figures", run).glob("*.svg"))]
    found = {}
    for path in [*(path for run in runs for path in sources(run)), *pictures]:
        if not path.exists():
            raise UserError(
                f"{path}: not there; run `make repro` first, or `make published` for the published run alone"
            )
        found[path.as_posix()] = sha256(path)
    return found


def verdicts(runs):
    """The verdicts on the claims of these runs, in the order of claims.yaml; each with the figure that shows it and its stage."""
    claims = [
        claim
        for run in runs
        for claim in json.loads((folder(run) / "claims.json").read_text(encoding="utf-8"))["claims"]
    ]
    shown, made_by = figures_of_results(), stages_by_output()
    for claim in claims:
        claim["figure"] = shown.get(claim["id"].split(".")[0], "")
        claim["stage"] = made_by.get(claim["file"], "")
    return claims


def figures_of_results():
    """{result of the catalogue: name of the first figure that shows it}"""
    found = {}
    for entry in catalogue.FIGURES:
        for result in entry.shows:
            found.setdefault(result, entry.name)
    return found


def stages_by_output(path="dvc.yaml"):
    """{output: `stage` or `stage@run`} of every stage in dvc.yaml."""
    made_by = {}
    for name, stage in read_yaml(path)["stages"].items():
        for out in [*stage.get("outs", []), *stage.get("metrics", [])]:
            out = next(iter(out)) if isinstance(out, dict) else out
            for run in ("published", "live") if "${item.run}" in out else (None,):
                made_by[out.replace("${item.run}", run or "")] = f"{name}@{run}" if run else name
    return made_by


def counts(claims):
    """{status: number} of claims, those that occur."""
    return {
        status: number
        for status in STATUSES
        if (number := sum(claim["status"] == status for claim in claims))
    }


def headline(claims):
    """The verdict line: how much of the study is regenerated, and how many claims hold of a model measured here."""
    study = [claim for claim in claims if claim["run"] != "live" and claim["status"] != NOT_APPLICABLE]
    live = [claim for claim in claims if claim["run"] == "live" and claim["status"] != NOT_APPLICABLE]
    passed, held = (sum(claim["status"] == PASS for claim in some) for some in (study, live))
    line = f"{passed} of {len(study)} published values are regenerated."
    return line + (f" Of {len(live)} claims on the model measured here, {held} hold." if live else "")


def by_section(claims):
    """[(title, its claims)] in the order of the catalogue."""
    return [
        (title, some)
        for letter, title in SECTIONS.items()
        if (some := [claim for claim in claims if claim["id"].startswith(letter)])
    ]


def drops(run):
    """Each attribute's drop under the masks that the re-tests look at: k, rows, and how far the page's scale reaches (a fraction of 1)."""
    table, answers = read_csv(folder(run) / "drop_by_attribute.csv"), read_csv(folder(run) / "retests.csv")
    k = answers.loc[answers["question"] == "place_among_random", "k"].iloc[0]
    rows = table[table["k"] == k]
    reach = max(
        0.05, float(np.ceil(rows[["ci_low", "ci_high"]].abs().to_numpy().max() * 20) / 20)
    )  # to the next 5 points
    return {
        "k": int(k),
        "reach": reach,
        "rows": rows[["attribute", "drop", "ci_low", "ci_high", "q", "star"]].to_dict("records"),
    }


def retests(run):
    """[(question in words, its rows)] of retests.csv in the order of QUESTIONS, a missing value as None."""
    table = read_csv(folder(run) / "retests.csv").astype(object)
    asked = dict(list(table.where(table.notna(), None).groupby("question", sort=False)))
    return [
        (QUESTIONS.get(name, name), asked[name].to_dict("records"))
        for name in sorted(asked, key=[*QUESTIONS, *asked].index)
    ]


def searchlight(run):
    """Every neuron's tau with every attribute for the page: int16 [attributes, neurons] of 1000 tau, and what to compare it with."""
    table = pd.read_parquet(
        folder(run) / "searchlight.parquet", columns=["neuron", "layer", "attribute", "tau", "significant"]
    )
    attributes = list(table["attribute"].iloc[: table["attribute"].nunique()])
    tau = table["tau"].to_numpy().reshape(-1, len(attributes)).T
    layers = int(table["layer"].max())
    significant = table["significant"].to_numpy().reshape(-1, len(attributes)).T
    least = [
        float(of[chosen].min()) if chosen.any() else None for of, chosen in zip(tau, significant, strict=True)
    ]
    answers = (
        read_csv(folder(run) / "retests.csv")
        .query("question == 'significant_neurons'")
        .set_index("key")["reference"]
    )
    whole = np.where(np.isnan(tau), UNDEFINED, np.round(np.nan_to_num(tau) * DIGITS)).astype("<i2")
    return {
        "attributes": attributes, "layers": layers, "width": tau.shape[1] // layers, "digits": DIGITS, "undefined": UNDEFINED,
        "counts": significant.reshape(len(attributes), layers, -1).sum(axis=2).tolist(), "least": least,
        "critical": [float(answers[attribute]) if attribute in answers else None for attribute in attributes],
        "tau": packed(whole.tobytes()),
    }  # fmt: skip


def pictures(runs, options):
    """Figures, those that two runs have side by side: name, results shown, and by run caption, size and packed svg."""
    found = []
    for entry in catalogue.FIGURES:
        by_run = {}
        for run in runs:
            path = Path("paper_figures", run, f"{entry.name}.svg")
            if path.exists():
                svg = path.read_text(encoding="utf-8")
                width, height = (
                    float(re.search(rf'<svg[^>]*? {side}="([\d.]+)pt"', svg).group(1))
                    for side in ("width", "height")
                )
                caption = entry.describe(tables.of_run(options, run))
                by_run[run] = {
                    "caption": caption,
                    "width": round(width),
                    "height": round(height),
                    "svg": packed(svg.encode()),
                }
        if by_run:
            found.append({"name": entry.name, "shows": entry.shows, "runs": by_run})
    return found


def summary(runs, claims):
    """results/report.json: the page in numbers, and what it was made from. claims: `verdicts`."""
    return {
        "headline": headline(claims),
        "claims": {
            run: counts([claim for claim in claims if claim["run"] == run])
            for run in dict.fromkeys(c["run"] for c in claims)
        },
        "hypotheses": {run: [vars(row) for row in hypotheses.table(run, claims)] for run in runs},
        "metrics": {
            run: json.loads((folder(run) / "metrics.json").read_text(encoding="utf-8")) for run in runs
        },
        "made_from": made_from(runs),
    }


def details(runs, claims, options, drop_alpha):
    """What the page shows beside its summary, by the names that page.html uses. options: params.figures as a dictionary."""
    return {
        "runs": runs,
        "counts": counts(claims),
        "sections": by_section(claims),
        "drops": {run: drops(run) for run in runs},
        "retests": {run: retests(run) for run in runs},
        "searchlights": {run: searchlight(run) for run in runs},
        "figures": pictures(runs, options),
        "drop_alpha": f"{drop_alpha:g}".removeprefix("0"),
    }
