"""H1 to H4 of a run: what was published, what the study's analysis gives, and what the re-tests say.

Every number comes from the run's files. The functions `h1` to `h4` return the re-tests' numbers by the names
that the templates use. The sentences are in templates/; they describe and do not judge.
"""

import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from model_emotion.base import study
from model_emotion.base.files import read_csv, read_metadata
from model_emotion.base.results import HOLDS, INCONCLUSIVE, POWER, folder
from model_emotion.claims.verdicts import NOT_APPLICABLE, PASS, Verdict
from model_emotion.report.prose import fill, sentences, templates

Facts = dict[str, Any]
README_MARKS = "<!-- claims: made by `make readme` -->", "<!-- end of claims -->"
"""Around the table in README.md."""
PARTLY, NOT_TESTED = "partly", "not tested"


@dataclass(frozen=True)
class Hypothesis:
    """A hypothesis and the sentences on it: as published, as found by the study's analysis, re-tested."""

    id: str
    claim: str
    published: str
    found: str
    retested: tuple[str, ...]


class Answers:
    """The rows of a run's retests.csv by question and key."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._rows = table.assign(key=table["key"].fillna(""))

    def __call__(self, question: str) -> pd.DataFrame:
        """Return the rows of a question by key; no rows if it was not asked of the run."""
        return self._rows[self._rows["question"] == question].set_index("key")

    def one(self, question: str, key: str = "") -> Facts | None:
        """Return a row by the names of its columns, or None if there is none."""
        rows = self(question)
        return rows.loc[key].to_dict() if key in rows.index else None

    def controls(self) -> pd.DataFrame:
        """Return the rows of `significant_neurons` that are on no attribute: they have no corrected test."""
        tested = self("significant_neurons")
        return tested[~tested.index.isin(self("significant_neurons_of_all").index)]

    def most_influential(self, question: str) -> Facts | None:
        """Return the row of a question farthest from its reference, with its key; None if unasked."""
        rows = self(question).dropna(subset=["estimate", "reference"])
        if rows.empty:
            return None
        key = (rows["estimate"] - rows["reference"]).abs().idxmax()
        return {"key": key} | rows.loc[key].to_dict()

    def estimate(self, question: str) -> float | None:
        """Return the estimate of a question that has one row, or None if it was not asked."""
        row = self.one(question)
        return row["estimate"] if row else None


def h1(answers: Answers) -> Facts:
    """Return the re-tests of H1: how many neurons attributes keep, and how stable their best neurons are."""
    tested, corrected = answers("significant_neurons"), answers("significant_neurons_of_all")
    own = tested[tested.index.isin(corrected.index)]
    halves, elsewhere = answers("split_half"), answers("split_half_best")
    given_others = answers("own_neurons")
    return {
        "attributes": len(own),
        "kept": own.loc[own["verdict"] == HOLDS, "estimate"].tolist(),
        "kept_corrected": int((corrected["verdict"] == HOLDS).sum()),
        "controls": answers.controls()["estimate"].to_dict(),
        "shared_by_halves": halves["estimate"].tolist(),
        "shared_by_chance": halves["reference"].iloc[0] if len(halves) else None,
        "best": halves["k"].iloc[0] if len(halves) else None,
        "tau_in_other_half": (elsewhere["estimate"] / elsewhere["reference"]).tolist(),
        "best_given_others": given_others["estimate"].tolist(),
        "best_given_others_by_chance": given_others["reference"].tolist(),
        "own": list(given_others.index[given_others["verdict"] == HOLDS]),
    }


def h2(answers: Answers) -> Facts:
    """Return the re-tests of H2: the mean drop, and where each attribute's mask lies among random masks."""
    places = answers("place_among_random")
    return {
        "drop_over_emotions": answers.one("masks_hurt_over_emotions"),
        "drop_over_masks": answers.one("masks_hurt_over_attributes"),
        "beyond_permuted": answers.one("masks_hurt_beyond_permuted"),
        "permuted_and_random": answers.one("masks_hurt_beyond_permuted", "permuted and random"),
        "masks": len(places),
        "lower_masks": list(places.index[places["verdict"] == HOLDS]),
        "place_decided_by": places["decided_by"].iloc[0] if len(places) else None,
        "random_masks": places["n"].iloc[0] if len(places) else None,
        "lower_by_size": answers("place_of_size")["estimate"].tolist(),
        "lower_by_former_rule": answers("place_of_size")["reference"].tolist(),
        "main_size": answers.one("place_of_size", f"{places['k'].iloc[0]:.0f}") if len(places) else None,
        "place_errors": answers.one("place_error_rate", "prediction interval"),
        "bayes_factor": answers.estimate("bayes_factor_drop"),
        "equivalence": answers.one("equivalence_drop"),
        "curve": answers.one("specification_curve_drop"),
        "curve_significant": answers.one("specification_curve_drop", "significant"),
        "share_of_distance": answers.one("share_of_distance"),
        "damage_and_layer": answers.one("layer_and_mask", "damage"),
        "mean_layers": answers("layer_of_mask")["estimate"].tolist(),
        "steps_with_huge_neurons": answers("steps_with_huge_neurons").to_dict("index"),
        "drop_crossed": answers.one("masks_hurt_crossed"),
        "share_of_masks": answers.one("share_of_variance", "attribute"),
        "without_attribute": answers.most_influential("drop_without_attribute"),
        "without_emotion": answers.most_influential("drop_without_emotion"),
        "detectable_place": answers.estimate("detectable_place"),
        "detectable_mean_drop": answers.estimate("detectable_drop_over_attributes"),
        "power": POWER,
    }


def h3(answers: Answers) -> Facts:
    """Return the re-tests of H3: correlations of drop with human weight over the attributes."""
    by_size = answers("human_correlation_of_size")["estimate"].dropna()
    rows = answers("human_correlation_attributes").to_dict("index")
    return {
        "correlation": rows.pop("", None),
        "correlation_variants": rows,
        "r_by_size": by_size.to_dict(),
        "size_of_largest_r": int(by_size.idxmax()) if len(by_size) else None,
        "given_layer": answers.one("human_correlation_given_layer", "drop"),
        "without_attribute": answers.most_influential("human_correlation_without_attribute"),
        "without_emotion": answers.most_influential("human_correlation_without_emotion"),
        "permuted": answers.one("human_correlation_permuted"),
        "bayes_factor": answers.one("bayes_factor_correlation"),
        "curve": answers.one("specification_curve_correlation"),
        "curve_significant": answers.one("specification_curve_correlation", "significant"),
        "detectable_r": answers.one("detectable_correlation"),
        "power": POWER,
    }


def h4(answers: Answers) -> Facts:
    """Return the re-tests of H4: agreement of the model with the mean human RDM and with single people's."""
    return {
        "whole_model": answers.one("model_and_human"),
        "given": answers("model_and_human_given").to_dict("index"),
        "model_and_people": answers.one("agreement_with_subjects", "model"),
        "noise_ceiling": answers("noise_ceiling")["estimate"].tolist(),
        "without_emotion": answers.most_influential("model_and_human_without_emotion"),
    }


FACTS: dict[str, Callable[[Answers], Facts]] = {"H1": h1, "H2": h2, "H3": h3, "H4": h4}


def of_neurons(facts: Facts) -> str:
    """Return the verdict on H1: whether all, some or no attributes keep neurons."""
    kept, attributes = len(facts["kept"]), facts["attributes"]
    if not attributes:
        return NOT_TESTED
    if kept in (0, attributes):
        return HOLDS if kept else INCONCLUSIVE
    return f"{PARTLY}: {kept} of {attributes}"


def of_row(row: Mapping[str, Any] | None) -> str:
    """Return the verdict of a re-test's row, or that it was not run."""
    return NOT_TESTED if row is None else str(row["verdict"])


def verdict(hypothesis: str, facts: Facts) -> str:
    """Return holds, partly: K of N, inconclusive, does not hold or not tested. facts: as FACTS finds them."""
    if hypothesis == "H1":
        return of_neurons(facts)
    decides = {"H2": "drop_over_masks", "H3": "correlation", "H4": "whole_model"}
    return of_row(facts[decides[hypothesis]])


def verdicts_in_words(answers: Answers) -> dict[str, str]:
    """Return {hypothesis: its verdict as Markdown, with the choices that change it}."""
    facts = {id: of(answers) for id, of in FACTS.items()}
    return {id: fill("verdict.j2", id=id, verdict=verdict(id, of), **of).strip() for id, of in facts.items()}


def retested(hypothesis: str, answers: Answers) -> tuple[str, ...]:
    """Return the sentences on the re-tests of a hypothesis; none for a re-test that was not run."""
    return sentences("retested.j2", id=hypothesis, **FACTS[hypothesis](answers))


def read_answers(run: str) -> Answers:
    """Read results/RUN/retests.csv."""
    return Answers(read_csv(folder(run) / "retests.csv"))


def significant_neurons(run: str) -> list[int]:
    """Return how many neurons are significant by the study's q, for each attribute."""
    table = read_csv(folder(run) / "significant_by_layer.csv")
    return table.groupby("attribute", sort=False)["significant"].sum().tolist()


def found(run: str, answers: Answers) -> Facts:
    """Return what the study's own analysis gives for a run, with masks of the size that the re-tests use."""
    out, k = folder(run), answers("place_among_random")["k"].iloc[0]
    emotions, attributes = (
        read_csv(out / f"drop_by_{name}.csv").query(f"k == {k}")["star"] for name in ("emotion", "attribute")
    )
    r = read_csv(out / "human_correlation_summary.csv").set_index("k")["mean_r"].dropna()
    tau = read_csv(out / "model_rsa.csv").query("layer == 0 and reference == 'human'")["tau"]
    return {
        "significant": significant_neurons(run),
        "neurons": answers("significant_neurons")["n"].iloc[0],
        "mask_size": k,
        "emotions_hurt": int(emotions.sum()),
        "emotions": len(emotions),
        "attributes_hurting": int(attributes.sum()),
        "attributes": len(attributes),
        "mean_r": r.get(k),
        "tau": tau.iloc[0] if len(tau) else None,
    }


def table(run: str, verdicts: Iterable[Verdict]) -> list[Hypothesis]:
    """Return H1 to H4 of a run. The verdicts on the study's claims tell what was published."""
    answers, published = read_answers(run), {verdict.id: verdict.published for verdict in verdicts}
    facts, claims = found(run, answers), _claims()
    of_study = {"emotions": len(study.EMOTIONS), "attributes": len(study.ATTRIBUTES), "published": published}
    return [
        Hypothesis(
            id,
            claims[id],
            fill("published.j2", id=id, **of_study).strip() if run == "published" else "",
            fill("found.j2", id=id, **facts).strip(),
            retested(id, answers),
        )
        for id in FACTS
    ]


def _claims() -> dict[str, str]:
    return templates().get_template("claims.j2").module.claims  # type: ignore[attr-defined]


def marks(run: str) -> tuple[str, str]:
    """Return the lines around a run's table in docs/method.md, and its sentences in README.md."""
    return f"<!-- {run}: made by `make readme` -->", f"<!-- end of {run} -->"


def method_block(run: str, rows: Iterable[Hypothesis]) -> str:
    """Return the table of a run for docs/method.md, with its marks."""
    begin, end = marks(run)
    said = verdicts_in_words(read_answers(run))
    return f"{begin}\n{fill('method.j2', rows=rows, verdicts=said, of_the_study=run == 'published')}{end}"


def readme_block(verdicts: Iterable[Verdict]) -> str:
    """Return README's table on the run `published`, with its marks.

    Verdicts on a model measured here are left out, and so are claims that the settings make inapplicable.
    """
    counted = [verdict for verdict in verdicts if not verdict.on_model and verdict.status != NOT_APPLICABLE]
    counts = {}
    for headline in ("H1", "H2", "H3", ""):
        passed = [verdict.status == PASS for verdict in counted if verdict.headline == headline]
        counts[headline] = f"{sum(passed)} of {len(passed)}"
    answers = read_answers("published")
    facts = {id.lower(): of(answers) for id, of in FACTS.items()}
    begin, end = README_MARKS
    facts["verdicts"] = verdicts_in_words(answers)
    text = fill("readme.j2", counts=counts, significant=significant_neurons("published"), **facts)
    return f"{begin}\n{text}{end}"


def _model(run: str) -> tuple[str, int]:
    """Return the name and the number of neurons of a run's model."""
    axes = read_metadata(folder(run) / "activations.safetensors", "activations of a run")
    return Path(axes["backbone"]).name, axes["layers"] * axes["width"]


def sentences_block(run: str) -> str:
    """Return README's sentences on the re-tests of a run, wrapped, with their marks."""
    facts = {id: of(read_answers(run)) for id, of in FACTS.items()}
    words = {id: verdict(id, of) for id, of in facts.items()}
    (model, neurons), (_, of_study), (begin, end) = _model(run), _model("published"), marks(run)
    about = {"model": model, "as_large": neurons == of_study, "h2": facts["H2"], "verdicts": words}
    return f"{begin}\n{textwrap.fill(fill('readme_run.j2', **about), 110)}\n{end}"
