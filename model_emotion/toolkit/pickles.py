"""Read the original toolkit's files of tensors without running code from them.

A pickle names functions that the reader calls. These readers call none that a file names: a `.pt` is read by
`torch.load(weights_only=True)`, and a pickle by a reader that knows four names and has its own code for each.
"""

import io
import pickle
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from model_emotion.base.errors import InputError, UserError

LARGEST = 2**30
"""Bytes of the largest file that is read. The study's 252 masks have 9.3 MB."""


def read_checkpoint(path: Path | str) -> Any:
    """Return the content of a `.pt` file. Raises InputError unless it holds only tensors and plain values."""
    _check_size(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # about pickles that are refused anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a malformed file can raise any error
        raise _refused(path, error) from None


def read_arrays(path: Path | str) -> dict[str, torch.Tensor]:
    """Return the tensors of a pickle that holds a dictionary of them by name.

    Raises InputError if it holds anything else. Nothing of it is run.
    """
    _check_size(path)
    try:
        with open(path, "rb") as file:
            found = _ArraysOnly(file).load()
    except Exception as error:  # a malformed file can raise any error
        raise _refused(path, error) from None
    if type(found) is not dict or not all(type(name) is str for name in found):
        raise InputError(f"{path}: must hold a dictionary of arrays by name")
    for name, tensor in found.items():
        if type(tensor) is not torch.Tensor:
            raise InputError(f"{path}: {name!r} is not an array")
    return found


def _check_size(path: Path | str) -> None:
    if not Path(path).is_file():
        raise InputError(f"{path}: not found")
    size = Path(path).stat().st_size
    if zipfile.is_zipfile(path):  # the form of torch's files, whose content can be compressed
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            size = max(size, sum(member.file_size for member in archive.infolist()))
    if size > LARGEST:
        raise InputError(f"{path}: has {size:,} bytes, more than the {LARGEST:,} that are read")


def _refused(path: Path | str, error: Exception) -> InputError:
    if isinstance(error, UserError):
        return InputError(f"{path}: {error}")
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return InputError(
        f"{path}: not read, since it holds more than plain arrays or is damaged ({first[:200]})"
    )


class _ArraysOnly(pickle.Unpickler):
    """A reader of pickled dictionaries of torch tensors, which calls no function that a file names."""

    def find_class(self, module: str, name: str) -> Callable:
        """Return our own code for one of the names that a pickled tensor needs. Raises UserError for others.

        The methods are bound, so that a file cannot change them.
        """
        known: dict[str, Callable] = {
            "collections.OrderedDict": self._hooks,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "_codecs.encode": self._bytes,
            "torch.storage._load_from_bytes": self._storage,
        }
        if (asked := f"{module}.{name}") not in known:
            raise UserError(
                f"holds {asked!r}, but only plain arrays are read, since other content can run code"
            )
        return known[asked]

    def _hooks(self) -> OrderedDict:
        return OrderedDict()

    def _bytes(self, text: str, _encoding: str) -> bytes:
        return text.encode("latin1")  # how pickles before protocol 3 hold bytes

    def _storage(self, content: bytes) -> Any:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)

    def _tensor(
        self, storage: Any, offset: int, size: tuple, stride: tuple, _grad: bool, _hooks: object
    ) -> torch.Tensor:
        """Return a contiguous copy of a tensor. Raises UserError if it exceeds its storage.

        offset, stride: in elements.
        """
        if type(storage) is not torch.storage.TypedStorage or len(size) != len(stride):
            raise UserError("holds a tensor without numbers")
        if not all(type(number) is int and number >= 0 for number in (offset, *size, *stride)):
            raise UserError("holds a tensor of an impossible shape")
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        with warnings.catch_warnings(
            action="ignore"
        ):  # torch calls these storages deprecated, yet pickles them
            flat = torch.tensor([], dtype=storage.dtype).set_(storage.untyped())
        count = torch.Size(size).numel()
        if 0 in size or last >= len(flat) or count > len(flat):
            raise UserError("holds a tensor that exceeds its numbers")
        return flat.as_strided(size, stride, offset).clone().contiguous()
