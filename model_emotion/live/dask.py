"""Cells on a Dask cluster: `executor.kind: dask`. What `cells.spread` does in processes of its own, done by workers anywhere.

A worker is a process of one thread that was started in a checkout like this one: the same code, packages and files, or it is refused.
It does a cell at a time, on a GPU where workers say that they have one. A cell whose worker dies is done again by another.
docs/cluster.md shows how to start a cluster.
"""

import asyncio
import hashlib
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.resource_tracker import ensure_running
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from uuid import uuid4

import cloudpickle
from distributed import CancelledError, Client, LocalCluster, Worker, get_worker, wait
from distributed.scheduler import KilledWorker

from model_emotion.base.errors import UserError
from model_emotion.live.fingerprint import library_digest
from model_emotion.live.processes import become_worker, sigint_blocked

CODE = library_digest()
"""Digest of the library as it was when this process began, and of the packages that measure."""
PATIENCE = 60
"""Seconds that a cluster may be without a worker, or its scheduler without a word."""
STEP = 1
"""Seconds between two looks at who is there."""
FETCH = 10
"""Seconds that a result may take from its worker to here."""
LOCAL = "127.0.0.1"


@dataclass(frozen=True)
class Job:
    """What a worker must know of one `spread`: (make, settings) as bytes, so that a scheduler need not load them, and what they rest on."""

    key: str
    work: bytes
    code: str
    files: dict  # {path: sha256}

    @classmethod
    def of(cls, make, settings, files):
        return cls(uuid4().hex, cloudpickle.dumps((make, settings)), CODE, _digests(files))

    def function(self):
        """The function of a name. Raises UserError where this process has other code or files than the one that asks."""
        if self.code != CODE:
            raise UserError("other code or packages than here; start it anew, in this checkout")
        for path, digest in _digests(self.files).items():
            if digest != self.files[path]:
                raise UserError(
                    f"{path}: {'other data than here' if digest else 'not there'}; start it in this checkout"
                )
        make, settings = cloudpickle.loads(self.work)
        return make(settings)


def _digests(files):
    """{path: sha256 of the file, None for one that is not there}"""
    paths = map(Path, files)
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None for path in paths
    }


_functions = {}
"""Of the last job alone: a worker may live long, and a model is large."""


def _call(job, name):
    if job.key not in _functions:
        _functions.clear()
        try:
            _functions[job.key] = job.function()
        except UserError as error:
            raise UserError(f"worker {get_worker().address}: {error}") from None
    return _functions[job.key](name)


def map_emotions(make, settings, names, workers, files):
    """`cells.spread` on the cluster at settings.executor.address, or on one of so many workers on this machine.

    No more cells are asked for than there are workers, so that a worker that dies takes one cell with it, and one that joins gets one.
    Raises UserError where the cluster or all of its workers are gone, where a cell was the end of several workers, and for a worker that is
    not as it should be.
    """
    job, todo, running, seen = Job.of(make, settings, files), list(names), {}, monotonic()
    with _interrupted(), _client(settings.executor.address, workers) as (client, tend):
        while todo or running:
            tend()
            with _answering(client):
                places, resources = _places(client)
                seen = monotonic() if places else seen
                if monotonic() - seen > PATIENCE:
                    raise UserError(f"{_address(client)}: no worker for {PATIENCE} s; what is done stays")
                while todo and len(running) < places:
                    name = todo.pop(0)
                    running[client.submit(_call, job, name, key=f"{name}-{job.key}", resources=resources)] = (
                        name
                    )
                done = _some(running)
            for future in done:
                for result in _fetched(client, running[future], future):
                    yield running.pop(future), result


def _places(client):
    """(cells that can be done at a time, resources that each needs). Raises UserError for a worker of several threads."""
    found = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=PATIENCE)["workers"]
    for address, worker in found.items():
        if worker["nthreads"] != 1:
            raise UserError(f"worker {address}: has {worker['nthreads']} threads; start it with --nthreads 1")
    gpus = [worker for worker in found.values() if worker["resources"].get("GPU")]
    return len(gpus or found), {"GPU": 1} if gpus else None


def _some(running):
    """Those of the futures that are done, within STEP."""
    if not running:
        sleep(STEP)
        return []
    try:
        return wait(list(running), STEP, "FIRST_COMPLETED").done
    except TimeoutError:
        return []


def _fetched(client, name, future):
    """[what the cell gave], or nothing where that died with its worker and is made again.

    Raises what the cell raised, and UserError where it was the end of its workers or the scheduler is gone.
    """
    try:
        return [future.result(None if future.status == "error" else FETCH)]
    except KilledWorker as killed:
        raise UserError(
            f"{name}: {killed.allowed_failures + 1} workers died of it; have they too little memory?"
        ) from None
    except CancelledError:
        raise _gone(client) from None
    except TimeoutError:
        if future.status == "error":  # the cell's own
            raise
        return []


@contextmanager
def _answering(client):
    """Turns what a scheduler that is gone leads to into a UserError."""
    try:
        yield
    except (CancelledError, OSError):
        raise _gone(client) from None


@contextmanager
def _interrupted():
    """An interrupt stays one, whatever a cluster that is closed in haste has to say."""
    try:
        yield
    except Exception as error:
        before = error.__context__
        while before is not None:
            if isinstance(before, KeyboardInterrupt):
                raise before from None
            before = before.__context__
        raise


def _gone(client):
    return UserError(
        f"{_address(client)}: the scheduler is gone; what is done stays, the same command goes on"
    )


def _address(client):
    return f"executor.address: {client.scheduler.address}"


def _silence():
    """What Dask has to say of connections and workers that are lost is said in one line, by us."""
    for name in ("asyncio", *logging.root.manager.loggerDict):
        if name.startswith(("asyncio", "distributed")):
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _client(address, workers):
    """(client of the cluster, function that starts workers again) of the one at the address, or of one that begins and ends here."""
    _silence()
    if address:
        try:
            client = Client(address, timeout=PATIENCE / 2)
        except (OSError, ValueError):
            raise UserError(f"executor.address: {address}: no scheduler answers") from None
        with client:
            yield client, lambda: None
    else:
        alone = {
            "n_workers": 0,
            "host": LOCAL,
            "dashboard_address": f"{LOCAL}:0",
            "silence_logs": logging.CRITICAL,
        }
        with (
            LocalCluster(**alone) as cluster,
            Client(cluster) as client,
            _workers(cluster.scheduler_address, workers) as tend,
        ):
            yield client, tend


@contextmanager
def _workers(scheduler, many):
    """Processes on this machine that work for a scheduler; a function that starts those again that have died."""
    import torch

    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(torch.cuda.device_count())))).split(
        ","
    )
    gpus, processes = gpus if torch.cuda.is_available() else [None], [None] * many

    def tend():
        for number, process in enumerate(processes):
            if process is None or not process.is_alive():
                arguments = (scheduler, gpus[number % len(gpus)], folder)
                processes[number] = get_context("spawn").Process(target=_serve, args=arguments, daemon=True)
                with sigint_blocked():
                    processes[number].start()

    ensure_running()  # it ends the silence that it starts in
    with TemporaryDirectory() as folder:
        try:
            tend()
            yield tend
        finally:
            for process in filter(None, processes):
                process.kill()
                process.join()


def _serve(scheduler, gpu, folder):
    """What a process does that is a worker of this machine."""
    become_worker()
    _silence()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu

    async def serve():
        about = {"nthreads": 1, "memory_limit": None, "resources": {"GPU": 1} if gpu is not None else None}
        async with Worker(scheduler, host=LOCAL, dashboard=False, local_directory=folder, **about) as worker:
            await worker.finished()

    asyncio.run(serve())
