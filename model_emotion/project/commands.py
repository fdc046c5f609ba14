"""Run a command and return what it prints."""

import subprocess
from pathlib import Path

from model_emotion.base.errors import UserError


def output(*command: str | Path, cwd: Path | str = ".") -> str:
    """Return what a command prints, without surrounding white space.

    Raises UserError with its stderr if it fails.
    """
    ran = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    if ran.returncode:
        raise UserError(f"`{' '.join(map(str, command))}`: {ran.stderr.strip() or 'failed'}")
    return ran.stdout.strip()
