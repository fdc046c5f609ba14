"""Progress bars."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], label: str, total: int | None = None, unit: str = "it") -> Iterable[Item]:
    """Return the items, with a progress bar on the terminal while they are iterated over.

    label: the text before the bar. total: the number of items if `items` has no length. There is no bar if
    the output is not a terminal, or if the work takes less than two seconds.
    """
    return tqdm(items, desc=label, total=total, unit=unit, delay=2, leave=False, disable=None)
