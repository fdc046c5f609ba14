"""Time README's commands in fresh clones, and the stages of `make repro`: benchmarks/results/whole.json.

`python benchmarks/whole.py [--quick]` takes half an hour. It clones this checkout's commit and takes nothing
else from here but the mirror of the inputs, if MODEL_EMOTION_MIRROR names one. A command that fails is
recorded as not measured, and the exit status is then 1. --quick only reads the times that the stages of this
checkout recorded.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from side_by_side import Method, finished, options, row, timed, write

TIMES = Path("results/times")


def made(name: str, target: str, folder: Path) -> dict:
    """Run `make TARGET` in a folder, and return a row of the table."""
    ended = []
    seconds = timed(
        lambda: ended.append(subprocess.run(["make", target], cwd=folder, capture_output=True, text=True))
    )
    if not ended[0].returncode:
        return row(Method(name, None, name), [seconds])
    lines = (ended[0].stdout + ended[0].stderr).strip().splitlines()
    last = ([line for line in lines if not line.startswith("make")] or ["no message"])[-1]
    said = "; ".join([line for line in lines if line.startswith("FAILED")] or [last])  # tests, if any failed
    return row(Method(name, None, name, missing=f"`make {target}` failed: {said}"), [])


def stages(folder: Path) -> dict:
    """Return the table of the times that stages recorded in a folder, in the order in which they ended."""
    records = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    rows = [
        row(Method(own["stage"], None, own["stage"]), [own["seconds"]], max(own["memory_mib"].values()))
        for own in sorted(records, key=lambda own: own["ended"])
    ]
    note = (
        "Of each stage's process, including its start, as it recorded them. Memory is that of the process "
        "or of its largest child, whichever is larger."
    )
    return {"title": "The stages of `make repro`", "note": note, "rows": finished(rows)}


def commands(folder: Path) -> tuple[list[dict], dict]:
    """Run each command in two fresh clones in a folder. Return their rows, and the table of the stages."""
    first, second = folder / "first", folder / "second"
    for clone in (first, second):
        subprocess.run(["git", "clone", "--quiet", ".", clone], check=True)
    rows = [made("make setup", "setup", first), made("make repro, cold", "repro", first)]
    found = stages(first / TIMES)
    rows += [made("make repro, nothing to do", "repro", first), made("make smoke", "smoke", first)]
    if (first / ".venv").exists():
        (second / ".venv").symlink_to(first / ".venv")
    rows += [made("make published, cold", "published", second), made("make test", "test", first)]
    return rows, found


def main() -> None:
    asked = options(__doc__)
    if asked.quick:
        rows = [row(Method("commands", None, "commands", missing="--quick runs none"), [])]
        found = stages(TIMES)
    else:
        with tempfile.TemporaryDirectory() as folder:
            rows, found = commands(Path(folder))
    note = "In fresh clones, each once. Set-up comes before the others."
    write("whole", asked, [{"title": "The commands", "note": note, "rows": finished(rows)}, found])
    if not asked.quick and any("not measured" in own for own in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
