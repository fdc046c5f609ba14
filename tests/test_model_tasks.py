"""An emotion as a task: sampling that equals the study's, and limits on the number of examples."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_models
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import counted

from model_emotion.base.errors import UserError
from model_emotion.base.study import EMOTIONS, SEEDS
from model_emotion.model import tasks
from model_emotion.model.backbone import load
from model_emotion.model.tasks import Corpus, Task, cap, sample
from model_emotion.model.tokens import tokenise

GOEMOTIONS = Path(__file__).parents[1] / "data/goemotions.parquet"
TABLE = pd.DataFrame(
    {
        "split": ["train", "dev", "dev", "train", "dev", "dev"],
        "text": [
            "i am happy",
            "so sad today",
            "it was a long long long long long day",
            "again",
            "happy day",
            "",
        ],
        "joy": [1, 0, 0, 0, 1, 0],
        "grief": [0, 1, 0, 1, 0, 0],
        "pride": [0, 0, 0, 1, 0, 0],
    }
)


def corpus(**options):
    return Corpus(TABLE, tiny_models.tokenizer(), **options)


@pytest.fixture(scope="module")
def goemotions():
    if not GOEMOTIONS.is_file():
        pytest.skip(f"{GOEMOTIONS} is not there: `dvc repro goemotions` makes it")
    return pd.read_parquet(GOEMOTIONS)


def test_sampling_by_hand():
    positive = np.array([False, False, True, False, False, True, True, False, False, False])
    task = sample(positive, seed=1)
    assert task.rows.tolist() == [
        2,
        5,
        6,
        5,
        8,
        9,
    ]  # numpy's generator of old draws 5, 8, 9 of 10 from seed 1
    assert task.labels.tolist() == [1, 1, 1, 1, 0, 0]  # row 5 came again, and is positive
    assert task.majority == pytest.approx(4 / 6)


def test_sampling_is_the_studys_calls():
    """As the study's dataset class does it, on a data frame and numpy's global generator."""
    table = pd.DataFrame(
        {"text": [f"text {i}" for i in range(300)], "joy": np.random.default_rng(4).random(300) < 0.2}
    )
    for seed in SEEDS:
        np.random.seed(seed)  # noqa: NPY002
        positive = table[table["joy"] == 1].index
        drawn = np.random.choice(table.index, len(positive))  # noqa: NPY002
        expected = table.iloc[list(positive) + list(drawn)]
        task = sample(table["joy"], seed)
        assert table["text"].iloc[task.rows].tolist() == expected["text"].tolist()
        assert task.labels.tolist() == expected["joy"].astype(int).tolist()


positives = st.lists(st.booleans(), min_size=2, max_size=80).filter(any).map(np.array)
seeds = st.integers(0, 2**32 - 1)


@given(positives, seeds)
def test_the_studys_way_doubles_the_positives_and_keeps_true_labels(positive, seed):
    task, count = sample(positive, seed), positive.sum()
    assert len(task) == 2 * count
    np.testing.assert_array_equal(task.rows[:count], np.flatnonzero(positive))
    np.testing.assert_array_equal(task.labels, positive[task.rows])
    assert task.majority == task.labels.mean() >= 0.5


@given(positives, seeds)
def test_true_negatives_are_different_and_balanced(positive, seed):
    if positive.sum() > (~positive).sum():
        with pytest.raises(UserError, match="the emotion: .* balanced_true_negatives"):
            sample(positive, seed, "balanced_true_negatives")
        return
    task = sample(positive, seed, "balanced_true_negatives")
    assert task.majority == 0.5
    assert len(set(task.rows)) == len(task) == 2 * positive.sum()
    np.testing.assert_array_equal(task.labels, positive[task.rows])


def test_seeds_matter_and_repeat():
    positive = np.arange(200) % 4 == 0
    for negatives in ("with_replacement_any", "balanced_true_negatives"):
        one, again, two = (sample(positive, seed, negatives).rows for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, again)
        assert (one[50:] != two[50:]).any()


def test_what_cannot_be_sampled_is_refused():
    with pytest.raises(UserError, match="grief in dev: no row of 3 has it"):
        sample(np.zeros(3, bool), 1, name="grief in dev")
    with pytest.raises(
        UserError,
        match="protocol.negatives: 'none' is not one of with_replacement_any, balanced_true_negatives",
    ):
        sample(np.ones(3, bool), 1, "none")


@given(positives, seeds, st.integers(1, 200), st.integers(1, 200))
def test_a_cap_keeps_order_and_classes_and_grows(positive, seed, small, large):
    task = sample(positive, seed)
    whole = Task(np.arange(len(task)), task.labels)  # rows that tell their own place
    small, large = sorted((small, large))
    fewer, more = cap(whole, small, seed), cap(whole, large, seed)
    assert len(fewer) == min(small, len(task))
    assert (np.diff(fewer.rows) > 0).all()
    assert set(fewer.rows) <= set(more.rows)
    np.testing.assert_array_equal(fewer.labels, task.labels[fewer.rows])
    assert abs(fewer.labels.sum() - len(fewer) * task.labels.mean()) <= 0.5 + 1e-9
    np.testing.assert_array_equal(fewer.rows, cap(whole, small, seed).rows)


def test_no_cap_is_the_task_itself():
    task = sample(np.array([True, False, True]), 1)
    assert cap(task, None, 1) is task
    assert cap(task, 4, 1) is task
    with pytest.raises(ValueError):
        cap(task, 0, 1)


def test_a_corpus_is_tokenised_once_as_one_text_at_a_time(monkeypatch):
    calls, tokenizer = counted(monkeypatch, tasks), tiny_models.tokenizer()
    small = corpus(max_length=8)
    task = small.task("joy", "dev", seed=3)
    for _ in range(2):
        examples = small.examples(task, "dev")
    assert calls == [4]
    dev = TABLE[TABLE["split"] == "dev"]["text"].tolist()
    assert small.texts("dev") == [tokenizer(text, truncation=True, max_length=8)["input_ids"] for text in dev]
    assert small.texts("dev")[1] == [
        0,
        *[tiny_models.VOCABULARY.index(word) for word in ["it", "was", "a", "long", "long", "long"]],
        2,
    ]
    assert small.texts("dev")[3] == [0, 2]
    assert examples.texts == [small.texts("dev")[row] for row in task.rows]
    assert examples.labels is task.labels and len(examples) == len(task) == 2
    assert task.rows[0] == 2  # counted within the split


def test_a_corpus_caps_its_tasks():
    assert len(corpus().task("grief", "dev", 1)) == 2
    assert len(corpus().task("grief", "dev", 1, examples=1)) == 1


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("happiness", "dev", 1), "happiness: GoEmotions has no such label"),
        (("joy", "valid", 1), "protocol.split: 'valid' is not one of train, dev"),
        (("pride", "dev", 1), "pride in dev: no row of 4 has it"),
    ],
)
def test_a_corpus_names_what_is_not_there(arguments, said):
    with pytest.raises(UserError, match=said):
        corpus().task(*arguments)


def test_class_balance_of_the_real_dev_split(goemotions):
    whole = Corpus(goemotions, tiny_models.tokenizer())
    drawn = {emotion: [whole.task(emotion, "dev", seed) for seed in SEEDS] for emotion in EMOTIONS}
    shares = np.array([[task.labels.mean() for task in drawn[emotion]] for emotion in EMOTIONS])
    assert shares.min() == 0.5 and 0.56 < shares.max() < 0.57
    assert shares.mean() == pytest.approx(0.516, abs=5e-4)
    np.testing.assert_array_equal(
        shares, [[task.majority for task in drawn[emotion]] for emotion in EMOTIONS]
    )
    assert {len(task) for task in drawn["grief"]} == {26}
    assert len({tuple(task.rows) for task in drawn["grief"]}) == len(SEEDS)


def test_ordinary_texts_of_goemotions_keep_their_tokens(goemotions):
    tokenizer = load("sentence-transformers/all-MiniLM-L6-v2").tokenizer
    texts = goemotions["text"].tolist()
    ordinary = [text for text in texts if not any(token in text for token in tokenizer.all_special_tokens)]
    assert (
        tokenise(tokenizer, ordinary, 256)
        == tokenizer(ordinary, truncation=True, max_length=256)["input_ids"]
    )
