"""Tokens of texts: kept for the next time, made again if a setting changed, special ones read as text."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import tiny_models
from tiny_models import counted
from transformers import AutoTokenizer, BertJapaneseTokenizer

from model_emotion.model import tokens
from model_emotion.model.tasks import Corpus
from model_emotion.model.tokens import tokenise

KEPT = pd.DataFrame({"text": ["happy", "so sad today", ""] * 4, "split": "train", "joy": 1})
IDS = [[0, 10, 2], [0, 9, 11, 12, 2], [0, 2]] * 4


def test_tokens_are_kept_for_the_next_time(tmp_path, monkeypatch):
    calls = counted(monkeypatch, tokens)
    for _ in range(2):
        assert Corpus(KEPT, tiny_models.tokenizer(), 40, tmp_path).texts("train") == IDS
    assert calls == [12]
    assert Corpus(KEPT, tiny_models.tokenizer(), 4, tmp_path).texts("train")[1] == [0, 9, 11, 2]
    sad = Corpus(KEPT.assign(text="sad"), tiny_models.tokenizer(), 40, tmp_path)
    assert sad.texts("train") == [[0, 11, 2]] * 12
    assert calls == [12, 12, 12] and len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("size", [0, 1, 0.5, -1])
def test_tokens_that_were_cut_short_or_emptied_are_made_again(tmp_path, size):
    def read():
        return Corpus(KEPT, tiny_models.tokenizer(), 40, tmp_path).texts("train")

    read()
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: int(size * len(whole)) if isinstance(size, float) else size])
    assert read() == IDS and kept.read_bytes() == whole


def test_every_setting_of_a_tokenizer_has_its_own_tokens(tmp_path):
    read = {}
    for side in ("right", "left"):
        tiny_models.tokenizer().save_pretrained(tmp_path / "tokenizer")
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tokenizer", truncation_side=side)
        read[side] = Corpus(KEPT, tokenizer, 4, tmp_path).texts("train")[1]
    assert read == {"right": [0, 9, 11, 2], "left": [0, 11, 12, 2]}


def test_a_setting_that_a_program_changes_has_its_own_tokens(tmp_path):
    tokenizer = tiny_models.tokenizer()
    assert Corpus(KEPT, tokenizer, 4, tmp_path / "kept").texts("train")[1] == [0, 9, 11, 2]
    tokenizer.truncation_side = "left"
    assert Corpus(KEPT, tokenizer, 4, tmp_path / "kept").texts("train")[1] == [0, 11, 12, 2]

    python, words = python_tokenizer(tmp_path)
    happy, unknown = words.index("happy"), words.index("[UNK]")
    for lower, expected in ((True, happy), (False, unknown), (True, happy)):
        python.word_tokenizer.do_lower_case = lower  # a setting of a part, which is not saved
        table = pd.DataFrame({"text": ["HAPPY"], "split": "train", "joy": 1})
        assert Corpus(table, python, 40, tmp_path / "python").texts("train") == [[2, expected, 3]]
    assert len(list((tmp_path / "python").iterdir())) == 2


def test_tokens_are_found_again_by_another_process(tmp_path):
    code = (
        "import sys, pathlib, pandas as pd\n"
        "from tiny_models import tokenizer\n"
        "from model_emotion.model.tasks import Corpus\n"
        "table = pd.DataFrame({'text': ['so sad'], 'split': 'train', 'joy': 1})\n"
        "Corpus(table, tokenizer(), 40, pathlib.Path(sys.argv[1])).texts('train')\n"
    )
    here = Path(__file__).parent
    # The seed of Python's hashes, on which the order of a set depends, is another one than here.
    environment = os.environ | {
        "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1",
        "PYTHONPATH": os.pathsep.join(map(str, [here, here.parent])),
    }
    table = pd.DataFrame({"text": ["so sad"], "split": "train", "joy": 1})
    Corpus(table, tiny_models.tokenizer(), 40, tmp_path / "kept").texts("train")
    (made,) = (tmp_path / "kept").iterdir()
    before = made.stat().st_mtime_ns
    subprocess.run([sys.executable, "-c", code, tmp_path / "kept"], env=environment, check=True)
    assert list((tmp_path / "kept").iterdir()) == [made] and made.stat().st_mtime_ns == before


def python_tokenizer(folder):
    """A tokenizer written in Python, without a backend of compiled code, as saved in a folder."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *tiny_models.WORDS, "[", "]"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    basic = {"word_tokenizer_type": "basic", "subword_tokenizer_type": "wordpiece"}
    return BertJapaneseTokenizer(str(folder / "vocab.txt"), **basic), words


def test_a_tokenizer_written_in_python_works_and_its_tokens_are_kept(tmp_path, monkeypatch):
    tokenizer, words = python_tokenizer(tmp_path)
    assert not tokenizer.is_fast
    calls = counted(monkeypatch, tokens)
    for _ in range(2):
        read = Corpus(KEPT, tokenizer, 40, tmp_path / "kept").texts("train")
        assert read[:3] == [[2, words.index("happy"), 3], tokenizer("so sad today")["input_ids"], [2, 3]]
    assert calls == [12]


def test_the_spelling_of_a_special_token_is_read_as_text(tmp_path):
    fast = tiny_models.tokenizer()
    texts = ["so <mask> sad", "so sad", "</s> happy <pad>", "so unknown"]
    read = tokenise(fast, texts, 40)
    special = {fast.convert_tokens_to_ids(token) for token in ("<s>", "</s>", "<pad>", "<mask>")}
    assert not any(set(row[1:-1]) & special for row in read)
    plain = fast(texts, truncation=True, max_length=40)["input_ids"]
    assert [a == b for a, b in zip(read, plain, strict=True)] == [False, True, False, True]

    python, words = python_tokenizer(tmp_path)
    python.add_tokens(["so happy"])  # an ordinary token, which stays one
    row = tokenise(python, ["so happy [MASK] today"], 40)[0]
    middle = [words.index("["), 1, words.index("]"), words.index("today")]
    assert row == [2, python.convert_tokens_to_ids("so happy"), *middle, 3]


def test_tokens_are_found_again_in_whatever_order_splits_are_asked_for(tmp_path):
    table = pd.DataFrame({"text": ["happy", "sad"], "split": ["train", "dev"], "joy": 1})
    for order in (["train", "dev"], ["dev", "train"], ["dev"]):
        read = Corpus(table, tiny_models.tokenizer(), 40, tmp_path)  # a call changes a tokenizer
        assert [read.texts(split) for split in order] == [
            {"train": [[0, 10, 2]], "dev": [[0, 11, 2]]}[split] for split in order
        ]
    assert len(list(tmp_path.iterdir())) == 2
