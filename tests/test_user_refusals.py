"""What is refused in a user's own files, in one line, and what needs no complaint."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from worlds import STUDYS, change, rewritten, run

from model_emotion.base.errors import UserError
from stages import targets as stage

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.xdist_group("own")]


def replaced(file, old, new):
    path = Path("data/own", file)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


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
