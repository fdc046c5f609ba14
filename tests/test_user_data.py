"""A user's own attributes, texts and backbone: docs/own_data.md on a tiny model."""

import json
import shlex
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import repos
import worlds
from worlds import BLOCKS, STUDYS, change, results, rewritten, run

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import parse_yaml
from model_emotion.base.results import read_activations
from model_emotion.figures import catalogue
from model_emotion.toolkit.masks import rank_neurons
from stages import targets as stage

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.xdist_group("own")]

ROOT = Path(__file__).parents[1]
EXPERIMENTS = {
    words[words.index("--name") + 1]: words
    for block in BLOCKS
    if "dvc exp run" in block
    for words in [shlex.split(block)]
}


def settings(words):
    """{key: value} of a command's `-S key=value`."""
    values = [word for option, word in zip(words, words[1:], strict=False) if option == "-S"]
    return {key: parse_yaml(value) for key, value in (word.split("=", 1) for word in values)}


def test_the_page_has_an_experiment_for_each_thing_that_can_be_ones_own():
    assert [
        set(settings(words)) & {"own.attributes", "own.texts", "backbone.name"}
        for words in EXPERIMENTS.values()
    ] == [
        {"backbone.name"},
        {"own.attributes"},
        {"own.texts"},
        {"own.attributes", "own.texts", "backbone.name"},
    ]
    for words in EXPERIMENTS.values():
        assert words[:3] == ["dvc", "exp", "run"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_page_to_the_letter(here, monkeypatch, name):
    asked = settings(EXPERIMENTS[name])
    change(asked)
    change(worlds.USER_SMALL)
    if name == "my-model":  # several seeds, of which 1 is among the study's irregular ones
        change({"seeds": [1, 3]})
    judged = "zest" not in asked["emotions"]
    figures_there = {
        "E5_drop_by_attribute": True,
        "D5_tau_of_significant_neurons": True,
        "E7_drop_by_cell": True,
        "E11_accuracy_by_mask": True,
        "B1_human_and_model_rdm": judged,
        "E9_human_correlation": judged,
        "C2_accuracy_and_agreement": "own.texts" not in asked,
        "F_spaces": "own.attributes" not in asked,
    }
    if name != "mine":  # where all that can be drawn is drawn
        few = [entry for entry in catalogue.FIGURES if entry.name in figures_there]
        monkeypatch.setattr(catalogue, "entries", lambda run: few)
    run(monkeypatch, stage, *worlds.MEASURE, *worlds.ANALYSE)
    found, drawn = results(), {path.stem for path in Path("paper_figures/live").glob("*.png")}
    emotions, ratings = asked["emotions"], pd.read_csv("data/own/ratings.csv").set_index("emotion")
    attributes = list(ratings) if "own.attributes" in asked else list(study.ATTRIBUTES)
    assert read_activations("results/live/activations.safetensors").emotions == tuple(emotions)
    assert (
        set(found["drop_by_attribute"]["attribute"])
        <= set(attributes)
        == set(found["significant_by_layer"]["attribute"])
    )
    assert (len(found["weights"]) == len(attributes)) == judged == bool(len(found["mean_rdm"]))
    assert (
        (len(found["human_correlation"]) > 0) == judged == ("human" in set(found["model_rsa"]["reference"]))
    )
    assert (len(found["agreement"]) > 0) == ("own.texts" not in asked)
    assert {figure: figure in drawn for figure in figures_there} == figures_there
    verdicts = {
        claim["id"]: claim["status"]
        for claim in json.loads(Path("results/live/claims.json").read_text())["claims"]
    }
    not_applicable = {claim.split(".")[0] for claim, status in verdicts.items() if status == "NOT APPLICABLE"}
    of_texts, of_attributes = {"L1", "L2", "L3", "L4", "L5"}, {"L3", "L4", "L5"}
    assert not_applicable == (
        of_texts if "own.texts" in asked else of_attributes if "own.attributes" in asked else set()
    )
    assert "FAIL" not in verdicts.values()
    assert not found["retests"]["key"].str.startswith("without seeds").any()  # it says nothing of this model

    ours = SimpleNamespace(name="outputs/my-model", layers=2, width=24)
    assert list(rank_neurons(ours, "14Properties", None, None)[1]) == attributes
    if "own.attributes" in asked:
        with pytest.raises(
            UserError, match="searchlight_spaces.parquet: ranks no neurons, since own.attributes"
        ):
            rank_neurons(ours, "3Spaces", None, None)


@pytest.mark.parametrize(
    ("ratings", "spaces"),
    [
        ({"warmth": [1, 2, 4, 8, 16, 32]}, []),
        (
            {
                "warmth": [1, 2, 4, 8, 16, 32],
                "heat": [2, 4, 8, 16, 32, 64],
                "cold": [0, -1, -3, -7, -15, -31],
            },
            [],
        ),  # say the same
        (
            {"arousal": [1, 2, 4, 8, 16, 32], "valence": [4, 1, 2, 7, 3, 1], "pace": [0, 0, 1, 0, 1, 1]},
            ["affective"],
        ),
    ],
)
def test_few_attributes_and_those_that_say_the_same(here, monkeypatch, ratings, spaces):
    rewritten("ratings.csv", energy=None, warmth=None, strength=None, haste=None)
    rewritten("ratings.csv", **ratings)
    change({"own.attributes": "ratings.csv", "emotions": STUDYS})
    change(worlds.USER_SMALL)
    monkeypatch.setattr(catalogue, "entries", lambda run: [])
    Path("paper_figures/live").mkdir(parents=True)
    run(monkeypatch, stage, *worlds.MEASURE, *worlds.ANALYSE)
    found = results()
    assert set(found["drop_by_attribute"]["attribute"]) == set(ratings) == set(found["weights"]["attribute"])
    assert not len(found["human_correlation"])  # of fewer than four
    assert (len(found["retests"].query("question == 'own_neurons'")) > 0) == ("heat" not in ratings)
    assert set(pd.read_parquet("results/live/searchlight_spaces.parquet")["attribute"]) == set(spaces)


def test_the_run_published_and_a_run_of_nothing_own_take_what_is_the_studys(here, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["stage", "--run", "published"])
    change({"own.attributes": "not there.csv"})
    stage.main()
    change({"own.attributes": None})
    run(monkeypatch, stage)
    for name in ("attributes", "attribute_rdms", "mean_rdm", "weights", "agreement"):
        for of in ("published", "live"):
            assert (
                Path(f"results/{of}/{name}.csv").read_bytes()
                == Path(f"results/human/{name}.csv").read_bytes()
            )
            assert (
                Path(f"data/texts/{of}.parquet").read_bytes() == Path("data/goemotions.parquet").read_bytes()
            )


def test_dvc_sees_that_a_file_changes_and_what_does_not_follow_from_it_stays(here, caplog):
    for name in ("stages", "model_emotion"):
        shutil.copytree(ROOT / name, name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", here)
    change({"own.attributes": "ratings.csv", "emotions": STUDYS})
    repos.dvc("init", "--quiet", "--no-scm").check_returncode()

    def repro():
        """Return whether `targets` of the two runs ran, and the bytes of its outputs."""
        caplog.clear()
        done = repos.dvc("repro", "--single-item", "targets@live", "targets@published")
        assert done.returncode == 0, done.stderr
        made = [
            *Path("results/live").glob("*.csv"),
            *Path("results/published").glob("*.csv"),
            *Path("data/texts").iterdir(),
        ]
        return "Running stage" in caplog.text, {path.as_posix(): path.read_bytes() for path in made}

    (first, before), (again, _) = repro(), repro()
    assert (first, again) == (True, False)
    rewritten("ratings.csv", haste=[1, 2, 4, 1, 7, 7])
    ran, after = repro()
    assert ran and {path for path in after if after[path] != before[path]} == {
        f"results/live/{name}.csv" for name in ("attributes", "attribute_rdms", "weights")
    }  # so the prompts, which are made of texts, stay
