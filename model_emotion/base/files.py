"""Write whole files or none: under a temporary name first, then renamed. Equal content gives equal bytes."""

import hashlib
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from model_emotion.base.errors import InputError

METADATA = "about"
"""The key of a safetensors file's metadata."""


@contextmanager
def replacing(path):
    """A temporary path beside `path` that takes its place when the block ends well, and is removed when it does not."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.part"):
        writer = left.name.split(".")[-2]
        if writer.isdecimal() and not psutil.pid_exists(int(writer)):  # of a process that was killed
            left.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(text, path):
    """Write `text` as UTF-8."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def replace_block(path, begin, end, block):
    """Put `block`, which has both marks, in the place of what stands between them in a text file."""
    before, rest = Path(path).read_text(encoding="utf-8").split(begin)
    write_text(before + block + rest.split(end)[1], path)


def write_csv(frame, path):
    """A data frame as CSV: header, no index, floats in full precision."""
    with replacing(path) as part:
        frame.to_csv(part, index=False, lineterminator="\n")


def write_parquet(frame, path):
    """A data frame as Parquet, without its index."""
    with replacing(path) as part:
        frame.to_parquet(part, index=False, compression="zstd")


def write_json(value, path):
    """JSON for people and diffs: indented, keys in the order given; NaN is an error."""
    write_text(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n", path)


def write_tensors(tensors, path, metadata):
    """Named arrays as safetensors. `metadata`, whatever JSON holds, stands under one key: several would come in any order."""
    from safetensors.numpy import save

    with replacing(path) as part:
        part.write_bytes(save(tensors, {METADATA: json.dumps(metadata)}))


def read_tensors(path: Path | str, what: str = "arrays") -> tuple[dict[str, np.ndarray], dict]:
    """Return the arrays of a safetensors file by name, and its metadata as `write_tensors` wrote it, {} if it has none.

    Raises InputError, which says `what` should have been read, if the file is missing, incomplete or of another kind.
    """
    with _open_tensors(path, what) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _metadata(file)  # noqa: SIM118


def read_metadata(path: Path | str, what: str = "arrays") -> dict:
    """Return the metadata of a safetensors file alone; errors as those of `read_tensors`."""
    with _open_tensors(path, what) as file:
        return _metadata(file)


@contextmanager
def _open_tensors(path, what):
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise InputError(f"{path}: not found; it should hold {what}")
    try:
        with safe_open(path, "np") as file:
            yield file
    except (SafetensorError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a complete safetensors file with {what} ({error})") from None


def _metadata(file):
    return json.loads((file.metadata() or {}).get(METADATA, "{}"))


def sha256(path: Path | str) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def read_csv(path, **options):
    """A CSV as a data frame, every float exactly as written (pandas' default parser is off by a last digit at times)."""
    import pandas as pd

    return pd.read_csv(path, float_precision="round_trip", **options)
