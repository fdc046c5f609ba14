"""Prepare a checkout for DVC: one without git, such as a ZIP of a release, or with runs from someone else.

`python -m model_emotion.project.checkout` tells DVC whether the checkout has git: it refuses to run without
git unless `core.no_scm` is set.
"""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from model_emotion.base.errors import UserError
from model_emotion.base.run_folder import faults_of_files, folder_of
from model_emotion.project.stage import run

LOCAL = Path(".dvc/config.local")
"""DVC's settings for this checkout alone, which git ignores."""


def has_git() -> bool:
    """Return whether the current folder is the root of a clone, worktree or submodule.

    A repository around the folder does not count: it knows nothing of these files.
    """
    return Path(".git").exists()


def require_git(what: str) -> None:
    """Raise UserError without git. what: the plural subject of the message, such as "experiments"."""
    if not has_git():
        raise UserError(
            f"{what} need git, and this folder has no .git: clone the repository, or make one of this folder "
            "with `git init`, `git add --all` and `git commit --message start`"
        )


def require_plain(runs: Iterable[str]) -> None:
    """Check the files of runs in data/runs by their names, kinds and sizes, before DVC reads them.

    Raises UserError with a line per fault.
    """
    if found := [fault for name in runs for fault in faults_of_files(folder_of(name))]:
        raise UserError("\n".join(found))


def tell_dvc() -> None:
    """Set `core.no_scm` in DVC's local settings without git, and unset it with git."""
    found = LOCAL.exists() and "no_scm" in LOCAL.read_text(encoding="utf-8")
    if has_git() == found:
        change = ["--unset", "core.no_scm"] if found else ["core.no_scm", "true"]
        subprocess.run(["dvc", "config", "--quiet", "--local", *change], check=True)


if __name__ == "__main__":
    run(tell_dvc)
