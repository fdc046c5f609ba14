"""The cores of this machine that a process may use, and functions compiled for its processor."""

import os
from collections.abc import Callable


def cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS does not say which


def compiled(function: Callable) -> Callable:
    """Compile a function with numba at its first call, without Python's global lock.

    The machine code is kept beside the module (in `__pycache__`, or in the user's cache folder) for the next process.
    Where neither can be written, as in a read-only container, each process compiles anew.
    A compiled function may only call compiled functions of its own module: numba looks for changes in no other.
    """
    from numba import njit  # half a second, which processes that only count cores need not spend

    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder for the cache
        return njit(nogil=True)(function)
