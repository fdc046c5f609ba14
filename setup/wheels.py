"""Check, from the locks alone, that each pinned package has a wheel for each machine that README names.

A lock pins files by hash but does not name them. `setup/wheels.lock` lists the names of the pinned wheels
with their hashes, as sha256sum does. `make lock` writes it; the check needs no network and installs nothing.

    python setup/wheels.py LOCK ...                 check locks, and print a line for each package without a
    wheel python setup/wheels.py --write PYLOCK LOCK ...  write setup/wheels.lock from uv's pylock.toml of
    these locks
"""

import argparse
import re
import sys
import tomllib
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import distribution
from itertools import product
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename

TABLE = Path(__file__).with_name("wheels.lock")
GLIBC, MACOS = (2, 28), (14, 0)
"""The oldest C library on Linux, and the oldest macOS, that all wheels run on. README names both."""
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
SYSTEMS = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
PURE_SOURCES = {"antlr4-python3-runtime": "4.9.3"}
"""Packages without a wheel, which setuptools builds without a compiler, because they are pure Python.

DVC requires hydra-core, which requires omegaconf, which requires antlr4 4.9, which has no wheel. The check
makes sure that the installed package is pure Python.
"""


@dataclass(frozen=True)
class Machine:
    """A Python version on an operating system (sys.platform) and processor."""

    python: tuple[int, int]
    system: str
    processor: str

    def __str__(self) -> str:
        return f"Python {self.python[0]}.{self.python[1]} on {self.system} {self.processor}"

    def environment(self) -> dict[str, str]:
        """Return the variables of environment markers."""
        version = ".".join(map(str, self.python))
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{version}.0",
            "os_name": "posix",
            "platform_machine": self.processor,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": self.system.capitalize(),
            "platform_version": "",
            "python_full_version": f"{version}.0",
            "python_version": version,
            "sys_platform": self.system,
        }

    def platforms(self) -> list[str]:
        """Return the platform tags of wheels that run on the machine."""
        if self.system == "darwin":
            return list(mac_platforms(MACOS, self.processor))
        oldest, old = {"x86_64": 5, "aarch64": 17}[self.processor], {5: "1", 12: "2010", 17: "2014"}
        glibcs = range(oldest, GLIBC[1] + 1)
        names = [f"manylinux_2_{minor}" for minor in glibcs] + [
            f"manylinux{old[minor]}" for minor in glibcs if minor in old
        ]
        return [f"{name}_{self.processor}" for name in names]

    def tags(self) -> frozenset[Tag]:
        """Return the tags of all wheels that run on the machine."""
        platforms, interpreter = self.platforms(), f"cp{self.python[0]}{self.python[1]}"
        return frozenset([
            *cpython_tags(self.python, platforms=platforms),
            *compatible_tags(self.python, interpreter=interpreter, platforms=platforms),
        ])  # fmt: skip


MACHINES = [Machine(python, *system) for python, system in product(PYTHONS, SYSTEMS)]


@dataclass(frozen=True)
class Pin:
    """A line of a lock: the requirement with its marker, and the hashes of the files that it allows."""

    requirement: Requirement
    hashes: frozenset[str]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        return next(iter(self.requirement.specifier)).version

    def wanted_on(self, machine: Machine) -> bool:
        """Return whether the marker includes the package on a machine."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate(machine.environment())


def read_lock(text: str) -> list[Pin]:
    """Return the pins of a lock in uv's format: `name==version ; marker`, then one hash per line."""
    pins = []
    for entry in re.split(r"\n(?=[A-Za-z0-9])", text):
        requirement = entry.split("\\")[0].strip()
        if requirement and not requirement.startswith("#"):
            pins.append(Pin(Requirement(requirement), frozenset(re.findall(r"--hash=sha256:(\w+)", entry))))
    return pins


def read_table(text: str) -> dict[str, str]:
    """Return {hash: name of the wheel} from lines `hash  name`."""
    return dict(line.split("  ") for line in text.splitlines())


def is_pure(name: str) -> bool:
    """Return whether an installed package has no compiled part.

    Raises PackageNotFoundError if it is missing.
    """
    return not any(file.name.endswith(tuple(EXTENSION_SUFFIXES)) for file in distribution(name).files)


def missing(pins: list[Pin], table: dict[str, str]) -> list[str]:
    """Return a sentence for each package that lacks a wheel on some machine.

    A wheel counts if the lock pins its hash, and if its name has the pinned package, the version and a
    matching tag.
    """
    tags = {machine: machine.tags() for machine in MACHINES}
    sentences = []
    for pin in pins:
        offered = [parse_wheel_filename(table[each]) for each in pin.hashes if each in table]
        fitting = [wheel for wheel in offered if (wheel[0], str(wheel[1])) == (pin.name, pin.version)]
        without = [
            str(m) for m in MACHINES if pin.wanted_on(m) and not any(wheel[3] & tags[m] for wheel in fitting)
        ]
        if without and not (PURE_SOURCES.get(pin.name) == pin.version and is_pure(pin.name)):
            sentences.append(f"{pin.name} {pin.version} has no wheel for {', '.join(without)}")
    return sentences


def table_of(pylock: str, pins: list[Pin]) -> str:
    """Return the table of the wheels in a pylock.toml that a lock pins and that run on a machine."""
    tags = frozenset().union(*(machine.tags() for machine in MACHINES))
    pinned = frozenset().union(*(pin.hashes for pin in pins))
    lines = []
    for package in tomllib.loads(pylock)["packages"]:
        for wheel in package.get("wheels", []):
            name, digest = wheel.get("name") or wheel["url"].rsplit("/", 1)[1], wheel["hashes"]["sha256"]
            if digest in pinned and parse_wheel_filename(name)[3] & tags:
                lines.append(f"{digest}  {name}")
    return "\n".join(sorted(lines, key=lambda line: line.split("  ")[1])) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("locks", nargs="+", type=Path)
    parser.add_argument("--write", type=Path, metavar="PYLOCK")
    given = parser.parse_args()
    pins = [pin for lock in given.locks for pin in read_lock(lock.read_text())]
    if given.write:
        TABLE.write_text(table_of(given.write.read_text(), pins))
    elif sentences := missing(pins, read_table(TABLE.read_text())):
        sys.exit("\n".join(sentences))


if __name__ == "__main__":
    main()
