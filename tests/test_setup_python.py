"""`make setup`: the choice of Python, and what make passes on to it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from scripts import command

ROOT = Path(__file__).parents[1]


def python(path, version):
    """Write a fake Python that prints its version, answers the check of it, and prints other arguments."""
    served = 0 if version in ("3.11", "3.12", "3.13", "3.14") else 1
    command(
        path,
        f'case "$1" in --version) echo Python {version}.1 ;; -c) exit {served} ;; '
        f'*) echo "{path.name}: $*" ; exit 7 ;; esac',
    )


def venv(folder, named=""):
    """Run setup/venv.sh with only the commands in a folder and three basic ones."""
    for basic in ("bash", "dirname", "basename"):
        if not (folder / basic).exists():
            (folder / basic).symlink_to(shutil.which(basic))
    asked = [folder / "bash", ROOT / "setup/venv.sh", folder / "made", named]
    return subprocess.run(asked, capture_output=True, text=True, env={"PATH": str(folder)})


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ({"python3": "3.13", "python3.11": "3.11"}, "python3"),
        ({"python3": "3.10", "python3.14": "3.14", "python3.12": "3.12"}, "python3.12"),
        ({"python3": "3.15", "python3.14": "3.14"}, "python3.14"),
        ({"python3.13": "3.13"}, "python3.13"),
    ],
)
def test_the_python_that_is_chosen(there, taken, tmp_path):
    for name, version in there.items():
        python(tmp_path / name, version)
    said = venv(tmp_path)
    assert said.returncode == 7 and said.stdout.splitlines()[-1] == f"{taken}: -m venv {tmp_path}/made"


def test_a_named_python_is_used_or_refused(tmp_path):
    python(tmp_path / "python3", "3.11")
    python(tmp_path / "mine", "3.12")
    python(tmp_path / "old", "3.10")
    assert f"mine: -m venv {tmp_path}/made" in venv(tmp_path, "mine").stdout
    for name in ("old", "missing"):
        said = venv(tmp_path, name)
        words = f"error: PYTHON={name} is not Python 3.11 to 3.14 with the modules venv and ensurepip\n"
        assert said.returncode == 2 and said.stderr == words


def test_without_a_python_uv_installs_one(tmp_path):
    python(tmp_path / "python3", "3.9")
    command(tmp_path / "uv", 'echo "uv: $*"')
    said = venv(tmp_path)
    assert said.returncode == 0
    assert said.stdout.splitlines()[1] == f"uv: venv --quiet --python 3.13 {tmp_path}/made"
    assert "--require-hashes" in said.stdout.splitlines()[2]


@pytest.mark.parametrize(("version", "words"), [("3.9", "python3 is 3.9.1"), (None, "there is no python3")])
def test_without_python_and_uv_one_line_says_how_to_install_python(version, words, tmp_path):
    if version:
        python(tmp_path / "python3", version)
    said = venv(tmp_path)
    assert said.returncode == 2 and said.stderr.count("\n") == 1
    assert (
        words in said.stderr
        and "uv python install" in said.stderr
        and "apt install" in said.stderr
        and "brew install" in said.stderr
    )


def test_make_lets_python_keep_bytecode(tmp_path):
    (tmp_path / "shown.mk").write_text("shown:\n\t@env\n")
    command = ["make", "-s", "-f", ROOT / "Makefile", "-f", tmp_path / "shown.mk", "shown"]
    kept = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    forbidden = kept | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=forbidden, capture_output=True, text=True, check=True)
    assert "PATH=" in done.stdout and "PYTHONDONTWRITEBYTECODE" not in done.stdout
