"""Work that repeats, a cell at a time: what is done stays done as long as all that it was made from is the same.

A cell is a safetensors file whose metadata carry a fingerprint of the parameters, data and code behind it. It is written whole or
not at all, so that a killed run goes on with the first cell that is missing. Every cell is kept in KEPT too, which git and DVC leave
alone: DVC takes a stage's outputs back when an experiment starts, or ends badly, and experiments that share cells make them once.
"""

import hashlib
import json
import os
import shutil
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from threading import RLock, Thread

from safetensors import SafetensorError, safe_open
from tqdm import tqdm

from model_emotion.files import METADATA, replacing, write_tensors

KEPT = Path("data/cells")
LIBRARY = Path(__file__).parent
CODE = sorted((LIBRARY / "model").glob("*.py"))
"""What decides how a model is measured."""
PACKAGES = ("datasets", "numpy", "tokenizers", "torch", "transformers")
"""Whose versions do, too; builds of one version, for a CPU or a GPU, count as the same."""


def fingerprint(settings, files):
    """Hexadecimal digest of settings (whatever JSON holds), of files' contents, and of the code and packages that measure."""
    versions = {package: version(package).partition("+")[0] for package in PACKAGES}
    digest = hashlib.sha256(json.dumps([settings, versions], sort_keys=True).encode())
    for path in (*CODE, *files):
        digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return digest.hexdigest()


class Cells:
    """The cells of a folder. fingerprints: {name: fingerprint} of those that there are to be."""

    def __init__(self, folder, fingerprints):
        self.folder, self.fingerprints = Path(folder), fingerprints

    def path(self, name):
        """The cell's file."""
        return self.folder / f"{name}.safetensors"

    def missing(self):
        """Names of the cells that are to be made: not there, not whole, or made from something else, and not among those kept."""
        missing = []
        for name, mark in self.fingerprints.items():
            if _mark(self.path(name)) != mark:
                if _mark(self._kept(name)) == mark:
                    self._take(name)
                else:
                    missing.append(name)
        return missing

    def write(self, name, tensors, about):
        """Write a cell: arrays by name, and what else there is to know about it."""
        write_tensors(tensors, self._kept(name), {**about, "fingerprint": self.fingerprints[name]})
        self._take(name)

    def read(self, name):
        """(arrays by name, about) of a cell."""
        return read(self.path(name))

    def sweep(self):
        """Remove all files that are no cell of these."""
        keep = {self.path(name) for name in self.fingerprints}
        for path in set(self.folder.glob("*")) - keep:
            path.unlink()

    def _kept(self, name):
        return KEPT / f"{self.folder.name}-{name}-{self.fingerprints[name][:16]}.safetensors"

    def _take(self, name):
        with replacing(self.path(name)) as part:
            shutil.copyfile(self._kept(name), part)


def _mark(path):
    """A cell's fingerprint, None where there is no whole cell."""
    try:
        with safe_open(path, "np") as file:
            return json.loads(file.metadata()[METADATA])["fingerprint"]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def spread(make, settings, names, workers, files):
    """Yields (name, result) as results come. make(settings) gives the function of a name that makes one.

    Each of the workers is a process that calls `make` once; with one, all is done here. What a name gives may not depend on the worker.
    settings.executor may name a cluster instead, whose workers must have the same `files`, those that results are made from.
    """
    if settings.executor.kind == "dask":
        from model_emotion import wide  # Dask takes a while to load

        yield from wide.spread(make, settings, names, workers, files)
        return
    if workers == 1:
        work = make(settings)
        yield from ((name, work(name)) for name in names)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start, (make, settings))
    try:
        with deaf():
            asked = {pool.submit(_call, name): name for name in names}
        for future in as_completed(asked):
            yield asked[future], future.result()
    except BaseException:  # an interrupt, here or in what takes the results
        for process in active_children():
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def deaf():
    """Processes that start inside do not hear an interrupt, which a terminal sends to all: their parent, who hears it after, ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(make, settings):
    global _work
    be_worker()
    _work = make(settings)


def be_worker():
    """Make this process one that can be killed at any time, and that ends when the one that started it has ended."""
    tqdm.set_lock(RLock())  # not one between processes, of which a worker that is killed leaves a semaphore behind
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    parent_process().join()
    os._exit(1)  # killed, it can't have said goodbye


def _call(name):
    return _work(name)


def read(path):
    """(arrays by name, about) of a safetensors file."""
    with safe_open(path, "np") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()[METADATA])  # noqa: SIM118
