"""git and DVC for tests: an author of commits, and DVC's commands without a new process."""

import contextlib
import io
import json
import os
import subprocess
from pathlib import Path

import pytest

WHO = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "x"), ("EMAIL", "x@x.invalid"))
}
"""Environment variables that name the author of commits."""


def git(*words, cwd="."):
    """Return what a git command prints. The test fails if the command does."""
    done = subprocess.run(["git", *words], cwd=cwd, env=os.environ | WHO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit_all(cwd=".", message="all"):
    """Commit every file that is not ignored. Return the commit's hash."""
    git("add", "--all", cwd=cwd)
    git("commit", "--quiet", "--message", message, cwd=cwd)
    return git("rev-parse", "HEAD", cwd=cwd).strip()


def dvc(*words, cwd="."):
    """Run a DVC command in this process.

    Return a subprocess.CompletedProcess, without the output of stages.
    """
    from dvc.cli import main

    out, errors = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            status = main([str(word) for word in words])
        except SystemExit as ended:  # of --version
            status = ended.code or 0
    return subprocess.CompletedProcess(["dvc", *words], status, out.getvalue(), errors.getvalue())


@contextlib.contextmanager
def dvc_here():
    """Inside, `subprocess.run(["dvc", ...])` of any module runs DVC in this process."""
    plain = subprocess.run

    def run(command, *, cwd=".", check=False, **options):
        if command[0] != "dvc":
            return plain(command, cwd=cwd, check=check, **options)
        assert set(options) <= {"capture_output", "text"}, options
        done = dvc(*command[1:], cwd=cwd)
        if check:
            done.check_returncode()
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "run", run)
        yield


def dvc_repository(folder, stages, ignored=""):
    """Make a folder with files a committed repository of git and DVC, and run its stages.

    stages: those of dvc.yaml. ignored: content of .gitignore. Return the commit's hash.
    """
    (Path(folder) / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    (Path(folder) / ".gitignore").write_text(ignored)
    git("init", "--quiet", "--initial-branch", "main", cwd=folder)
    for words in (["init"], ["repro"]):
        done = dvc(*words, "--quiet", cwd=folder)
        assert done.returncode == 0, done.stderr
    return commit_all(folder)
