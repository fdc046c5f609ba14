"""Read and write files: atomic writes, one reader for each format, equal bytes for equal content.

A file is written under a temporary name and then renamed, so it is either complete or not there.
numpy, pandas and safetensors are imported only where needed: the stage `fetch` starts without them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from model_emotion.base.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

METADATA = "about"
"""The key of a safetensors file's metadata."""


def temporary_beside(path: Path) -> Path:
    """Return this process's temporary path beside `path`, in a folder that is made if necessary.

    The temporary files and folders beside `path` of processes that were killed are removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.part"):
        writer = left.name.split(".")[-2]
        if writer.isdecimal() and not psutil.pid_exists(int(writer)):  # of a process that was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.part")


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds, else remove it.

    Temporary files of processes that were killed are removed too. Raises OSError with `path` as its file.
    """
    path = Path(path)
    temporary = temporary_beside(path)
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
    """Replace the text from the mark `begin` to the mark `end` in a file by `block`, which has both marks."""
    before, rest = Path(path).read_text(encoding="utf-8").split(begin)
    write_text(before + block + rest.split(end)[1], path)


def write_csv(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a data frame as CSV: a header, no index, floats in full precision."""
    with replacing(path) as part:
        frame.to_csv(part, index=False, lineterminator="\n")


def write_parquet(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a data frame as Parquet, without its index."""
    with replacing(path) as part:
        frame.to_parquet(part, index=False, compression="zstd")


def write_json(value: object, path: Path | str) -> None:
    """Write indented JSON, with keys in the given order. Raises ValueError for NaN and infinity."""
    write_text(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n", path)


def write_tensors(tensors: dict[str, np.ndarray], path: Path | str, metadata: object) -> None:
    """Write named arrays as safetensors, with metadata of any kind that JSON holds.

    The metadata is one JSON text under the key METADATA, because safetensors writes several keys in random
    order.
    """
    from safetensors.numpy import save

    with replacing(path) as part:
        part.write_bytes(save(tensors, {METADATA: json.dumps(metadata)}))


def read_tensors(path: Path | str, what: str = "arrays") -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of a safetensors file by name, and its metadata as `write_tensors` wrote it or {}.

    Raises InputError if the file is missing, incomplete or of another kind. The message says that it should
    hold `what`.
    """
    with _open_tensors(path, what) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _metadata(file)  # noqa: SIM118


def read_metadata(path: Path | str, what: str = "arrays") -> dict[str, Any]:
    """Return the metadata of a safetensors file alone. Raises the errors of `read_tensors`."""
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


def _metadata(file: Any) -> dict[str, Any]:
    return json.loads((file.metadata() or {}).get(METADATA, "{}"))


def sha256(*paths: Path | str) -> str:
    """Return the hexadecimal SHA-256 of a file, or of the bytes of several, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()


def read_yaml(path: Path | str) -> Any:
    """Return the content of a YAML file. Raises InputError if it is missing, not UTF-8 or not YAML."""
    try:
        return parse_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run this from the project's root") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start + 1}") from None
    except YAMLError as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def parse_yaml(text: str) -> Any:
    """Return the content of a YAML 1.2 text. Raises YAMLError, also for a duplicate key."""
    return YAML(typ="safe").load(text)


def read_csv(path: Path | str, **options: Any) -> pd.DataFrame:
    """Read a CSV file, each float exactly as written. options: further arguments of `pandas.read_csv`.

    The default parser of pandas can be wrong in the last digit.
    """
    import pandas as pd

    return pd.read_csv(path, float_precision="round_trip", **options)


def read_parquet(path: Path | str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file, or some of its columns.

    pandas hands Arrow an open Python file. With Arrow 26.0.1, a process can then abort or hang when it ends
    (https://github.com/apache/arrow/issues/50482), so Arrow opens the path itself.
    """
    import pyarrow.parquet as pq

    return pq.read_table(str(path), columns=columns, partitioning=None).to_pandas()
