"""Processes that a test may kill or interrupt, forked from one that has imported torch and Dask.

A new interpreter spends seconds on those imports. A fork is ready at once, and behaves the same.
"""

import os
import runpy
import signal
import sys
import tempfile
from multiprocessing import get_context, resource_tracker
from pathlib import Path

_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["distributed.cli.dask_worker", "stages.prompts", "stages.evaluation", "model_emotion.live.dask"]
)


def _run(module, arguments, folder, environment, session, output):
    """Run `python -m module arguments` in the new process, with stderr in a file."""
    if session:
        os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, file in ((1, os.devnull), (2, output)):
        with open(file, "ab") as opened:
            os.dup2(opened.fileno(), stream)
    tracker = resource_tracker._resource_tracker
    tracker._fd = tracker._pid = None  # the process starts its own tracker of semaphores
    sys.argv = [module, *arguments]
    if module.startswith("stages."):
        sys.modules.pop(module, None)  # runpy warns of a module that is already imported
    runpy.run_module(module, run_name="__main__", alter_sys=True)


class Apart:
    """`python -m module arguments` in the current folder, with the part of subprocess.Popen that tests use.

    session: run in a new session. environment: by default that of this process.
    """

    def __init__(self, module, *arguments, session=False, environment=None):
        handle, self._output = tempfile.mkstemp()
        os.close(handle)
        environment = dict(os.environ if environment is None else environment)
        about = (module, list(map(str, arguments)), os.getcwd(), environment, session, self._output)
        self._process = _FORKS.Process(target=_run, args=about)
        self._process.start()
        self.pid = self._process.pid

    def poll(self):
        """The exit status: None while it runs, negative for a signal."""
        return self._process.exitcode

    returncode = property(poll)

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self._process.kill()

    def wait(self, timeout=None):
        """The exit status. Raises TimeoutError if the process still runs after `timeout` seconds."""
        self._process.join(timeout)
        if self.poll() is None:
            raise TimeoutError(f"process {self.pid} still runs after {timeout} s")
        return self.poll()

    def said(self, timeout=None):
        """What it wrote to stderr, once it has ended."""
        self.wait(timeout)
        text = Path(self._output).read_text()
        os.unlink(self._output)
        return text


def killed(params):
    """Stand for a worker that the system kills because memory ran out.

    It is in this module, which a new worker imports in no time.
    """
    os.kill(os.getpid(), signal.SIGKILL)


def shouting(params):
    """Make the function of a worker that needs nothing."""
    return str.upper
