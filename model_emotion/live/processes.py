"""Worker processes on this machine: how they start, which signals they hear, and when they end."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from threading import RLock, Thread, current_thread, main_thread
from typing import Any

from tqdm import tqdm


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Start processes inside this block that ignore Ctrl-C.

    A terminal sends an interrupt to all processes. The parent hears it after the block and ends its workers.
    Its other threads can take the signal too, and Python would then raise KeyboardInterrupt in the block: so
    the handler waits as well.
    """
    heard: list[int] = []
    in_main = current_thread() is main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, _: heard.append(number)) if in_main else None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if in_main:
            signal.signal(signal.SIGINT, handler)
        if heard:
            signal.raise_signal(signal.SIGINT)


def become_worker() -> None:
    """Make this process end when its parent ends, and make it safe to kill at any time."""
    tqdm.set_lock(RLock())  # the default lock is a semaphore, which a killed process would leave behind
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)  # a parent that was killed could not end its workers


def start(make: Callable[[Any], Callable], settings: Any) -> None:
    """Prepare a worker process of a pool: build the function that it calls for each name."""
    global _function
    become_worker()
    _function = make(settings)


def call(name: str) -> object:
    """Call the function that `start` built."""
    return _function(name)


_function: Callable[[str], object]
