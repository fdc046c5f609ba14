"""The notebooks' cells, and a way to run them in a fresh process."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "notebooks/one_emotion.ipynb"
MEASURING = ROOT / "notebooks/measure_one_emotion.ipynb"
RUN = """
import json, sys
names = {}
for number, code in enumerate(json.load(sys.stdin), 1):
    exec(compile(code, f"cell {number}", "exec"), names)
"""


def cells(path, kind=None):
    """Return the cells of a notebook, or the sources of those of one kind: code or markdown."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        cell if kind is None else "".join(cell["source"])
        for cell in found
        if kind in (None, cell["cell_type"])
    ]


def with_choices(path, **choices):
    """Return a notebook's code, with these choices in its first cell, which must have the same names."""
    first, *rest = cells(path, "code")
    assert re.findall(r"^(\w+) = ", first, flags=re.M) == list(choices)
    return ["\n".join(f"{name} = {value!r}" for name, value in choices.items()), *rest]


def run(code, project, arrays):
    """Run cells in a project's folder `notebooks`, as Jupyter does. Return what they print, and arrays.

    arrays: {name: expression of the cells' variables, such as np.asarray(drops)}. `figures`, the number of
    axes of each figure, is added.
    """
    keep = ", ".join(f"{name}=np.asarray({expression})" for name, expression in arrays.items())
    last = (
        "import numpy as np, sys\n"
        "figures = [len(plt.figure(number).axes) for number in plt.get_fignums()]\n"
        f"np.savez(sys.argv[1], figures=figures, {keep})"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", RUN, project / "left.npz"],
        input=json.dumps([*code, last]),
        capture_output=True,
        text=True,
        cwd=project / "notebooks",
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    with np.load(project / "left.npz") as left:
        return done.stdout, dict(left)


def outputs(path):
    """Return the saved outputs of a notebook's code cells."""
    return [output for cell in cells(path) for output in cell.get("outputs", [])]


def images(path):
    """Return the saved figures of a notebook, PNG."""
    found = [output.get("data", {}).get("image/png") for output in outputs(path)]
    return [base64.b64decode(image) for image in found if image]
