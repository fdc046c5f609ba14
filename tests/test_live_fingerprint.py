"""What decides whether something is measured again: a used constant, but no docstring or annotation."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from worlds import run

from model_emotion.live import fingerprint as fingerprint_module
from model_emotion.live.fingerprint import code_digest, fingerprint, measuring_modules
from model_emotion.live.session import input_files
from model_emotion.params import load_params
from stages import mask_plan, prompts

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "model_emotion"


@pytest.fixture
def library(tmp_path):
    """A copy of the library, whose modules a test can change."""
    return shutil.copytree(LIBRARY, tmp_path / "model_emotion", ignore=shutil.ignore_patterns("__pycache__"))


def change(library, module, old, new):
    """Replace a text, where it first occurs, in a module of the copy."""
    path = library / f"{module}.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_copy_has_the_same_digest(library):
    assert code_digest("live.prompts", library) == code_digest("live.prompts")


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("model/tasks", '"""', '"""Another first word: '),
        (
            "model/tasks",
            "import numpy as np\n",
            "import numpy as np  # a comment\nfrom typing import Any\n\n",
        ),
        ("live/session", "-> list[Path]:", "-> list:"),
        (
            "live/session",
            "def worker_count(executor: Executor, tasks: int)",
            "def worker_count(executor, tasks)",
        ),
        (
            "live/session",
            "def load_engine(backbone: Backbone,",
            "def load_engine(\n    backbone: Backbone,\n   ",
        ),
        ("live/cache", 'Path("data/finished")', 'Path("data/other")'),  # where something is kept
        ("retests/rows", "ALPHA", "OTHER_ALPHA"),  # not imported by a measurement
    ],
)
def test_what_no_measurement_depends_on_keeps_the_digest(library, module, old, new):
    change(library, module, old, new)
    assert code_digest("live.prompts", library) == code_digest("live.prompts")


@pytest.mark.parametrize(
    ("module", "old", "new", "changed"),
    [
        ("model/training", "INIT_SD = 0.02", "INIT_SD = 0.03", {"live.prompts"}),
        ("live/session", "torch.set_num_threads(1)", "torch.set_num_threads(2)", None),
        ("masking/masks", "replace=False", "replace=True", {"live.evaluation"}),
        ("model/tasks", "import numpy as np", "import scipy as np", None),
    ],
)
def test_what_a_measurement_computes_changes_its_digest(library, module, old, new, changed):
    change(library, module, old, new)
    stages = {"live.prompts", "live.activations", "live.evaluation"}
    differ = {stage for stage in stages if code_digest(stage, library) != code_digest(stage)}
    assert differ == (stages if changed is None else changed)


@pytest.mark.parametrize("name", fingerprint_module.NOT_MEASURING)
def test_what_does_not_measure_exists(name):
    """After a module is renamed, an entry of the list would leave out nothing."""
    path = LIBRARY.joinpath(*name.split("."))
    assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_what_is_imported_inside_a_function_counts(library):
    change(
        library,
        "live/session",
        "    make_deterministic()\n",
        "    from model_emotion.rsa import rdm\n\n    rdm\n",
    )
    assert "rsa.rdm" in measuring_modules("live.prompts", library) - measuring_modules("live.prompts")


def test_settings_and_files_change_the_fingerprint(tmp_path):
    file = tmp_path / "texts"
    file.write_text("one")
    first = fingerprint({"lr": 0.1}, [file], "live.prompts")
    assert fingerprint({"lr": 0.1}, [str(file)], "live.prompts") == first
    assert fingerprint({"lr": 0.2}, [file], "live.prompts") != first
    assert fingerprint({"lr": 0.1}, [file], "live.evaluation") != first
    file.write_text("two")
    assert fingerprint({"lr": 0.1}, [file], "live.prompts") != first


def test_a_file_is_read_once_by_a_process(tmp_path, monkeypatch):
    read, plain = [], fingerprint_module.sha256
    monkeypatch.setattr(fingerprint_module, "sha256", lambda path: read.append(path) or plain(path))
    file = tmp_path / "weights"
    file.write_text("one")
    marks = {fingerprint([emotion], [file], "live.prompts") for emotion in ("joy", "fear")}
    assert len(marks) == 2 and read == [file]
    file.write_text("other")
    fingerprint(["joy"], [file], "live.prompts")
    assert read == [file, file]


def test_only_files_of_the_model_are_inputs(world):
    backbone = load_params().backbone
    inputs = input_files(backbone)
    assert {path.name for path in inputs} >= {"live.parquet", "config.json", "model.safetensors"}
    Path("tiny/optimizer.pt").write_bytes(b"large")
    Path("tiny/.git").mkdir()
    assert input_files(backbone) == inputs


TWICE = """
from pathlib import Path
from model_emotion.live.fingerprint import code_digest
from model_emotion.model import training
from stages import prompts

def trained():
    files = sorted(Path("results/live/prompts").glob("*.safetensors"))
    before = {path: path.stat().st_mtime_ns for path in files}
    prompts.main()
    return [path.stem for path in files if path.stat().st_mtime_ns != before[path]]

first = trained()
module = Path(training.__file__)
text = module.read_text()
assert "INIT_SD = 0.02" in text
module.write_text(text.replace("INIT_SD = 0.02", "INIT_SD = 0.03", 1))
code_digest.cache_clear()  # a process reads its code once
print("trained:", first, trained())
"""
"""The stage prompts, run before and after a constant of the library changes."""


def test_a_docstring_trains_nothing_and_a_constant_does(world, library, monkeypatch):
    """The stage itself, run with the changed copy of the library."""
    run(monkeypatch, mask_plan, prompts)
    files = sorted(path.stem for path in Path("results/live/prompts").glob("*.safetensors"))
    shutil.copytree(ROOT / "stages", library.parent / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    change(library, "model/tuning", '"""', '"""Other words: ')
    environment = os.environ | {"PYTHONPATH": str(library.parent)}
    done = subprocess.run([sys.executable, "-c", TWICE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert files and done.stdout.splitlines()[-1] == f"trained: [] {files}"
    assert "INIT_SD = 0.03" in (library / "model/training.py").read_text()  # the copy ran
