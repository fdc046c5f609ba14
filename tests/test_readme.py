"""README's table and sentences: verdicts in words, and the run mpnet as its files have it."""

from pathlib import Path

import pandas as pd
import pytest

from model_emotion.report import hypotheses
from model_emotion.retests.rows import row, table

ROOT = Path(__file__).parents[1]
MPNET = ROOT / "results/mpnet/retests.csv"


def said(*rows):
    return hypotheses.verdicts_in_words(hypotheses.Answers(table(list(rows))))


@pytest.mark.parametrize(
    ("over_emotions", "words"),
    [
        ((0.02, 0.04), "**Inconclusive** over masks; it holds over emotions only, that is for these masks."),
        ((-0.04, -0.02), "**Inconclusive** over masks; over emotions: does not hold."),
        ((-0.01, 0.04), "**Inconclusive**."),
    ],
)
def test_the_verdict_on_h2_says_over_what_it_holds(over_emotions, words):
    masks = row("masks_hurt_over_attributes", "", "interval", 0.03, (-0.02, 0.08), 0.2, 14)
    emotions = row("masks_hurt_over_emotions", "", "interval", 0.03, over_emotions, 0.01, 27)
    assert said(masks, emotions)["H2"] == words


def test_the_verdict_on_h3_names_the_choices_that_change_it():
    name = "human_correlation_attributes"
    rows = [
        row(name, "", "interval", 0.5, (-0.1, 0.9), 0.053, 14),
        row(name, "", "interval", 0.6, (0.1, 0.9), 0.03, 14, key="without seed 1"),
        row(name, "", "interval", 0.4, (-0.2, 0.8), 0.2, 14, key="pooled"),
    ]
    assert said(*rows)["H3"] == "**Inconclusive** (p = .053; without seed 1: holds, p = .030)."


def test_a_hypothesis_that_was_not_tested_is_said_to_be_so():
    assert set(said().values()) == {"**Not tested**."}


@pytest.mark.skipif(not MPNET.exists(), reason="no results of mpnet yet: `make repro`")
def test_readmes_sentences_on_mpnet_are_those_of_its_retests(monkeypatch):
    monkeypatch.chdir(ROOT)
    readme = Path("README.md").read_text()
    assert hypotheses.sentences_block("mpnet") in readme, "README.md is stale: run `make readme`"
    begin, end = hypotheses.marks("mpnet")
    sentences = " ".join(readme.split(begin)[1].split(end)[0].split())
    rows = pd.read_csv(MPNET)
    drop = rows.query("question == 'masks_hurt_over_attributes' and key.isna()").iloc[0]
    places = rows.query("question == 'place_among_random' and verdict == 'holds'")["key"]
    assert (
        "{:.1f} points [{:.1f}, {:.1f}]".format(*100 * drop[["estimate", "ci_low", "ci_high"]]) in sentences
    )
    verb = "stands" if len(places) == 1 else "stand"
    assert f"{len(places)} of 14 masks ({', '.join(places)}) {verb} out" in sentences
    judged = rows.query("question in ['human_correlation_attributes', 'model_and_human'] and key.isna()")[
        "verdict"
    ]
    assert {drop["verdict"], *judged} == {"inconclusive"} and "H1 to H4: inconclusive." in sentences
