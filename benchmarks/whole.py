"""`make repro` in a fresh clone, cold and with nothing to do, and what its stages took, into benchmarks/results/whole.json.

`python benchmarks/whole.py [--quick]`: a quarter of an hour. The clone is of this checkout's commit; nothing but the mirror of the inputs,
where MODEL_EMOTION_MIRROR names one, is taken from here. --quick: the stages' times of this checkout as they are; runs nothing.
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
            sys.exit(f"error: make {target}: {((done.stderr or done.stdout).strip().splitlines() or ['no message'])[-1]}")

    return timed(run)


def stages(folder):
    """Table of the records that stages left in that folder, in the order in which they ended."""
    records = sorted((json.loads(path.read_text()) for path in Path(folder).glob("*.json")), key=lambda own: own["ended"])
    rows = [row(Contestant(own["stage"], None, own["stage"]), [own["seconds"]], max(own["memory_mib"].values())) for own in records]
    note = "Of each stage's process with its start, from its own record. Memory is the larger of the process and of its largest child."
    return {"title": "The stages of `make repro`", "note": note, "rows": finished(rows)}


def main():
    asked = options(__doc__)
    if asked.quick:
        reason = "--quick runs no `make repro`"
        whole, found = [row(Contestant(name, None, name, missing=reason), []) for name in ("cold", "nothing to do")], stages(TIMES)
    else:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["git", "clone", "--quiet", ".", folder], check=True)
            seconds = {"set-up": made("setup", folder), "cold, to a verified report": made("repro", folder)}
            found = stages(Path(folder) / TIMES)
            seconds["nothing to do"] = made("repro", folder)
        seconds["set-up and cold"] = seconds["set-up"] + seconds["cold, to a verified report"]
        whole = [row(Contestant(name, None, name), [own]) for name, own in seconds.items()]
    write("whole", asked, [{"title": "`make repro`", "note": "In a fresh clone, one run.", "rows": finished(whole)}, found])


if __name__ == "__main__":
    main()
