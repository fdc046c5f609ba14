"""The commands of README in fresh clones, and what the stages of `make repro` took, into benchmarks/results/whole.json.

`python benchmarks/whole.py [--quick]`: half an hour. The clones are of this checkout's commit; nothing but the mirror of the inputs, where
MODEL_EMOTION_MIRROR names one, is taken from here. --quick: the stages' times of this checkout as they are; runs nothing.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from side_by_side import Contestant, finished, options, row, timed, write

TIMES = Path("results/times")


def made(target, folder):
    """Seconds of `make TARGET` in that folder."""

    def run():
        done = subprocess.run(["make", target], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            sys.exit(
                f"error: make {target}: {((done.stderr or done.stdout).strip().splitlines() or ['no message'])[-1]}"
            )

    return timed(run)


def stages(folder):
    """Table of the records that stages left in that folder, in the order in which they ended."""
    records = sorted(
        (json.loads(path.read_text()) for path in Path(folder).glob("*.json")), key=lambda own: own["ended"]
    )
    rows = [
        row(Contestant(own["stage"], None, own["stage"]), [own["seconds"]], max(own["memory_mib"].values()))
        for own in records
    ]
    note = "Of each stage's process with its start, from its own record. Memory is the larger of the process and of its largest child."
    return {"title": "The stages of `make repro`", "note": note, "rows": finished(rows)}


def commands(folder):
    """Seconds of each command in two fresh clones under `folder`, and the table of the stages of `make repro`."""
    first, second = Path(folder, "first"), Path(folder, "second")
    for clone in (first, second):
        subprocess.run(["git", "clone", "--quiet", ".", clone], check=True)
    seconds = {"make setup": made("setup", first), "make repro, cold": made("repro", first)}
    found = stages(first / TIMES)
    seconds |= {"make repro, nothing to do": made("repro", first), "make smoke": made("smoke", first)}
    (second / ".venv").symlink_to(first / ".venv")
    seconds |= {"make published, cold": made("published", second), "make test": made("test", first)}
    return seconds, found


def main():
    asked = options(__doc__)
    if asked.quick:
        whole, found = (
            [row(Contestant("commands", None, "commands", missing="--quick runs none"), [])],
            stages(TIMES),
        )
    else:
        with tempfile.TemporaryDirectory() as folder:
            seconds, found = commands(folder)
        whole = [row(Contestant(name, None, name), [own]) for name, own in seconds.items()]
    title, note = (
        "The commands",
        "In fresh clones, each once; set-up comes before the others. Nothing else ran.",
    )
    write("whole", asked, [{"title": title, "note": note, "rows": finished(whole)}, found])


if __name__ == "__main__":
    main()
