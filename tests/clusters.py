"""A Dask cluster whose workers tests start and kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from apart import Apart
from distributed import Client

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | {
    "PYTHONPATH": str(ROOT)
}
"""Of processes: the switches must hold without it."""


class Cluster:
    """A scheduler, and workers that are started and killed at will."""

    def __init__(self, folder):
        self.folder, self.processes, about = folder, [], folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", about
        )
        until(lambda: about.exists() and about.read_text().rstrip().endswith("}"))  # it is written in parts
        self.address = json.loads(about.read_text())["address"]
        self.client = Client(self.address)

    def _start(self, *command, library=ROOT):
        if library == ROOT:
            process = Apart("dask", *command, environment=ENVIRONMENT)
        else:  # a fork has imported the library of this checkout
            silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            command = [sys.executable, "-m", "dask", *command]
            process = subprocess.Popen(command, env=ENVIRONMENT | {"PYTHONPATH": str(library)}, **silent)
        self.processes.append(process)
        return process

    def pids(self):
        """{address: process id} of the workers."""
        return self.client.run(os.getpid)

    def join(self, *options, **where):
        """Start a worker in the folder that is the current one."""
        usual = [
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
            "--memory-limit",
            "0",
            "--local-directory",
            self.folder,
        ]
        return self._start("worker", self.address, *usual, *options, **where)

    def have(self, many):
        """So many workers, in the folder that is the current one."""
        pids = list(self.pids().values())
        for pid in pids[many:]:
            os.kill(pid, signal.SIGKILL)
        for _ in range(many - len(pids)):
            self.join()
        self.expect(many)
        self.client.run(os.chdir, str(Path.cwd()))

    def expect(self, many):
        until(lambda: len(self.client.scheduler_info()["workers"]) == many)

    def end(self):
        self.client.close()
        for process in self.processes:
            process.kill()
            process.wait()


def until(done):
    """Wait for it, two minutes at most."""
    start = time.monotonic()
    while not done():
        assert time.monotonic() - start < 120
        time.sleep(0.02)
