"""Run a command and take what it prints."""

import subprocess

from model_emotion.base.errors import UserError


def output(*command, **options):
    """What a command prints. options: of `subprocess.run`. Raises UserError with what it says where it fails."""
    ran = subprocess.run(command, capture_output=True, text=True, **options)
    if ran.returncode:
        raise UserError(f"`{' '.join(map(str, command))}`: {ran.stderr.strip() or 'failed'}")
    return ran.stdout.strip()
