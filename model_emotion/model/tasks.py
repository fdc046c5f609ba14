"""An emotion as a task for a prompt: some texts of a split, and whether each expresses the emotion.

A task has all rows of the split with the emotion, in file order, then as many others, drawn with a seed. The
study drew the others from all rows, with replacement, and let a drawn row keep its true label. So rows
repeat, and somewhat more than half are positive: the chance level is not .5 but `Task.majority`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from transformers import PreTrainedTokenizerBase

from model_emotion.base.errors import UserError
from model_emotion.model.tokens import kept_tokens, tokenise

MAX_LENGTH = 256
"""The study's longest text in tokens, `<s>` and `</s>` included."""


@dataclass(frozen=True, eq=False)
class Task:
    """The rows of a split that a prompt is asked about, positives first.

    rows: int64 [n] numbers of rows, from 0. labels: int64 [n], 1 if the row has the emotion.
    """

    rows: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def majority(self) -> float:
        """Accuracy of always answering with the majority class."""
        share = float(self.labels.mean())
        return max(share, 1 - share)


@dataclass(frozen=True, eq=False)
class Examples:
    """A task with its texts, as lists of token ids `<s>` text `</s>`. labels: int64 [n], 0 or 1."""

    texts: list[list[int]]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


def _with_replacement_any(positive: np.ndarray, seed: int, name: str) -> np.ndarray:
    """Draw from all rows with replacement, by numpy's legacy generator; the same numbers as the study."""
    return np.random.RandomState(seed).choice(len(positive), np.count_nonzero(positive))


def _balanced_true_negatives(positive: np.ndarray, seed: int, name: str) -> np.ndarray:
    """Draw distinct rows without the emotion."""
    others, count = np.flatnonzero(~positive), np.count_nonzero(positive)
    if len(others) < count:
        raise UserError(
            f"{name}: {count} rows have it and only {len(others)} do not, "
            "so protocol.negatives can't be balanced_true_negatives"
        )
    return np.random.default_rng(seed).choice(others, count, replace=False)


NEGATIVES: dict[str, Callable[[np.ndarray, int, str], np.ndarray]] = {
    "with_replacement_any": _with_replacement_any,
    "balanced_true_negatives": _balanced_true_negatives,
}
"""The values of `protocol.negatives`."""


def sample(
    positive: ArrayLike, seed: int, negatives: str = "with_replacement_any", name: str = "the emotion"
) -> Task:
    """Draw the task of an emotion in a split.

    positive: bool [rows]. Raises UserError, which begins with `name`, if no row is positive.
    """
    if negatives not in NEGATIVES:
        raise UserError(f"protocol.negatives: {negatives!r} is not one of {', '.join(NEGATIVES)}")
    has_it = np.asarray(positive, dtype=bool)
    if not has_it.any():
        raise UserError(f"{name}: no row of {len(has_it)} has it, so there is nothing to train or evaluate")
    rows = np.concatenate([np.flatnonzero(has_it), NEGATIVES[negatives](has_it, seed, name)])
    return Task(rows, has_it[rows].astype(np.int64))


def cap(task: Task, examples: int | None, seed: int) -> Task:
    """Limit a task to some examples, in their order; each class keeps its share. None: no limit.

    The same seed gives the same rows, so that every mask meets the same texts. A smaller cap takes some of
    the rows that a larger one takes.
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
    """GoEmotions as tasks for one tokenizer. Each split is tokenised once, when it is first needed.

    table: columns `split`, `text` and a 0/1 column per label, as `data/goemotions.parquet`.
    max_length: of a text in tokens; longer texts are cut, as in the study.
    folder: where tokens are kept for the next time, or None.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int = MAX_LENGTH,
        folder: Path | None = None,
    ):
        self._splits = {str(split): rows for split, rows in table.groupby("split", sort=False)}
        self._tokenizer, self._max_length, self._folder = tokenizer, max_length, folder
        self.texts: Callable[[str], list[list[int]]] = cache(self._tokenised)

    def task(
        self,
        emotion: str,
        split: str,
        seed: int,
        negatives: str = "with_replacement_any",
        examples: int | None = None,
    ) -> Task:
        """Draw the task of an emotion in a split. Raises UserError if there is no such emotion or split.

        examples: the most that the task may have, or None.
        """
        rows = self._split(split)
        if emotion not in rows:
            raise UserError(f"{emotion}: GoEmotions has no such label")
        return cap(sample(rows[emotion] == 1, seed, negatives, f"{emotion} in {split}"), examples, seed)

    def examples(self, task: Task, split: str) -> Examples:
        """Return the examples of a task of that split."""
        texts = self.texts(split)
        return Examples([texts[row] for row in task.rows], task.labels)

    def _tokenised(self, split: str) -> list[list[int]]:
        """Token ids of each row of a split."""
        texts = self._split(split)["text"].tolist()
        if self._folder:
            return kept_tokens(self._tokenizer, texts, self._max_length, self._folder)
        return tokenise(self._tokenizer, texts, self._max_length)

    def _split(self, split: str) -> pd.DataFrame:
        if split not in self._splits:
            raise UserError(f"protocol.split: {split!r} is not one of {', '.join(self._splits)}")
        return self._splits[split]
