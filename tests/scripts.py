"""Shell scripts that stand for commands in tests of the set-up."""


def command(path, script):
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
