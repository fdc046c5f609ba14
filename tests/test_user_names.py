"""Names are anyone's: of any script, however composed, and the words of our own tables."""

import csv
import io
import itertools
import shlex
import unicodedata
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import worlds
from dvc.utils.hydra import apply_overrides
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager, rc_context
from worlds import change, run

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv
from model_emotion.base.results import Activations, read_activations
from model_emotion.base.values import nameable
from model_emotion.figures import fonts, style
from model_emotion.params import load_params
from stages import claims, drops, retests, targets

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.xdist_group("own")]
RESULTS = Path(__file__).parents[1] / "results"


def user_files(emotions, attributes):
    """Write texts and ratings with these names, and name them in params.yaml."""
    draw, old = np.random.default_rng(3), pd.read_csv("data/own/posts.csv")
    labels = draw.permuted(
        np.eye(len(emotions), dtype=int)[draw.integers(0, len(emotions), len(old))], axis=0
    )
    texts = pd.DataFrame({"split": old["split"], "text": old["text"]}).join(
        pd.DataFrame(labels, columns=emotions)
    )
    texts.to_csv("data/own/posts.csv", index=False)
    ratings = pd.DataFrame(draw.random((len(emotions), len(attributes))), columns=attributes)
    ratings.insert(0, "emotion", emotions)
    ratings.to_csv("data/own/ratings.csv", index=False)
    change(worlds.USER_SMALL | {
        "own.texts": "posts.csv", "own.attributes": "ratings.csv", "emotions": emotions, "top_k": [5],
        "training.examples": 8, "evaluation.examples": 8,
    })  # fmt: skip


def header(path):
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file))


def rewrite_header(path, names):
    """Rename the columns of a CSV file."""
    pd.read_csv(path, dtype=str).rename(columns=names).to_csv(path, index=False)


def columns_of_our_tables():
    """Return the columns of result tables that can be names."""
    files = [*RESULTS.rglob("*.csv"), *RESULTS.rglob("*.parquet")]
    found = {
        c
        for file in files
        for c in (pq.read_schema(file).names if file.suffix == ".parquet" else header(file))
    }
    if len(found) < 50:
        pytest.skip("no results: run `make published` first")
    names = set()
    for column in found - {*study.EMOTIONS, *study.ATTRIBUTES}:
        with suppress(ValueError):
            names.add(nameable(column))
    return sorted(names)


def tables():
    """Return {path: rows of cells} of all result tables of the run."""
    found = {}
    for path in sorted(Path("results/live").rglob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            found[path.as_posix()] = list(csv.reader(file))
    return found


def test_attributes_may_have_the_names_of_our_own_columns(here, monkeypatch):
    """Every result is the same but for the names as with names that mean nothing."""
    names = columns_of_our_tables()
    assert {"attribute", "attribute_a", "shared", "tau"} <= set(names)
    meaningless = {name: f"Attribute {number:03}" for number, name in enumerate(names)}
    user_files(worlds.STUDYS, names)
    run(monkeypatch, targets, *worlds.MEASURE, drops, retests, claims)
    ours = tables()
    rewrite_header("data/own/ratings.csv", meaningless)
    run(monkeypatch, targets, *worlds.MEASURE, drops, retests, claims)
    for path, rows in tables().items():
        pairs = zip(itertools.chain(*rows), itertools.chain(*ours[path]), strict=True)
        assert [(a, b) for a, b in pairs if a not in (b, meaningless.get(b))] == [], path


EMOTIONS = [
    "喜び",
    "fro\u0308hlich",
    "खुशी",
    "شادی\u200cها",
    "Ärger 2",
    "attribute",
    "attribute_a",
    "shared",
    "none",
    "unmasked",
]
ATTRIBUTES = ["温かさ", "E\u0301nergie", "weight", "गर्मी"]


@pytest.mark.filterwarnings("error:Glyph:UserWarning")  # a letter that is drawn as a box
def test_names_of_any_script_however_they_are_composed(here, monkeypatch, caplog):
    """No font but the figures' own is installed."""
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    user_files(EMOTIONS, ATTRIBUTES)
    change(
        {
            "emotions": [unicodedata.normalize("NFC", name) for name in EMOTIONS],
            "figures.emotion": EMOTIONS[1],
        }
    )
    run(monkeypatch, targets, *worlds.MEASURE, *worlds.ANALYSE)
    composed = {unicodedata.normalize("NFC", name) for name in EMOTIONS}
    assert set(read_activations("results/live/activations.safetensors").emotions) == composed
    assert set(read_csv("results/live/drop_by_cell.csv")["emotion"]) == composed
    attributes = {unicodedata.normalize("NFC", name) for name in ATTRIBUTES}
    assert set(read_csv("results/live/drop_by_cell.csv")["attribute"]) == attributes

    assert (
        "no installed font has the letters of 喜び, खुशी, 温かさ, गर्मी. Figures show emotion 1, "
        in caplog.text
    )


@pytest.fixture
def font(tmp_path):
    """The file of a font that has the letters of 喜び alone."""
    made, names = FontBuilder(1000), [".notdef", "yorokobi", "bi"]
    made.setupGlyphOrder(names)
    made.setupCharacterMap({ord("喜"): "yorokobi", ord("び"): "bi"})
    pen = TTGlyphPen(None)
    for step in ((0, 0), (0, 700), (700, 700), (700, 0)):
        (pen.lineTo if step != (0, 0) else pen.moveTo)(step)
    pen.closePath()
    square = pen.glyph()
    made.setupGlyf(dict.fromkeys(names, square))
    made.setupHorizontalMetrics(dict.fromkeys(names, (800, 0)))
    made.setupHorizontalHeader(ascent=800, descent=-200)
    made.setupNameTable({"familyName": "Two Letters", "styleName": "Regular"})
    made.setupOS2()
    made.setupPost()
    made.save(tmp_path / "two-letters.ttf")
    return str(tmp_path / "two-letters.ttf")


@pytest.mark.filterwarnings("error:Glyph:UserWarning")
def test_letters_come_from_an_installed_font_that_has_them(font, monkeypatch, caplog):
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: ["no-such-font.ttf", font])
    lettering = fonts.lettering({"emotion": ["joy", "喜び", "温かさ"], "attribute": ["Wärme", "гнев"]})
    assert lettering == fonts.Lettering((font,), {"温かさ": "emotion 3"})
    assert "the letters of 温かさ. Figures show emotion 3 instead" in caplog.text
    with rc_context(style.lettered(lettering)):
        figure = style.canvas(60, 30)
        figure.text(0, 0.5, "joy 喜び Wärme")
        figure.savefig(io.BytesIO(), format="png")


def test_names_are_written_another_way_everywhere_in_a_table():
    lettering = fonts.Lettering(instead={"喜": "emotion 1", "喜び": "emotion 2"})
    table = pd.DataFrame({"key": ["喜び, 喜", "joy"], "喜": [1, 2], "at": pd.Categorical(["喜", "joy"])})
    assert lettering.written(table).to_dict("list") == {
        "key": ["emotion 2, emotion 1", "joy"], "emotion 1": [1, 2], "at": ["emotion 1", "joy"],
    }  # fmt: skip
    measured = Activations(np.zeros((1, 2, 4), np.float32), (1,), ("喜び", "joy"), 2, 2, "tiny")
    assert lettering.written(measured).emotions == ("emotion 2", "joy")


@pytest.mark.parametrize("emotions, message", [
    (["Joy", "joy", "fear", "love"], "'Joy' and 'joy' differ only in capitals"),
    (["\u00e9t\u00e9", "e\u0301te\u0301", "fear", "love"], "'\u00e9t\u00e9' is listed twice"),
    (["joy/fear", "anger", "fear", "love"], "'joy/fear' can't be a name"),
    (["..", "anger", "fear", "love"], "'..' can't be a name"),
    (["x" * 49, "anger", "fear", "love"], "at most 48 of them"),
    (["True", "anger", "fear", "love"], "'True' can't be a name"),
])  # fmt: skip
def test_names_that_could_be_mistaken_are_refused(here, emotions, message):
    change({"emotions": emotions})
    with pytest.raises(UserError, match=message):
        load_params()


def test_the_settings_of_the_page_can_be_given_to_dvc(here):
    (block,) = (block for block in worlds.BLOCKS if block.startswith("-S "))
    apply_overrides("params.yaml", [word for word in shlex.split(block) if word != "-S"])
    params = load_params()
    assert params.emotions == ["joy", "anger", "fear", "fr\u00f6hlich"]
    assert (params.own.texts, params.training.lr) == ("posts (1).csv", 0.01)
