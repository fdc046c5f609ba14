"""GoEmotions as one table: equal to the study's dev.csv and test.csv; malformed rows are errors."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model_emotion.base.errors import InputError
from model_emotion.base.files import write_parquet
from model_emotion.base.study import EMOTIONS
from model_emotion.inputs.goemotions import SPLITS, read_labels, read_split, tidy

ROOT = Path(__file__).parents[1]
LABELS = [f"label{i}" for i in range(27)] + ["neutral"]


@pytest.fixture(scope="module")
def labels(raw):
    return read_labels(raw("human", "Data/raw_data/subjective_comparison/emotions.txt"))


@pytest.fixture(scope="module")
def table(raw, labels):
    return tidy(
        {split: read_split(raw("goemotions", f"goemotions/data/{split}.tsv"), labels) for split in SPLITS}
    )


@pytest.fixture
def tsv(tmp_path):
    def write(content):
        path = tmp_path / "dev.tsv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_rows_by_hand(tsv):
    table = read_split(
        tsv('it\'s 5" long\t0,27\tid1\n"quoted"\t3\tid2\n, commas, stay\t3,4,5\tid3\n'), LABELS
    )
    assert list(table) == ["text", *LABELS]
    assert list(table["text"]) == ["it's 5\" long", "quoted", ", commas, stay"]
    assert [list(np.flatnonzero(row)) for row in table[LABELS].to_numpy()] == [[0, 27], [3], [3, 4, 5]]
    assert table[LABELS].to_numpy().sum() == 6
    assert set(table[LABELS].dtypes) == {np.dtype(np.uint8)}


def test_splits_keep_their_order(tsv):
    split = read_split(tsv("a\t1\tx\nb\t2\ty\n"), LABELS)
    table = tidy({"train": split, "dev": split.iloc[::-1]})
    assert list(table) == ["split", "text", *LABELS]
    assert list(zip(table["split"], table["text"], strict=True)) == [
        ("train", "a"),
        ("train", "b"),
        ("dev", "b"),
        ("dev", "a"),
    ]
    assert list(table.index) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a\t1\tx\nsecret\t2\n", "line 2: 2 fields instead of 3"),
        ("a\t1\tx\n\nb\t1\ty\n", "line 2: 0 fields"),
        ("secret\ttab\t1\ty\n", "line 1: 4 fields"),
        ("a\t1\tx\nsecret\t28\ty\n", "line 2: the second field is not label ids from 0 to 27"),
        ("secret\t-1\tx\n", "line 1: the second field"),
        ("secret\t\tx\n", "line 1: the second field"),
        ("secret\t1,\tx\n", "line 1: the second field"),
        ("secret\t\u00b2\tx\n", "line 1: the second field"),
        ('a\t1\tx\n"secret, its quote never closed\t1\ty\nb\t1\tz\n', "line 3: 1 fields"),
        ("text\tsecret\tx\n", "line 1: the second field"),
        (b"secret\xff\t1\tx\n", "byte 7 is not UTF-8"),
        ("", "has no rows"),
    ],
)
def test_a_malformed_file_is_named_with_its_line_and_without_its_text(tsv, content, said):
    path = tsv(content)
    with pytest.raises(InputError) as caught:
        read_split(path, LABELS)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("names", [LABELS[:-1], LABELS[::-1], [LABELS[1], *LABELS[1:]], [*LABELS, "neutral"]])
def test_label_names_must_be_the_28(tmp_path, names):
    path = tmp_path / "emotions.txt"
    path.write_text("\n".join(names))
    with pytest.raises(InputError, match=r"emotions\.txt: \d+ names"):
        read_labels(path)


def test_labels_are_the_study_s_emotions_and_neutral(labels):
    assert set(labels) == {*EMOTIONS, "neutral"}
    assert labels[:-1] == sorted(EMOTIONS)


def test_its_size(table, labels):
    assert table["split"].value_counts().to_dict() == {"train": 43_410, "dev": 5_426, "test": 5_427}
    assert list(table) == ["split", "text", *labels]
    assert (table[labels].sum(axis=1) >= 1).all()


@pytest.mark.parametrize("split", ["dev", "test"])
def test_text_and_labels_equal_the_study_s_own_tables(raw, table, labels, split):
    with open(raw("reference", f"Data/goemotions/{split}.csv"), encoding="utf-8", newline="") as file:
        theirs = list(csv.DictReader(file))
    ours = table[table["split"] == split]
    assert list(ours["text"]) == [row["text"] for row in theirs]
    np.testing.assert_array_equal(
        ours[labels].to_numpy(), [[int(row[label]) for label in labels] for row in theirs]
    )


def test_no_comment_id_is_left(raw, table):
    with open(raw("goemotions", "goemotions/data/dev.tsv"), encoding="utf-8", newline="") as file:
        ids = {row[2] for row in csv.reader(file, delimiter="\t")}
    assert not ids & set(table.astype(str).to_numpy().ravel())


def test_datasets_loads_it_and_its_bytes_are_the_same_twice(table, labels, tmp_path, monkeypatch):
    for name in ("one", "two"):
        write_parquet(table, tmp_path / f"{name}.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    call = (
        "import datasets\n"
        "data = datasets.load_dataset('parquet', data_files='one.parquet', cache_dir='cache')['train']\n"
        "print(data.num_rows, data.num_columns, data.features['text'].dtype, data.features['neutral'].dtype)"
    )
    done = subprocess.run(
        [sys.executable, "-c", call], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["54263", "30", "string", "uint8"]


def test_the_stage_writes_it(raw, table, tmp_path):
    """From raw files laid out as `fetch` leaves them."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    files = [
        ("human", "Data/raw_data/subjective_comparison/emotions.txt"),
        *(("goemotions", f"goemotions/data/{s}.tsv") for s in SPLITS),
    ]
    for group, path in files:
        source = raw(group, path)
        target = tmp_path / "data/raw" / source.relative_to(source.parents[path.count("/") + 4])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source.resolve())
    command = [sys.executable, str(ROOT / "stages/goemotions.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "data/goemotions.parquet"), table)
    target.unlink()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        done.stderr.startswith("error: data/raw/goemotions/") and "dvc repro fetch@goemotions" in done.stderr
    )
