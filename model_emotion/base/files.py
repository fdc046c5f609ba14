"""Read files, and write them atomically. Equal content gives equal bytes."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from model_emotion.base.errors import InputError, UserError

if TYPE_CHECKING:  # stages that only download need neither
    import numpy as np
    import pandas as pd

METADATA = "about"
"""The key of a safetensors file's metadata."""


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path that replaces `path` if the block succeeds, and is removed if it fails."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.part"):
        writer = left.name.split(".")[-2]
        if writer.isdecimal() and not psutil.pid_exists(int(writer)):  # left by a killed process
            left.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(text: str, path: Path | str) -> None:
    """Write a text as UTF-8."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def replace_block(path: Path | str, begin: str, end: str, block: str) -> None:
    """Replace what a text file has between two marks. block: the new text, with both marks."""
    before, rest = Path(path).read_text(encoding="utf-8").split(begin)
    write_text(before + block + rest.split(end)[1], path)


def write_csv(frame: "pd.DataFrame", path: Path | str) -> None:
    """Write a data frame as CSV: with a header, without the index, floats in full precision."""
    with replacing(path) as part:
        frame.to_csv(part, index=False, lineterminator="\n")


def write_parquet(frame: "pd.DataFrame", path: Path | str) -> None:
    """Write a data frame as Parquet, without its index."""
    with replacing(path) as part:
        frame.to_parquet(part, index=False, compression="zstd")


def write_json(value: Any, path: Path | str) -> None:
    """Write indented JSON, keys in the given order. Raises ValueError for NaN."""
    write_text(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n", path)


def write_tensors(tensors: "Mapping[str, np.ndarray]", path: Path | str, metadata: dict) -> None:
    """Write named arrays as safetensors. metadata: anything that JSON can hold.

    The metadata is written under one key, because safetensors writes several in no fixed order.
    """
    from safetensors.numpy import save

    with replacing(path) as part:
        part.write_bytes(save(dict(tensors), {METADATA: json.dumps(metadata)}))


def read_tensors(path: Path | str, what: str = "arrays") -> "tuple[dict[str, np.ndarray], dict]":
    """Return the arrays of a safetensors file by name, and the metadata that `write_tensors` wrote.

    The metadata is {} if there is none. Raises InputError, which says `what` the file should hold, if it is
    missing, incomplete or of another kind.
    """
    with _open_tensors(path, what) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _metadata(file)  # noqa: SIM118


def read_metadata(path: Path | str, what: str = "arrays") -> dict:
    """Return the metadata of a safetensors file alone; errors as those of `read_tensors`."""
    with _open_tensors(path, what) as file:
        return _metadata(file)


@contextmanager
def _open_tensors(path: Path | str, what: str) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise InputError(f"{path}: not found; it should hold {what}")
    try:
        with safe_open(path, "np") as file:
            yield file
    except (SafetensorError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a complete safetensors file with {what} ({error})") from None


def _metadata(file: Any) -> dict:
    return json.loads((file.metadata() or {}).get(METADATA, "{}"))


def read_csv(path: Path | str, **options: Any) -> "pd.DataFrame":
    """Return a CSV as a data frame, with every float exactly as written. options: of pandas.read_csv.

    The default parser of pandas is sometimes off in the last digit.
    """
    import pandas as pd

    return pd.read_csv(path, float_precision="round_trip", **options)


def read_yaml(path: Path | str) -> Any:
    """Return the value that a YAML file holds. Raises UserError if it is missing, or not YAML in UTF-8."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run this command in the root folder of the project") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start + 1}; save it as UTF-8") from None
    except YAMLError as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
