"""`make lint`: every locked package has a wheel for each supported machine and Python."""

import os
import re
import sys
from pathlib import Path

import pytest
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "setup"))
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


def test_all_files_name_the_same_versions_of_python():
    """setup/venv.sh, wheels.py and pyproject.toml."""
    text = (ROOT / "setup/venv.sh").read_text()
    assert "(3, 11) <= sys.version_info < (3, 15)" in text
    assert wheels.PYTHONS == ((3, 11), (3, 12), (3, 13), (3, 14))
    assert 'requires-python = ">=3.11,<3.15"' in (ROOT / "pyproject.toml").read_text()
