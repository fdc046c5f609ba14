"""Map a function over emotions: in this process, in processes on this machine, or on a Dask cluster."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children
from pathlib import Path
from typing import TypeVar, cast

from model_emotion.base.errors import UserError
from model_emotion.base.processor import starting
from model_emotion.live.processes import call, sigint_blocked, start
from model_emotion.params import Params

Result = TypeVar("Result")


def map_emotions(
    make: Callable[[Params], Callable[[str], Result]],
    params: Params,
    names: Sequence[str],
    workers: int,
    files: Iterable[Path],
) -> Iterator[tuple[str, Result]]:
    """Yield (name, result) as results arrive.

    make: called once in each worker process with `params`; returns the function that maps a name to its
    result. The result must not depend on the worker. With one worker everything runs in this process. files:
    what the results are made from. If `params.executor` names a Dask cluster, its workers must have the same
    files. Raises UserError if a worker process is killed.
    """
    if params.executor.kind == "dask":
        from model_emotion.live import dask  # importing Dask takes a second

        yield from dask.map_emotions(make, params, names, workers, files)
        return
    if workers == 1:
        function = make(params)
        yield from ((name, function(name)) for name in names)
        return
    pool = ProcessPoolExecutor(workers, starting(make.__module__), start, (make, params))
    try:
        with sigint_blocked():
            futures = {pool.submit(call, name): name for name in names}
        for future in as_completed(futures):
            yield futures[future], cast(Result, future.result())
    except BrokenProcessPool:
        raise UserError(
            f"one of {workers} worker processes was killed, which happens when memory runs out; "
            "set executor.workers in params.yaml to a smaller number"
        ) from None
    except BaseException:  # an interrupt, here or in the code that takes the results
        for process in active_children():
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
