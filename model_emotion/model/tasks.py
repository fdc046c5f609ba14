"""An emotion as a task for a prompt: which texts of a split it is asked about, and whether each expresses the emotion.

All rows of the split that have the emotion, in file order, then as many others, chosen by a seed. The study drew the others from
all rows, with replacement, and let a drawn row keep its true label: rows repeat, and somewhat more than half are positive. So
chance is not .5 but `Task.majority`.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache

import numpy as np
from datasets import Dataset, disable_progress_bars

from model_emotion.base.errors import UserError

MAX_LENGTH = 256  # the study's, in tokens, `<s>` and `</s>` included


@dataclass(frozen=True, eq=False)
class Task:
    """rows: [n] int64 rows of the split, from 0. labels: [n] int64, 1 where the row has the emotion. Positives stand first."""

    rows: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.rows)

    @property
    def majority(self):
        """Accuracy of always saying the commoner class."""
        share = float(self.labels.mean())
        return max(share, 1 - share)


@dataclass(frozen=True, eq=False)
class Examples:
    """A task with its words. texts: n lists of token ids, `<s>` text `</s>`. labels: [n] int64, 0 or 1."""

    texts: list
    labels: np.ndarray

    def __len__(self):
        return len(self.texts)


def _with_replacement_any(positive, seed, name):
    """The study's, number by number: numpy's legacy generator, from all rows, with replacement."""
    return np.random.RandomState(seed).choice(len(positive), np.count_nonzero(positive))


def _balanced_true_negatives(positive, seed, name):
    """Different rows that don't have the emotion."""
    others, count = np.flatnonzero(~positive), np.count_nonzero(positive)
    if len(others) < count:
        raise UserError(
            f"{name}: {count} rows have it and only {len(others)} do not; protocol.negatives can't be balanced_true_negatives"
        )
    return np.random.default_rng(seed).choice(others, count, replace=False)


NEGATIVES = {
    "with_replacement_any": _with_replacement_any,
    "balanced_true_negatives": _balanced_true_negatives,
}
"""What `protocol.negatives` can be."""


def sample(positive, seed, negatives="with_replacement_any", name="the emotion"):
    """Task of an emotion in a split; positive: [rows] bool. Raises UserError, which begins with the name, where no row is positive."""
    if negatives not in NEGATIVES:
        raise UserError(f"protocol.negatives: {negatives!r} is not one of {', '.join(NEGATIVES)}")
    positive = np.asarray(positive, dtype=bool)
    if not positive.any():
        raise UserError(f"{name}: no row of {len(positive)} has it, so there is nothing to train or evaluate")
    rows = np.concatenate([np.flatnonzero(positive), NEGATIVES[negatives](positive, seed, name)])
    return Task(rows, positive[rows].astype(np.int64))


def cap(task, examples, seed):
    """Task of at most so many examples, in their order, each class keeping its share; None: all.

    The same for the same seed, so that every mask meets the same rows; a smaller cap takes some of what a larger one takes.
    """
    if examples is None or examples >= len(task):
        return task
    if examples < 1:
        raise ValueError(f"a task of {examples} examples")
    order = np.random.default_rng(seed).permutation(len(task))
    positives = round(examples * task.labels.mean())
    kept = np.concatenate(
        [order[task.labels[order] == 1][:positives], order[task.labels[order] == 0][: examples - positives]]
    )
    kept.sort()
    return Task(task.rows[kept], task.labels[kept])


class Corpus:
    """GoEmotions as tasks for one tokenizer; each split is tokenised once, when it is first asked for.

    table: data frame `split`, `text` and a 0/1 column a label, as `data/goemotions.parquet`. max_length: of a text in tokens;
    what is longer is cut, as the study did. folder: where tokens are kept for the next time, or None.
    """

    def __init__(self, table, tokenizer, max_length=MAX_LENGTH, folder=None):
        self._splits = dict(list(table.groupby("split", sort=False)))
        self._tokenizer, self._max_length, self._folder = tokenizer, max_length, folder
        self.texts = cache(self._tokenised)

    def task(self, emotion, split, seed, negatives="with_replacement_any", examples=None):
        """Task of an emotion in a split, of at most so many examples. Raises UserError for what is not there."""
        rows = self._split(split)
        if emotion not in rows:
            raise UserError(f"{emotion}: GoEmotions has no such label")
        return cap(sample(rows[emotion] == 1, seed, negatives, f"{emotion} in {split}"), examples, seed)

    def examples(self, task, split):
        """Examples of a task of that split."""
        texts = self.texts(split)
        return Examples([texts[row] for row in task.rows], task.labels)

    def _tokenised(self, split):
        """Token ids of a split's texts, a list a row."""
        texts, kept = self._split(split)["text"].tolist(), None
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            kept = str(self._folder / f"{self._key(texts)}.arrow")

        def tokenise(rows):
            return {
                "ids": self._tokenizer(rows["text"], truncation=True, max_length=self._max_length)[
                    "input_ids"
                ]
            }

        disable_progress_bars()
        rows = Dataset.from_dict({"text": texts})
        return rows.map(
            tokenise, batched=True, remove_columns="text", cache_file_name=kept, new_fingerprint="tokens"
        )["ids"][:]

    def _key(self, texts):
        """Digest of all that tokens depend on; what a call sets in the tokenizer is no part of it."""
        tokenizer = json.loads(self._tokenizer.backend_tokenizer.to_str()) | {
            "truncation": None,
            "padding": None,
        }
        return hashlib.sha256(json.dumps([texts, tokenizer, self._max_length]).encode()).hexdigest()

    def _split(self, split):
        if split not in self._splits:
            raise UserError(f"protocol.split: {split!r} is not one of {', '.join(self._splits)}")
        return self._splits[split]
