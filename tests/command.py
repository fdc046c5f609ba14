"""The command of a stage in the process of the tests: a new interpreter would spend seconds on imports."""

import contextlib
import importlib
import io
import sys
from subprocess import CompletedProcess

import pytest

from model_emotion.project.stage import run


def call(stage, *options):
    """What `python stages/STAGE.py options` returns and prints in the current folder, as a subprocess.CompletedProcess."""
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
    if isinstance(status, str):  # as Python does at the end of a process
        errors.write(f"{status}\n")
        status = 1
    return CompletedProcess(sys.argv, int(status), out.getvalue(), errors.getvalue())
