"""The number of cores that a process may use, and functions compiled for this machine's processor."""

import os
from collections.abc import Callable


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no such call


def compiled(function: Callable) -> Callable:
    """Return a function that numba compiles at its first call and that runs without Python's global lock.

    numba keeps the machine code for later processes, in `__pycache__` or in the user's cache folder. If it
    can write to neither, as in a read-only container, each process compiles the function again. A compiled
    function may only call compiled functions of its own module, because numba ignores changes in others.
    """
    from numba import njit  # takes half a second, which processes that only count cores save

    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder can be written
        return njit(nogil=True)(function)
