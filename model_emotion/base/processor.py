"""The cores that a process may use, how workers start, and functions compiled for this processor."""

import os
import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.context import BaseContext


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no such call


def starting(module: str) -> BaseContext:
    """Return the way to start worker processes that need a module which takes long to import.

    On Linux one process imports the module and does nothing else; workers are forked from it and share its
    memory. Elsewhere each worker is a new interpreter, because some libraries of macOS fail after a fork.
    """
    if sys.platform != "linux":
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([module])
    return context


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
