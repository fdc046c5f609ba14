"""The number of cores that a process may use, and functions compiled for the processor."""

import os
from collections.abc import Callable


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS does not say which


def compiled(function: Callable) -> Callable:
    """Compile a function with numba at its first call. It runs without Python's global lock.

    The machine code is cached for other processes, in `__pycache__` beside the module or in the user's cache
    folder. If neither can be written, as in a read-only container, each process compiles the function again.
    A compiled function may only call compiled functions of its own module, because numba notices no other
    changes.
    """
    from numba import njit  # takes half a second, which processes that only count cores save

    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder for the cache
        return njit(nogil=True)(function)
