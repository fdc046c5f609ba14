"""A resumable cache: one safetensors file per emotion, which stays valid as long as its fingerprint does.

A file is written whole or not at all, so that a killed run resumes with the first emotion that is missing. A
copy of each file goes to FINISHED, which git and DVC leave alone. DVC removes a stage's outputs when an
experiment starts or fails; the copies let experiments share what they have in common.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from model_emotion.base.errors import InputError
from model_emotion.base.files import read_metadata, read_tensors, replacing, write_tensors

FINISHED = Path("data/finished")


class Cache:
    """The files NAME.safetensors of a folder, with the fingerprint that each of them must have."""

    def __init__(self, folder: Path | str, fingerprints: Mapping[str, str]) -> None:
        self.folder, self.fingerprints = Path(folder), fingerprints

    def path(self, name: str) -> Path:
        """Return the file of a name."""
        return self.folder / f"{name}.safetensors"

    def missing(self) -> list[str]:
        """Return the names whose file is absent, incomplete or outdated. A valid kept copy is used first."""
        missing = []
        for name, expected in self.fingerprints.items():
            if _fingerprint(self.path(name)) != expected:
                if _fingerprint(self._copy(name)) == expected:
                    self._use_copy(name)
                else:
                    missing.append(name)
        return missing

    def write(self, name: str, tensors: dict[str, np.ndarray], about: Mapping[str, object]) -> None:
        """Write the arrays of a name, with metadata that JSON holds."""
        write_tensors(tensors, self._copy(name), {**about, "fingerprint": self.fingerprints[name]})
        self._use_copy(name)

    def read(self, name: str) -> tuple[dict[str, np.ndarray], dict]:
        """Return the arrays of a name and their metadata."""
        return read_tensors(self.path(name))

    def remove_others(self) -> None:
        """Remove files of names that are not in this cache any more."""
        for path in set(self.folder.glob("*")) - {self.path(name) for name in self.fingerprints}:
            path.unlink()

    def _copy(self, name: str) -> Path:
        return FINISHED / f"{self.folder.name}-{name}-{self.fingerprints[name][:16]}.safetensors"

    def _use_copy(self, name: str) -> None:
        with replacing(self.path(name)) as part:
            shutil.copyfile(self._copy(name), part)


def _fingerprint(path: Path) -> str | None:
    """Return the fingerprint in a file, or None if there is no complete file."""
    try:
        return read_metadata(path).get("fingerprint")
    except InputError:
        return None
