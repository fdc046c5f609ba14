"""A user's own attributes, texts and backbone: docs/own_data.md on a tiny model, results, refusals."""

import json
import shlex
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import repos
import worlds
from scipy import stats
from worlds import BLOCKS, STUDYS, change, run

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import parse_yaml, read_csv
from model_emotion.base.results import read_activations
from model_emotion.figures import catalogue
from model_emotion.human import user_ratings
from model_emotion.inputs import user_data
from model_emotion.toolkit.masks import rank_neurons
from stages import targets as stage

ROOT = Path(__file__).parents[1]
EXPERIMENTS = {
    words[words.index("--name") + 1]: words
    for block in BLOCKS
    if "dvc exp run" in block
    for words in [shlex.split(block)]
}
pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.xdist_group("own")]


def settings(words):
    """{key: value} of a command's `-S key=value`."""
    values = [word for option, word in zip(words, words[1:], strict=False) if option == "-S"]
    return {key: parse_yaml(value) for key, value in (word.split("=", 1) for word in values)}


def results():
    """results/live's tables by name."""
    return {path.stem: read_csv(path) for path in Path("results/live").glob("*.csv")}


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


# What own attributes become


def test_rescaled_distances_by_hand():
    scores = user_ratings.rescaled(
        pd.DataFrame({"warmth": [10.1, 10.3, 10.2, 10.5]}, index=["awe", "joy", "zest", "calm"])
    )
    np.testing.assert_allclose(scores["warmth"], [0, 0.5, 0.25, 1])
    # Pairs of the run's emotions, in its order: (calm, zest), (calm, joy), (zest, joy).
    # 10.3 - 10.2 and 10.2 - 10.1 would differ in floats.
    np.testing.assert_allclose(
        user_ratings.attribute_rdms(scores, ["calm", "zest", "joy"])["warmth"], [0.75, 0.5, 0.25]
    )
    awe, zest, joy = "awe", "zest", "joy"
    first, _, second = user_ratings.attribute_rdms(scores, [awe, zest, joy])["warmth"]
    assert first == second and 10.3 - 10.2 != 10.2 - 10.1


def test_the_weights_of_own_ratings_are_kendalls_tau_with_the_mean_human_rdm(here):
    """Over all of the 27 that were rated, also those that the run has not."""
    change({"own.attributes": "ratings.csv", "emotions": STUDYS[:4]})
    sys_argv = ["stage", "--run", "live"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", sys_argv)
        stage.main()
    weights, human = results()["weights"].set_index("attribute"), read_csv("results/human/mean_rdm.csv")
    ratings = pd.read_csv("data/own/ratings.csv").set_index("emotion")
    judged = human[human["emotion_a"].isin(STUDYS) & human["emotion_b"].isin(STUDYS)]
    assert len(judged) == 10 and list(weights.index) == list(ratings)
    for attribute in ratings:
        distances = [
            round(abs(ratings[attribute][a] - ratings[attribute][b]), 9)
            for a, b, _ in judged.itertuples(index=False)
        ]
        assert weights.loc[attribute, "tau"] == pytest.approx(
            stats.kendalltau(distances, judged["distance"]).statistic
        )
    assert results()["attributes"]["emotion"].tolist() == STUDYS[:4] and len(results()["attribute_rdms"]) == 6


def test_the_studys_ratings_given_as_ones_own_are_the_studys(raw, here):
    """The study's ratings, handed in by a user, give the same weights, and distances but for scale."""
    human = ROOT / "results/human"
    raw("human", "Data/raw_data/subjective_comparison/emotions.txt")
    if not (human / "weights.csv").exists():
        pytest.skip("no human results: run `make published` first")
    shutil.copy(human / "attributes.csv", "data/own/study.csv")
    ratings = user_data.read_ratings("study.csv", study.EMOTIONS)
    scores = user_ratings.rescaled(ratings)
    pd.testing.assert_frame_equal(scores, ratings)
    theirs, ours = read_csv(human / "attribute_rdms.csv"), user_ratings.attribute_rdms(scores, study.EMOTIONS)
    for attribute in study.ATTRIBUTES:
        np.testing.assert_allclose(ours[attribute], theirs[attribute] / theirs[attribute].max(), atol=1e-11)
    weights = user_ratings.human_weights(scores, read_csv(human / "similarity.csv"), 1000, 1)
    known = read_csv(human / "weights.csv")
    for column in ("tau", "tau_boot"):
        np.testing.assert_allclose(weights[column], known[column], atol=2e-3)


# What is refused


def replaced(file, old, new):
    path = Path("data/own", file)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def rewritten(file, **columns):
    """The CSV with other columns; None leaves one out."""
    path = Path("data/own", file)
    table = (
        pd.read_csv(path)
        .assign(**columns)
        .drop(columns=[name for name, values in columns.items() if values is None])
    )
    table.to_csv(path, index=False)


def cell(row, column, value):
    """Sets one cell of the texts; row from 1."""
    table = pd.read_csv("data/own/posts.csv", dtype=str)
    table.loc[row - 1, column] = value
    table.to_csv("data/own/posts.csv", index=False)


def indexed(name, **columns):
    """The CSV as Parquet, with other columns, its rows named by anything but their number."""
    table = pd.read_csv(f"data/own/{name}.csv").assign(**columns)
    table.set_axis([7 - row for row in range(len(table))]).to_parquet(f"data/own/{name}.parquet")


A, T = {"own.attributes": "ratings.csv"}, {"own.texts": "posts.csv"}
RATINGS, POSTS = "data/own/ratings.csv: ", "data/own/posts.csv: "


@pytest.mark.parametrize(
    ("spoil", "values", "message"),
    [
        # no table
        (
            None,
            {"own.attributes": "rating.csv"},
            "data/own/rating.csv: not found; did you mean 'ratings.csv'?",
        ),
        (
            None,
            {"own.texts": "x.parquet"},
            "data/own/x.parquet: not found; data/own has posts.csv, ratings.csv",
        ),
        (
            lambda: Path("data/own/ratings.csv").write_bytes(b"emotion,warmth\njoy,\xff\n"),
            A,
            RATINGS + "line 2: not UTF-8",
        ),
        (lambda: Path("data/own/ratings.csv").write_text(""), A, RATINGS + "is empty"),
        (lambda: Path("data/own/ratings.csv").write_text("emotion,warmth\n"), A, RATINGS + "has no rows"),
        (
            lambda: replaced("ratings.csv", "joy,", "joy,1,"),
            A,
            RATINGS + "line 2: has 6 cells, but the header has 5 columns",
        ),
        (
            lambda: Path("data/own/x.parquet").write_text("no"),
            {"own.texts": "x.parquet"},
            "data/own/x.parquet: can't be read as Parquet",
        ),
        (
            lambda: replaced("ratings.csv", "emotion,", ","),
            A,
            RATINGS + "column 1 has no name; if it is pandas' index",
        ),
        (lambda: replaced("ratings.csv", "warmth", "energy"), A, RATINGS + "column 'energy' is listed twice"),
        # ratings
        (
            lambda: replaced("ratings.csv", "emotion", "Emotion"),
            A,
            RATINGS + "no column 'emotion' among Emotion, energy, warmth, strength, haste",
        ),
        (
            lambda: rewritten("ratings.csv", energy=None, warmth=None, strength=None, haste=None),
            A,
            RATINGS + "no attribute",
        ),
        (lambda: replaced("ratings.csv", "anger", "joy"), A, RATINGS + "data row 2: 'joy' is listed twice"),
        (
            lambda: replaced("ratings.csv", "anger", "angry"),
            A,
            "params.yaml: emotions[1]: 'anger' has no row in data/own/ratings.csv; did you mean 'angry'?",
        ),
        (
            lambda: rewritten("ratings.csv", warmth=[1, 2, None, 4, 5, 6]),
            A,
            RATINGS + "data row 3, column 'warmth': is not a number",
        ),
        (
            lambda: rewritten("ratings.csv", warmth=[1, 2, 3, 4, 5, "much"]),
            A,
            RATINGS + "data row 6, column 'warmth': is not a number",
        ),
        (
            lambda: rewritten("ratings.csv", warmth=[1, 2, 3, 4, 5, "inf"]),
            A,
            RATINGS + "data row 6, column 'warmth': is not a number",
        ),
        (
            lambda: rewritten("ratings.csv", warmth=[3, 3, 3, 3, 3, 4]),
            A,
            RATINGS + "column 'warmth' is the same for all of params.yaml's emotions",
        ),
        (
            lambda: Path("data/own/ratings.csv").write_text(
                "emotion,warmth\njoy,1\nanger\nfear,2\nsadness,3\nlove,4\n"
            ),
            A,
            RATINGS + "line 3: has 1 cells, but the header has 2 columns",
        ),
        (
            lambda: Path("data/own/ratings.csv").write_text('emotion,warmth\n"joy\nanger",1\nfear,2\n'),
            A,
            RATINGS + "data row 1, column 'emotion': has a line break",
        ),
        (
            lambda: replaced("ratings.csv", "warmth", "warm/cold"),
            A,
            RATINGS + "attribute 'warm/cold' can't be a name",
        ),
        (
            lambda: replaced("ratings.csv", "warmth", "random"),
            A,
            RATINGS + "attribute 'random' can't be a name",
        ),
        (
            lambda: replaced("ratings.csv", "warmth", "model"),
            A,
            RATINGS + "attribute 'model' can't be a name",
        ),
        (
            lambda: indexed("ratings", warmth=[1, 2, None, 4, 5, 6]),
            {"own.attributes": "ratings.parquet"},
            "data/own/ratings.parquet: data row 3, column 'warmth': is not a number",
        ),
        (
            None,
            A | {"masks.ranking": "spaces"},
            "params.yaml: masks.ranking: 'spaces' needs all attributes of a space, but data/own/ratings.csv",
        ),
        (
            None,
            A | {"figures.attribute": "warmt"},
            "params.yaml: figures.attribute: 'warmt' is no column of data/own/ratings.csv; did you mean "
            "'warmth'?",
        ),
        # texts
        (
            lambda: rewritten("posts.csv", split=None),
            T,
            POSTS + "no column 'split' among its 7; the first row must name them",
        ),
        (
            lambda: rewritten("posts.csv", text=None),
            T,
            POSTS + "no column 'text' among its 7; the first row must name them",
        ),
        (
            lambda: cell(402, "split", "validation"),
            T,
            POSTS + "data row 402, column 'split': is not train, dev or test",
        ),
        (lambda: cell(7, "text", " "), T, POSTS + "data row 7, column 'text': is not a text"),
        (lambda: cell(9, "fear", "2"), T, POSTS + "data row 9, column 'fear': is not 0 or 1"),
        (lambda: cell(9, "fear", ""), T, POSTS + "data row 9, column 'fear': is not 0 or 1"),
        (
            lambda: rewritten("posts.csv", fear=None),
            T,
            "params.yaml: emotions[2]: 'fear' is no column of data/own/posts.csv; its labels are joy, anger",
        ),
        (
            lambda: replaced("posts.csv", "sadness", "sad"),
            T,
            "params.yaml: emotions[3]: 'sadness' is no column of data/own/posts.csv; did you mean 'sad'?",
        ),
        (
            lambda: rewritten("posts.csv", fear=[1] * 400 + [0] * 200),
            T,
            POSTS + "every row of train has 'fear'",
        ),
        (
            lambda: rewritten("posts.csv", fear=[0, 1] * 200 + [0] * 200),
            T,
            POSTS + "no row of dev has 'fear'",
        ),
        (
            lambda: rewritten("posts.csv", split=["train"] * 400 + ["test"] * 200),
            T,
            POSTS + "no row of dev has 'joy'",
        ),
        (
            lambda: rewritten("posts.csv", fear=[0, 1] * 250 + [0] * 100),
            T | {"protocol.split": "test"},
            POSTS + "no row of test has 'fear'",
        ),
        (
            None,
            T | {"emotions": [*STUDYS, "zest"]},
            "params.yaml: emotions[5]: the study has no ratings of 'zest'; give some as own.attributes",
        ),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line_before_anything_is_written(
    here, monkeypatch, spoil, values, message
):
    change({"emotions": STUDYS} | values)
    if spoil:
        spoil()
    with pytest.raises(UserError) as caught:
        run(monkeypatch, stage)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
    assert not Path("results/live").exists() and not Path("data/texts").exists()


def test_what_needs_no_complaint(here, monkeypatch):
    """A byte order mark, other columns, texts that look like gaps, booleans, an unused split, categories."""
    table = pd.read_csv("data/own/posts.csv").assign(id=range(600), fear=lambda rows: rows["fear"] == 1)
    table.loc[3, "text"], table.loc[table["split"] == "test", "joy"] = "null", 0
    categories = pd.Categorical(table["split"], ["val", "dev", "train", "test"])
    table.assign(split=categories, tags=[["a", "b"]] * 600, n=1).to_parquet(
        "data/own/posts.parquet", index=False
    )
    table.assign(fear=table["fear"].astype(float)).to_csv(
        "data/own/posts.csv", index=False, encoding="utf-8-sig"
    )
    made = []
    for file in ("posts.csv", "posts.parquet"):
        change({"own.texts": file, "emotions": STUDYS})
        run(monkeypatch, stage)
        made.append(pd.read_parquet("data/texts/live.parquet"))
    assert (made[1].pop("n") == 1).all()  # as good as a label, and no harm
    pd.testing.assert_frame_equal(*made)
    assert list(made[0]) == ["split", "text", *STUDYS, "zest"] and made[0]["text"][3] == "null"
    assert (made[0][[*STUDYS, "zest"]].dtypes == np.uint8).all() and (made[0]["fear"] == table["fear"]).all()


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
