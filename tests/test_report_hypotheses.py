"""H1 to H4 on the page, in README and in docs/method.md: verdicts, sentences and pictures from re-tests."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_page import ROOT, RUNS, needs_published, needs_results

from model_emotion.base.results import RETESTS
from model_emotion.claims.verdicts import read
from model_emotion.report import cards, content, hypotheses, prose
from model_emotion.retests.rows import row, table


@needs_results
def test_the_hypotheses_say_what_the_files_say(monkeypatch):
    monkeypatch.chdir(ROOT)
    table = pd.read_csv("results/published/retests.csv")
    h1, h2, h3, h4 = hypotheses.table("published", content.verdicts(RUNS))
    significant = (
        pd.read_csv("results/published/significant_by_layer.csv").groupby("attribute")["significant"].sum()
    )
    assert f"{significant.min():,} to {significant.max():,} of 36,864" in h1.found
    kept = table.query(
        "question == 'significant_neurons' and verdict == 'holds' and key != 'label co-occurrence'"
    )["estimate"]
    assert (
        f"{len(kept)} of 14 attributes keep {kept.min():.0f} to {kept.max():.0f} neurons;" in h1.retested[0]
    )
    stars = pd.read_csv("results/published/drop_by_emotion.csv").query("k == 4000")["star"]
    assert f"lower the accuracy of {stars.sum()} of {len(stars)} emotions" in h2.found
    drop = table.query("question == 'masks_hurt_over_attributes' and key.isna()").iloc[0]
    assert (
        "masks as the random factor, {:.1f} [{:.1f}, {:.1f}].".format(
            *(100 * drop[["estimate", "ci_low", "ci_high"]])
        )
        in h2.retested[0]
    )
    smallest = table.set_index("question").loc["detectable_correlation", "estimate"]
    assert f"{smallest:.2f}"[1:] in h3.retested[-1]
    assert "p = .001" in h4.retested[0]  # twice the smallest p of 1,999 permutations


@needs_published
def test_the_cards_give_the_verdicts_of_the_retests(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = cards.cards({"published": hypotheses.table("published", content.verdicts(["published"]))})
    table = pd.read_csv("results/published/retests.csv").query("key != 'label co-occurrence'")
    kept = table.query("question == 'significant_neurons'")["verdict"].eq("holds").sum()
    assert [card.answers[0].verdict for card in found] == [
        f"partly: {kept} of 14",
        "inconclusive",
        "inconclusive",
        "holds",
    ]
    assert all(card.answers[0].picture.marks for card in found)
    (asked,) = [
        asked for asked in content.retests(["published"]) if "largest tau by chance" in asked["question"]
    ]
    of = asked["runs"]["published"]  # the label control is shown, and not counted
    assert (of["outcome"]["words"], of["controls"], len(of["rows"])) == (f"{kept} of 14 hold", 1, 15)


@pytest.mark.parametrize(
    ("ci", "said"),
    [((0.1, 0.9), "holds"), ((-0.1, 0.9), "inconclusive"), ((-0.9, -0.1), "does not hold")],
)
def test_an_interval_that_includes_0_is_inconclusive(ci, said):
    found = table([row("q", "", "interval", sum(ci) / 2, ci)]).iloc[0]
    assert hypotheses.of_row(found) == said and hypotheses.of_row(None) == "not tested"


@pytest.mark.parametrize(("kept", "said"), [([], "inconclusive"), ([3], "partly: 1 of 2"), ([3, 4], "holds")])
def test_the_verdict_on_neurons_counts_attributes(kept, said):
    assert hypotheses.of_neurons({"kept": kept, "attributes": 2}) == said


@pytest.mark.parametrize(
    ("ends", "ticks"), [((0, 496), (0, 200, 400, 600)), ((-0.2, 0.28), (-0.2, 0, 0.2, 0.4)), ((0, 0), (0, 1))]
)
def test_ticks_are_round_and_enclose_the_values(ends, ticks):
    assert cards.round_ticks(*ends) == ticks


def test_a_run_in_which_no_attribute_keeps_a_neuron_has_a_picture():
    rows = [row(f"significant_neurons{of}", "", "p", 0, p=0.4, n=9, key="valence") for of in ("", "_of_all")]
    hypothesis = hypotheses.Hypothesis("H1", "", "", "", ())
    found = cards.answer("live", hypothesis, hypotheses.Answers(table(rows)))
    assert found.verdict == "inconclusive" and found.picture.ticks == (0, 1)
    assert found.sentence.startswith("With the emotions permuted, none of 1 attributes keep")


def test_a_run_without_retests_is_not_tested():
    answers = hypotheses.Answers(pd.DataFrame(columns=RETESTS))
    rows = [hypotheses.Hypothesis(id, "", "", "", ()) for id in ("H1", "H2", "H3", "H4")]
    found = [cards.answer("live", row, answers) for row in rows]
    assert {(one.verdict, one.picture) for one in found} == {("not tested", None)}


def test_a_retest_that_was_not_run_has_no_sentence():
    answers = hypotheses.Answers(pd.DataFrame(columns=RETESTS))
    assert [hypotheses.retested(id, answers) for id in ("H1", "H2", "H3", "H4")] == [(), (), (), ()]


@pytest.mark.parametrize(
    ("ps", "said"),
    [
        (
            (0.2, 0.2),
            "none of 2 attributes keeps a neuron.",
        ),
        (
            (0.2, 0.01),
            "1 of 2 attributes keeps 7 neurons; corrected for the number of attributes, 1 does.",
        ),
        (
            (0.01, 0.01),
            "2 of 2 attributes keep 3 to 7 neurons; corrected for the number of attributes, 2 do.",
        ),
    ],
)
def test_the_sentence_on_neurons_counts_the_attributes_that_keep_some(ps, said):
    rows = [
        row(question, "", "p", kept, p=p, n=9, key=key)
        for question in ("significant_neurons", "significant_neurons_of_all")
        for key, kept, p in zip(("valence", "control"), (3, 7), ps, strict=True)
    ]
    rows.append(row("significant_neurons", "", "p", 5, p=0.01, n=9, key="labels"))
    first, control = hypotheses.retested("H1", hypotheses.Answers(table(rows)))
    assert first == f"With the emotions permuted, and the largest tau of all neurons as the threshold, {said}"
    assert control == "A control, the RDM of labels (the prompts were trained on these labels), keeps 5."


@pytest.mark.parametrize(
    ("n", "p", "ci", "said"),
    [
        (
            14,
            1 / 15,
            (0.01, 0.2),
            "1 of 1 attribute masks (valence) lies below the 95 % prediction interval of 14 random masks.",
        ),
        (
            100,
            0.0495,
            (-0.01, 0.1),
            "1 of 1 attribute masks (valence) leaves less accuracy than random masks do "
            "(two-sided p < .05 by the place among 100 random masks).",
        ),
        (
            100,
            0.0594,
            (0.01, 0.1),
            "None of 1 attribute masks leave less accuracy than random masks do "
            "(two-sided p < .05 by the place among 100 random masks).",
        ),
    ],
)
def test_the_sentence_on_masks_names_the_test_that_decided(n, p, ci, said):
    decided_by = "p" if 1 / (n + 1) < 0.05 else "interval"
    rows = [row("place_among_random", "", decided_by, 0.05, ci, p, n, key="valence", k=10)]
    (sentence,) = hypotheses.retested("H2", hypotheses.Answers(table(rows)))
    assert sentence == said


def test_mask_sizes_without_a_correlation_are_left_out():
    rows = [
        row("human_correlation_of_size", "", "", r, key=str(k), k=k, n=4)
        for k, r in ((1000, 0.2), (2000, 0.4), (3000, np.nan))
    ]
    assert hypotheses.retested("H3", hypotheses.Answers(table(rows))) == (
        "Over 2 mask sizes, r is .20 to .40, and largest at 2,000 neurons.",
    )
    assert hypotheses.retested("H3", hypotheses.Answers(table(rows[1:]))) == ()


def test_the_correlation_is_said_with_its_variants():
    rows = [
        row("human_correlation_attributes", "", "interval", r, (low, 0.9), p, 14, key=key)
        for key, r, low, p in (
            ("", 0.5, -0.1, 0.06),
            ("random masks pooled", 0.6, 0.1, 0.02),
            ("without seed 1", 0.7, 0.2, 0.01),
        )
    ]  # fmt: skip
    sentence, one_sided = hypotheses.retested("H3", hypotheses.Answers(table(rows)))
    assert sentence == (
        "Treating attributes as the random factor, r is .50 [-.10, .90] "
        "(random masks pooled: .60 [.10, .90]; without seed 1: .70 [.20, .90])."
    )
    assert one_sided == 'A one-sided test at .05 would say "holds" instead of "inconclusive".'


@pytest.mark.parametrize(
    ("write", "value", "said"),
    [
        (prose.number, 0.4733, ".47"), (prose.number, -0.25, "-.25"), (prose.number, 1.0, "1.00"),
        (prose.points, -0.0001, "0.0"), (prose.points, 0.0288, "2.9"),
        (prose.probability, 0.0005, "p < .001"),
        (prose.probability, 0.053, "p = .053"), (prose.probability, 1.0, "p = 1.000"),
        (prose.span, [3.0, 3.0], "3"), (prose.span, [521, 12781], "521 to 12,781"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_in_psychology_journals(write, value, said):
    assert write(value) == said


def as_committed(run):
    """Return whether the results of a run are those of the commit; `live` differs between processors."""
    diff = ["git", "diff", "--quiet", "HEAD", "--", f"results/{run}/claims.json"]
    return subprocess.run(diff, cwd=ROOT, check=False).returncode == 0


@needs_results
@pytest.mark.parametrize("run", RUNS)
def test_the_methods_table_is_current(run, monkeypatch):
    if run != "published" and not as_committed(run):
        pytest.skip(f"the run {run} was measured again, so that docs/method.md shows another measurement")
    monkeypatch.chdir(ROOT)
    table = hypotheses.method_block(run, hypotheses.table(run, content.verdicts(RUNS)))
    assert table in Path("docs/method.md").read_text(), "docs/method.md is stale: run `make readme`"


@needs_published
def test_readmes_table_is_current(monkeypatch):
    monkeypatch.chdir(ROOT)
    judged = read(Path("results/published/claims.json"))
    block = hypotheses.readme_block(judged)
    assert block in Path("README.md").read_text(), "README.md is stale: run `make readme`"
    live = [replace(verdict, run="live", status="FAIL") for verdict in judged]
    assert hypotheses.readme_block(judged + live) == block  # it counts only claims on the study


def test_an_indented_line_of_a_template_continues_the_line_above():
    said = prose.fill("headline.j2", passed=3, published=4, measured=2, held=1)
    assert said.strip() == (
        "3 of 4 published values are regenerated. Of 2 claims on the model measured here, 1 is supported."
    )


def test_no_two_questions_have_the_same_words():
    assert len(set(content.QUESTIONS.values())) == len(content.QUESTIONS)  # they name regions of the page


def _questions():
    """The questions that docs/results.md names, each with what it decides, which may be nothing."""
    page = (ROOT / "docs/results.md").read_text()
    rows = re.findall(r"^\| (?:H\d|-) \| (.+?) \| (?:(\S+) )?\| .* \|$", page, re.MULTILINE)
    return {name: decides for names, decides in rows for name in re.findall(r"`(.+?)`", names)}


@needs_results
def test_the_page_on_results_names_the_questions_that_decide():
    tables = pd.concat([pd.read_csv(ROOT / f"results/{run}/retests.csv") for run in RUNS])
    named = _questions()
    assert set(named) == set(tables["question"])
    assert {name for name in named if named[name]} == set(tables.dropna(subset="decided_by")["question"])
    answers = pd.read_csv(ROOT / "results/published/retests.csv")
    verdicts = {name: decides.strip("*") for name, decides in named.items() if "*" in decides}
    assert sorted(verdicts.values()) == ["H1", "H2", "H3", "H4"]
    for question, hypothesis in verdicts.items():
        for word in ("holds", "inconclusive"):  # whatever the verdicts of all other questions
            table = answers.assign(verdict="holds" if word == "inconclusive" else "inconclusive")
            table.loc[table["question"] == question, "verdict"] = word
            facts = hypotheses.FACTS[hypothesis](hypotheses.Answers(table))
            assert hypotheses.verdict(hypothesis, facts) == word
