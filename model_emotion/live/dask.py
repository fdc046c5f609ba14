"""Map a function over emotions on a Dask cluster, whose scheduler is at `executor.address` in params.yaml.

A worker is a process of one thread that was started in a checkout like this one. A worker with other code,
packages or files is refused. Each worker computes one emotion at a time, on a GPU if any worker declares one.
If a worker dies, another one computes its emotion. docs/cluster.md shows how to start a cluster.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar
from uuid import uuid4

import cloudpickle
from distributed import CancelledError, Client, Future, get_worker, wait
from distributed.scheduler import KilledWorker

from model_emotion.base.errors import UserError
from model_emotion.base.files import sha256
from model_emotion.live.fingerprint import library_digest
from model_emotion.params import Params

CODE = library_digest()
"""The library and the measuring packages as they were when this process began."""
PATIENCE = 60
"""Seconds to wait for a first worker, or for an answer of the scheduler."""
STEP = 1
"""Seconds between two looks at the workers."""
FETCH = 10
"""Seconds that a result may take from its worker to this process."""


@dataclass(frozen=True)
class Job:
    """What a worker needs to know of one call of `map_emotions`."""

    key: str
    work: bytes
    """(make, params), pickled, so that the scheduler need not import the library."""
    code: str
    files: dict[str, str | None]
    """{path: SHA-256, None if there is no such file}"""

    @classmethod
    def of(cls, make: Callable, params: Params, files: Iterable[Path]) -> "Job":
        """Describe a job that depends on these files."""
        return cls(uuid4().hex, cloudpickle.dumps((make, params)), CODE, _digests(files))

    def function(self) -> Callable[[str], object]:
        """Build the function to map. Raises UserError if this process has other code or files."""
        if self.code != CODE:
            raise UserError("has other code or packages; restart it in this checkout")
        for path, digest in _digests(map(Path, self.files)).items():
            if digest != self.files[path]:
                raise UserError(
                    f"{path}: {'differs' if digest else 'not found'}; start the worker in this checkout"
                )
        make, params = cloudpickle.loads(self.work)
        return make(params)


def _digests(files: Iterable[Path]) -> dict[str, str | None]:
    return {str(path): sha256(path) if Path(path).is_file() else None for path in files}


_functions: dict[str, Callable[[str], object]] = {}
"""The function of the latest job alone: a worker may live long, and a model is large."""


def _call(job: Job, name: str) -> object:
    if job.key not in _functions:
        _functions.clear()
        try:
            _functions[job.key] = job.function()
        except UserError as error:
            raise UserError(f"worker {get_worker().address}: {error}") from None
    return _functions[job.key](name)


Result = TypeVar("Result")


def map_emotions(
    make: Callable[[Params], Callable[[str], Result]],
    params: Params,
    names: Sequence[str],
    workers: int,
    files: Iterable[Path],
) -> Iterator[tuple[str, Result]]:
    """Yield (name, result) as `executor.map_emotions` does, from the cluster at `params.executor.address`.

    There are never more tasks than workers, so that a worker that dies takes one task with it, and a worker
    that joins gets one. `workers` is not used: all of the cluster's work. Raises UserError if the cluster or
    all its workers are gone, if several workers died of one task, and for a worker that is refused.
    """
    job, todo, seen = Job.of(make, params, files), list(names), monotonic()
    running: dict[Future, str] = {}
    with _interrupted(), _client(params.executor.address) as client:
        while todo or running:
            with _answering(client):
                places, resources = _places(client)
                seen = monotonic() if places else seen
                if monotonic() - seen > PATIENCE:
                    raise UserError(f"{_address(client)}: no worker for {PATIENCE} s")
                while todo and len(running) < places:
                    name = todo.pop(0)
                    key = f"{name}-{job.key}"
                    running[client.submit(_call, job, name, key=key, resources=resources)] = name
                done = _finished(running)
            for future in done:
                for result in _fetched(client, running[future], future):
                    yield running.pop(future), result


def _places(client: Client) -> tuple[int, dict[str, int] | None]:
    """Return how many tasks can run, and the resources of each.

    Raises UserError for a worker with several threads.
    """
    assert client.scheduler is not None  # it is connected
    found = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=PATIENCE)["workers"]
    for address, worker in found.items():
        if worker["nthreads"] != 1:
            raise UserError(f"worker {address}: has {worker['nthreads']} threads; start it with --nthreads 1")
    gpus = [worker for worker in found.values() if worker["resources"].get("GPU")]
    return len(gpus or found), {"GPU": 1} if gpus else None


def _finished(running: dict[Future, str]) -> Iterable[Future]:
    """Return the futures that finish within STEP."""
    if not running:
        sleep(STEP)
        return []
    try:
        return wait(list(running), STEP, "FIRST_COMPLETED").done
    except TimeoutError:
        return []


def _fetched(client: Client, name: str, future: Future) -> list:
    """Return [the result], or [] if it was lost with its worker and is computed again.

    Raises what the task raised, and UserError if it killed its workers or the scheduler is gone.
    """
    try:
        return [future.result(None if future.status == "error" else FETCH)]
    except KilledWorker as killed:
        died = killed.allowed_failures + 1
        raise UserError(
            f"{name}: {died} workers died while computing it; do they have enough memory?"
        ) from None
    except CancelledError:
        raise _gone(client) from None
    except TimeoutError:
        if future.status == "error":  # the task's own
            raise
        return []


@contextmanager
def _answering(client: Client) -> Iterator[None]:
    """Turn the errors of a lost scheduler into a UserError."""
    try:
        yield
    except (CancelledError, OSError):
        raise _gone(client) from None


@contextmanager
def _interrupted() -> Iterator[None]:
    """Let a KeyboardInterrupt through, even if closing the connection fails after it."""
    try:
        yield
    except Exception as error:
        before = error.__context__
        while before is not None:
            if isinstance(before, KeyboardInterrupt):
                raise before from None
            before = before.__context__
        raise


def _gone(client: Client) -> UserError:
    return UserError(f"{_address(client)}: the scheduler is gone")


def _address(client: Client) -> str:
    return f"executor.address: {client.scheduler.address if client.scheduler else None}"


@contextmanager
def _client(address: str | None) -> Iterator[Client]:
    """Connect to a scheduler, and silence Dask's messages on lost connections: a UserError replaces them."""
    for name in ("asyncio", *logging.root.manager.loggerDict):
        if name.startswith(("asyncio", "distributed")):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=PATIENCE / 2)
    except (OSError, ValueError):
        raise UserError(f"executor.address: {address}: no scheduler answers") from None
    with client:
        yield client
