"""H1 to H4 of a run in words: as published, as regenerated or measured, and under the re-tests. Every number comes from the run's files.

The words describe and do not judge; a sentence whose question was not asked of the run is left out.
"""

from dataclasses import dataclass

import pandas as pd

from model_emotion.base import study
from model_emotion.base.files import read_csv
from model_emotion.base.results import HOLDS, MEASURED, folder
from model_emotion.claims.pages import HEADLINES
from model_emotion.retests.rows import POWER

H4 = "The model's space of the emotions resembles the human one"
"""In the article's first version, without a released value."""
MARKS = {
    run: (f"<!-- {run}: made by `make readme` -->", f"<!-- end of {run} -->") for run in ("published", "live")
}
"""Around each run's table in docs/method.md."""


@dataclass(frozen=True)
class Hypothesis:
    id: str
    claim: str
    published: str
    found: str
    retested: tuple[str, ...]


class Answers:
    """The rows of a run's retests.csv by question and key."""

    def __init__(self, table):
        self._rows = table.assign(key=table["key"].fillna(""))

    def __call__(self, question):
        """Rows of a question, by key; empty where it was not asked."""
        return self._rows[self._rows["question"] == question].set_index("key")

    def one(self, question, key=""):
        """A row, None where there is none."""
        rows = self(question)
        return rows.loc[key] if key in rows.index else None


def number(value):
    """.47, -.25, 1.00: two digits, no zero before the point, as the field writes correlations and p."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


def points(value):
    """A fraction as percentage points."""
    return f"{100 * value:.1f}".replace("-0.0", "0.0")


def probability(p):
    """p = .053, or p < .001."""
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".", 1)


def interval(row, write):
    """An estimate with its limits, [low, high]."""
    return f"{write(row['estimate'])} [{write(row['ci_low'])}, {write(row['ci_high'])}]"


def span(values, write=lambda value: f"{value:,.0f}"):
    """`1 to 452`, or one value where all are alike."""
    low, high = write(min(values)), write(max(values))
    return low if low == high else f"{low} to {high}"


def percent(value):
    return f"{100 * value:.0f}"


def neurons(answers):
    """Sentences on H1."""
    asked, of_all = answers("significant_neurons"), answers("significant_neurons_of_all")
    own = asked[asked.index.isin(of_all.index)]
    kept = own[own["verdict"] == HOLDS]["estimate"]
    some = f"{len(kept) or 'none'} of {len(own)} attributes keep {f'{span(kept)} neurons' if len(kept) else 'any neuron'}"
    every = (of_all["verdict"] == HOLDS).sum()
    yield f"Emotions permuted, with the largest tau of all neurons as the measure: {some}; corrected for the attributes too, {every} do."
    for name, row in asked.drop(own.index).iterrows():
        yield f"An RDM of {name}, and prompts were trained on these labels, keeps {row['estimate']:.0f}."
    if len(halves := answers("split_half")):
        best = answers("split_half_best")
        elsewhere, k, chance = (
            best["estimate"] / best["reference"],
            halves["k"].iloc[0],
            halves["reference"].iloc[0],
        )
        yield (
            f"Two halves of the seeds agree on {span(halves['estimate'], percent)} % of an attribute's {k:,.0f} best neurons "
            f"(chance: {percent(chance)} %), whose mean tau in the other half is {span(elsewhere, percent)} % of that in their own."
        )
    if len(alone := answers("own_neurons")):
        yield (
            f"Given the other attributes, {span(alone['estimate'], percent)} % of the best neurons of an attribute stay among its best; "
            f"with the emotions permuted, when none are its own, {span(alone['reference'], percent)} % do."
        )


def masks(answers):
    """Sentences on H2."""
    over_emotions, over_attributes = (
        answers.one("masks_hurt_over_emotions"),
        answers.one("masks_hurt_over_attributes"),
    )
    if over_emotions is not None and over_attributes is not None:
        yield (
            f"The mean drop, in percentage points, is {interval(over_emotions, points)} with emotions as the cases and "
            f"{interval(over_attributes, points)} with masks."
        )
    if len(places := answers("place_among_random")):
        low = list(places.index[places["verdict"] == HOLDS])
        verb, names = "does" if len(low) < 2 else "do", f": {', '.join(low)}" if low else ""
        than = f"worse than {places['n'].iloc[0]} random ones, and than one more would"
        if (places["decided_by"] == "p").all():
            than = f"worse than 95 % of {places['n'].iloc[0]} random ones (p < .05)"
        sizes = answers("place_of_size")["estimate"]
        elsewhere = f"; over {len(sizes)} sizes, {span(sizes)} do" if len(sizes) > 1 else ""
        yield f"Of {len(places)} attributes' masks, {len(low) or 'none'} {verb} {than}{names}{elsewhere}."
    if (share := answers.one("share_of_distance")) is not None:
        taken = f"{interval(share, percent)} % more than a random one, emotions and attributes drawn anew"
        yield f"Of what the prompts know beyond the commoner class a mask takes {taken}."
    if (needed := answers.one("detectable_place")) is not None:
        smallest = answers.one("detectable_drop_over_attributes")
        seen = f"; a mean over masks could be seen from {{}} on (power {number(POWER)})"
        also = "" if smallest is None else seen.format(points(smallest["estimate"]))
        yield f"To hold, an attribute's mask had to cost {points(needed['estimate'])} points more than the mean random one{also}."


def weights(answers):
    """Sentences on H3."""
    for key, when in (
        ("", ""),
        *((key, f"; {key}") for key in answers("human_correlation_attributes").index if key),
    ):
        if (row := answers.one("human_correlation_attributes", key)) is not None:
            yield f"With attributes as the cases r is {interval(row, number)}{when}."
    if len(sizes := answers("human_correlation_of_size")["estimate"].dropna()) > 1:
        yield f"Over {len(sizes)} sizes of masks r is {span(sizes, number)}, largest at {int(sizes.idxmax()):,}."
    if (permuted := answers.one("human_correlation_permuted")) is not None:
        yield f"With the weights permuted, {probability(permuted['p'])}."
    if (smallest := answers.one("detectable_correlation")) is not None:
        yield f"{smallest['n']} attributes can show an r of {number(smallest['estimate'])} or more (power {number(POWER)})."


def space(answers):
    """Sentences on H4."""
    if (whole := answers.one("model_and_human")) is not None:
        yield f"Against permuted emotions the whole model's tau of {number(whole['estimate'])} has {probability(whole['p'])}."
    if (model := answers.one("agreement_with_subjects", "model")) is not None:
        ceiling = answers("noise_ceiling")["estimate"]
        yield (
            f"With single subjects it is {interval(model, number)}, for other people and emotions; the noise ceiling is "
            f"{number(ceiling['lower'])} to {number(ceiling['upper'])}."
        )


def table(run, claims):
    """H1 to H4 of a run. claims: the verdicts of results/claims.json, as dictionaries."""
    out, said = folder(run), {claim["id"]: claim["published"] for claim in claims}
    answers = Answers(read_csv(out / "retests.csv"))
    significant = (
        read_csv(out / "significant_by_layer.csv").groupby("attribute", sort=False)["significant"].sum()
    )
    by_emotion, by_attribute = (read_csv(out / f"drop_by_{name}.csv") for name in ("emotion", "attribute"))
    k = answers("place_among_random")["k"].iloc[0]
    hurt = [int(drops[drops["k"] == k]["star"].sum()) for drops in (by_emotion, by_attribute)]
    of = [int((drops["k"] == k).sum()) for drops in (by_emotion, by_attribute)]
    r = read_csv(out / "human_correlation_summary.csv").set_index("k")["mean_r"]
    rsa = read_csv(out / "model_rsa.csv").query("layer == 0 and reference == 'human'")["tau"]
    mean_r = f": {number(r[k])}." if k in r and pd.notna(r[k]) else ", unknown: no human weights."
    whole = f"the human one: {number(rsa.iloc[0])}." if len(rsa) else "a human one: unknown."
    neurons_of_run = answers("significant_neurons")["n"].iloc[0]
    studys = run != MEASURED
    return [
        Hypothesis(
            "H1", HEADLINES["H1"],
            f"Neurons follow every attribute (q < .01), {said['D2.most']} most, {said['D2.least']} fewest." if studys else "",
            f"{span(significant)} of {neurons_of_run:,} neurons an attribute are significant by the study's q, "
            "which takes pairs of emotions for independent.",
            tuple(neurons(answers)),
        ),
        Hypothesis(
            "H2", HEADLINES["H2"],
            f"Masking hurts {said['E3.stars']} of {len(study.EMOTIONS)} emotions; "
            f"{said['E5.stars']} of {len(study.ATTRIBUTES)} attributes' masks hurt." if studys else "",
            f"Masks of {k:,.0f} neurons hurt {hurt[0]} of {of[0]} emotions; {hurt[1]} of {of[1]} attributes' hurt.",
            tuple(masks(answers)),
        ),
        Hypothesis(
            "H3", HEADLINES["H3"],
            f"r of drop and human weight, mean over the emotions: {number(said['E9.mean.4000'])}." if studys else "",
            f"r of drop and human weight, mean over the emotions{mean_r}",
            tuple(weights(answers)),
        ),
        Hypothesis(
            "H4", H4,
            "Claimed in the first version, no released value." if studys else "",
            f"Kendall's tau of the whole model's RDM with {whole}",
            tuple(space(answers)),
        ),
    ]  # fmt: skip


def block(run, rows):
    """The table of a run for docs/method.md, between its marks."""
    begin, end = MARKS[run]
    published = run != MEASURED
    head = ["", *(["as published", "as regenerated"] if published else ["as measured"]), "re-tested"]
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for row in rows:
        cells = [row.id, *([row.published] if published else []), row.found, " ".join(row.retested)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([begin, *lines, end])
