"""Bars that show how far long work has come and how much time is left."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], label: str, total: int | None = None, unit: str = "it") -> Iterable[Item]:
    """The items, with a bar on the terminal while they are gone through.

    label: what stands before the bar. total: number of items, where `items` has no length. There is no bar where the output is no
    terminal, nor for work of less than two seconds.
    """
    return tqdm(items, desc=label, total=total, unit=unit, delay=2, leave=False, disable=None)
