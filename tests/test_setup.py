"""`make setup` and `make lint`: wheels for each machine, the build of torch, the choice of Python."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "setup"))
import install_torch  # noqa: E402
import layout  # noqa: E402
import wheels  # noqa: E402

LOCKS = (
    "requirements.lock",
    "requirements-cuda.lock",
    "docker/hadolint.lock",
    "notebooks/jupyter.lock",
    "setup/tools.lock",
)
EVERYWHERE = [
    f"made-1.0-cp3{minor}-cp3{minor}-{platform}.whl"
    for minor in (11, 12, 13, 14)
    for platform in (
        "manylinux2014_x86_64.manylinux_2_17_x86_64",
        "manylinux_2_28_aarch64",
        "macosx_11_0_arm64",
    )
]


SHARED = "tests/test_a.py:1: imports test_b; put what tests share elsewhere"
ROOM = "model_emotion/rsa/a.py:1: rsa may not import live: it is in the same layer or in a later one"


@pytest.mark.parametrize(
    ("file", "text", "faults"),
    [
        ("tests/test_a.py", "import worlds, tests.test_b\nfrom worlds import test_b", []),
        ("tests/test_a.py", "from test_b import c, d", [SHARED]),
        ("tests/test_a.py", "import os, test_b as b", [SHARED]),
        ("tests/test_a.py", "def f():\n    import test_b", [SHARED.replace(":1:", ":2:")]),
        ("model_emotion/rsa/a.py", "from model_emotion.base.files import a, b\nimport live, ast", []),
        ("model_emotion/rsa/a.py", "from model_emotion.live import a, b", [ROOM]),
        ("model_emotion/rsa/a.py", "from model_emotion import base, live", [ROOM]),
        ("model_emotion/rsa/a.py", "import model_emotion.live.cache as cache", [ROOM]),
        (
            "model_emotion/rsa/a.py",
            "from model_emotion.nowhere import a",
            ["model_emotion/rsa/a.py:1: there is no room 'nowhere' in model_emotion"],
        ),
    ],
)
def test_an_import_that_the_layout_forbids_is_a_fault(file, text, faults, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in {"dvc.yaml": "", "README.md": "", file: text}.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)
    Path("model_emotion").mkdir(exist_ok=True)
    assert list(layout.faults(Path())) == faults


def lacking(names, marker=""):
    """The faults of a package `made` 1.0 whose wheels have these names."""
    table = {f"{number:064x}": name for number, name in enumerate(names)}
    hashes = " \\\n".join(f"    --hash=sha256:{digest}" for digest in table)
    return wheels.missing(wheels.read_lock(f"made==1.0{marker} \\\n{hashes}\n"), table)


def test_a_package_with_all_wheels_passes():
    assert lacking(EVERYWHERE) == []
    assert lacking(["made-1.0-py3-none-any.whl"]) == []
    assert lacking(["made-1.0-py2.py3-none-any.whl"]) == []


def test_a_package_without_wheels_for_a_python_is_named():
    assert lacking([name for name in EVERYWHERE if "cp314" not in name]) == [
        "made 1.0 has no wheel for Python 3.14 on linux x86_64, Python 3.14 on linux aarch64, "
        "Python 3.14 on darwin arm64"
    ]


@pytest.mark.parametrize(
    "name",
    [
        "made-1.0-cp314-cp314-manylinux_2_29_aarch64.whl",  # a newer C library
        "made-1.0-cp314-cp314-musllinux_1_2_aarch64.whl",
        "made-1.0-cp314-cp314t-manylinux_2_28_aarch64.whl",  # free threading
        "made-1.1-cp314-cp314-manylinux_2_28_aarch64.whl",  # another version
        "other-1.0-cp314-cp314-manylinux_2_28_aarch64.whl",
    ],
)
def test_a_wheel_that_does_not_fit_does_not_count(name):
    others = [each for each in EVERYWHERE if each != "made-1.0-cp314-cp314-manylinux_2_28_aarch64.whl"]
    assert lacking([*others, name]) == ["made 1.0 has no wheel for Python 3.14 on linux aarch64"]


def test_a_wheel_for_a_newer_macos_does_not_count():
    names = [name.replace("macosx_11_0", "macosx_15_0") if "cp312" in name else name for name in EVERYWHERE]
    assert lacking(names) == ["made 1.0 has no wheel for Python 3.12 on darwin arm64"]


def test_abi3_wheels_count_for_later_pythons():
    stable = ["manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "macosx_10_12_universal2"]
    assert lacking([f"made-1.0-cp39-abi3-{platform}.whl" for platform in stable]) == []
    assert lacking([f"made-1.0-cp312-abi3-{platform}.whl" for platform in stable]) == [
        "made 1.0 has no wheel for Python 3.11 on linux x86_64, Python 3.11 on linux aarch64, "
        "Python 3.11 on darwin arm64"
    ]


def test_a_machine_that_the_marker_leaves_out_needs_no_wheel():
    linux = [name for name in EVERYWHERE if "linux" in name]
    assert len(lacking(linux)) == 1 and lacking(linux, " ; sys_platform == 'linux'") == []
    intel = [name for name in EVERYWHERE if "aarch64" not in name]
    assert lacking(intel, " ; sys_platform != 'linux' or platform_machine != 'aarch64'") == []
    old = [name for name in EVERYWHERE if "cp311" in name]
    assert lacking(old, " ; python_full_version < '3.12'") == []


def test_a_wheel_whose_hash_is_not_locked_does_not_count():
    pins = wheels.read_lock("made==1.0 \\\n    --hash=sha256:00\n")
    assert len(wheels.missing(pins, {"11": "made-1.0-py3-none-any.whl"})) == 1


def test_the_exception_is_pure_python():
    assert wheels.PURE_SOURCES and all(map(wheels.is_pure, wheels.PURE_SOURCES))
    assert not wheels.is_pure("numpy")


def test_tags_are_those_that_packaging_gives_this_python():
    """On Linux. Tags of C libraries newer than the oldest supported one are left out."""
    machine = wheels.Machine(sys.version_info[:2], sys.platform, os.uname().machine)
    if machine not in wheels.MACHINES or sys.platform != "linux":
        pytest.skip(f"{machine}: the expected tags are those of a supported Linux")
    glibc = re.compile(r"any|manylinux\d+_.*|manylinux_2_(\d|1\d|2[0-8])_.*")
    assert machine.tags() == {tag for tag in sys_tags() if glibc.fullmatch(tag.platform)}


def test_the_table_names_only_wheels_of_the_locks():
    pins = {pin.name: pin for lock in LOCKS for pin in wheels.read_lock((ROOT / lock).read_text())}
    for digest, name in wheels.read_table(wheels.TABLE.read_text()).items():
        package, version, *_ = parse_wheel_filename(name)
        assert str(version) == pins[package].version and digest in pins[package].hashes


def test_the_locks_pin_each_package_once_by_hash_and_name_no_host():
    names = []
    for lock in LOCKS:
        text = (ROOT / lock).read_text()
        assert "://" not in text
        pins = wheels.read_lock(text)
        assert all(pin.hashes for pin in pins) and len(pins) == len(re.findall(r"^\S+==", text, re.MULTILINE))
        names += [pin.name for pin in pins]
    assert len(names) == len(set(names))


def test_readme_names_the_systems_that_the_wheels_need():
    said = " ".join((ROOT / "README.md").read_text().split())
    assert f"glibc {'.'.join(map(str, wheels.GLIBC))}" in said and f"macOS {wheels.MACOS[0]}" in said


# Which build of torch


@pytest.mark.parametrize(
    ("metadata", "is_cpu"),
    [
        ({"version": "2.13.0+cpu", "requires_dist": ["filelock", "sympy>=1.13.3"]}, True),
        ({"version": "2.13.0", "requires_dist": ["filelock", 'optree; extra == "optree"']}, True),
        ({"version": "2.13.0"}, True),
        (
            {
                "version": "2.13.0",
                "requires_dist": ["filelock", f"nvidia-cublas; sys_platform == '{sys.platform}'"],
            },
            False,
        ),
        (
            {
                "version": "2.13.0",
                "requires_dist": ["filelock", f"nvidia-cublas; sys_platform != '{sys.platform}'"],
            },
            True,
        ),
        ({"version": "2.13.0", "requires_dist": ["cuda-toolkit[cublas]==13.0.3"]}, False),
        ({"version": "2.13.0+cu130", "requires_dist": ["filelock"]}, False),
        ({"version": "2.13.0+rocm6.4", "requires_dist": ["filelock"]}, False),
    ],
)
def test_a_cpu_build_is_told_by_its_version_or_requirements(metadata, is_cpu):
    assert install_torch.is_cpu_build(metadata) is is_cpu


@pytest.fixture
def installed(monkeypatch):
    """A function that runs the script with a fake pip, uv and GPU, and returns its commands."""
    commands = []

    def play(build, metadata=None, uv_has_it=True, gpu=False, platform="linux"):
        def run(*words):
            words = list(map(str, words))
            if "--dry-run" not in words:
                commands.append(words)
                return subprocess.CompletedProcess(
                    words, int(words[0] == "uv" and not uv_has_it), "", "no such build"
                )
            if metadata is None:
                return subprocess.CompletedProcess(words, 1, "", "no matching distribution")
            Path(words[words.index("--report") + 1]).write_text(
                json.dumps({"install": [{"metadata": metadata}]})
            )
            return subprocess.CompletedProcess(words, 0, "", "")

        monkeypatch.setattr(install_torch, "run", run)
        monkeypatch.setattr(install_torch, "has_gpu", lambda: gpu)
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setattr(sys, "argv", ["install_torch.py", build])
        install_torch.main()
        return commands

    return play


CPU = {"version": "2.13.0+cpu", "requires_dist": ["filelock"]}
FROM_PYPI = {"version": "2.13.0", "requires_dist": ["nvidia-cublas==13.1.1.3"]}


def test_pips_cpu_build_is_used(installed):
    (command,) = installed("auto", CPU)
    assert command[:2] == ["pip", "install"] and command[-1] == "torch==2.13.0+cpu"


@pytest.mark.parametrize("metadata", [FROM_PYPI, None])
def test_uv_installs_the_cpu_build_if_pip_finds_none(installed, metadata):
    (command,) = installed("auto", metadata)
    assert command[:3] == ["uv", "pip", "install"] and command[-3:] == [
        "--torch-backend",
        "cpu",
        install_torch.pinned(),
    ]


def test_without_a_cpu_build_one_line_says_what_to_do(installed):
    with pytest.raises(SystemExit, match="no CPU build of torch==.*make setup TORCH=cuda"):
        installed("auto", FROM_PYPI, uv_has_it=False)


@pytest.mark.parametrize(("build", "gpu"), [("auto", True), ("cuda", False)])
def test_a_gpu_or_a_request_installs_the_cuda_build_by_hash(installed, build, gpu):
    (command,) = installed(build, CPU, gpu=gpu)
    assert command[0] == "uv" and "--require-hashes" in command and command[-1] == str(install_torch.LOCK)


def test_the_cpu_build_can_be_requested_on_a_machine_with_a_gpu(installed):
    (command,) = installed("cpu", CPU, gpu=True)
    assert command[-1] == "torch==2.13.0+cpu"


def test_cuda_on_macos_is_refused(installed):
    with pytest.raises(SystemExit, match="Linux"):
        installed("cuda", CPU, platform="darwin")


@pytest.mark.parametrize(
    ("script", "there"),
    [
        ("echo 'GPU 0: NVIDIA H100 (UUID: GPU-0)'", True),
        ("echo 'No devices were found'", False),
        ("echo 'GPU 0: NVIDIA H100'; exit 9", False),
        (None, False),
    ],
)
def test_a_gpu_is_what_nvidia_smi_lists(script, there, tmp_path, monkeypatch):
    if script:
        command(tmp_path / "nvidia-smi", script)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if script else str(tmp_path))
    assert install_torch.has_gpu() is there


def test_the_pin_of_torch_is_pyprojects():
    assert f'"{install_torch.pinned()}"' in (ROOT / "pyproject.toml").read_text()


# Which Python


def command(path, script):
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


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


def test_all_files_name_the_same_versions_of_python():
    """setup/venv.sh, wheels.py and pyproject.toml."""
    text = (ROOT / "setup/venv.sh").read_text()
    assert "(3, 11) <= sys.version_info < (3, 15)" in text
    assert wheels.PYTHONS == ((3, 11), (3, 12), (3, 13), (3, 14))
    assert 'requires-python = ">=3.11,<3.15"' in (ROOT / "pyproject.toml").read_text()


def test_make_lets_python_keep_bytecode(tmp_path):
    (tmp_path / "shown.mk").write_text("shown:\n\t@env\n")
    command = ["make", "-s", "-f", ROOT / "Makefile", "-f", tmp_path / "shown.mk", "shown"]
    kept = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    forbidden = kept | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=forbidden, capture_output=True, text=True, check=True)
    assert "PATH=" in done.stdout and "PYTHONDONTWRITEBYTECODE" not in done.stdout
