"""A progress bar for long work, with the time left."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], label: str, total: int | None = None, unit: str = "it") -> Iterable[Item]:
    """Return the items, with a progress bar while they are iterated over.

    label: the text before the bar. total: number of items, if `items` has no length. No bar is shown for work
    that takes less than two seconds, or if the output is not a terminal.
    """
    return tqdm(items, desc=label, total=total, unit=unit, delay=2, leave=False, disable=None)
