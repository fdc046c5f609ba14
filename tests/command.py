"""Run a stage in the process of the tests, since a new interpreter would spend seconds on imports."""

import contextlib
import importlib
import io
import sys
from subprocess import CompletedProcess

import pytest

from model_emotion.project.stage import run


def call(stage, *options):
    """Run `python stages/STAGE.py options` in the current folder. Return a subprocess.CompletedProcess."""
    out, errors, status = io.StringIO(), io.StringIO(), 0
    main = importlib.import_module(f"stages.{stage}").main
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        patch.setattr(sys, "argv", [stage, *map(str, options)])
        try:
            run(main)
        except SystemExit as ended:
            status = ended.code or 0
    if isinstance(status, str):  # as Python does when a process ends
        errors.write(f"{status}\n")
        status = 1
    return CompletedProcess(sys.argv, int(status), out.getvalue(), errors.getvalue())
