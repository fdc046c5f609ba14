"""The folder of a run that was measured elsewhere, data/runs/NAME: its files, and a check that opens none.

DVC reads such a folder before any stage can check it, and a pipe in it, or a link, can keep DVC busy forever.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from model_emotion.base.errors import UserError
from model_emotion.base.values import RunName

FOLDER = Path("data/runs")
CARD_FILE, ACTIVATIONS = "run.yaml", "activations.safetensors"
UNMASKED, MASKED = "accuracy.csv", "masked_accuracy.csv"
REQUIRED = (CARD_FILE, ACTIVATIONS, UNMASKED, MASKED)
OPTIONAL = {"prompts": ".safetensors", "learning_curves": ".csv", "provenance": ".json"}
"""Folders that a run may have, and the suffix of their files. No analysis reads them."""
LARGEST, MOST_FILES = 100 * 1000**2, 2000
"""Limits: bytes of a file, and files of a folder."""


def folder_of(name: str) -> Path:
    """Return data/runs/NAME. Raises UserError for a name that could leave data/runs."""
    try:
        return FOLDER / TypeAdapter(RunName).validate_python(name)
    except ValidationError as error:
        raise UserError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def faults_of_files(folder: Path) -> Iterator[str]:
    """Yield the faults that show without opening a file: links, unknown, missing and too large files."""
    if folder.is_symlink() or not folder.is_dir():
        yield f"{folder}: not a folder; put the run's files there"
        return
    seen = 0
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = folder / entry.name
        if entry.name in OPTIONAL and entry.is_dir(follow_symlinks=False):
            files = [(path / inner.name, inner) for inner in os.scandir(path)]
            wrong = [one for one, _ in files if one.suffix != OPTIONAL[entry.name]]
        else:
            files, wrong = [(path, entry)], [path] if entry.name not in (*REQUIRED, "README.md") else []
        seen += len(files)
        if seen > MOST_FILES:
            yield f"{folder}: more than {MOST_FILES} files"
            return
        for one in wrong:
            yield f"{folder}: {str(one.relative_to(folder))!r} is no file of a run; remove it"
        for one, inner in files:
            status = inner.stat(follow_symlinks=False)
            if one in wrong:
                continue
            if not stat.S_ISREG(status.st_mode):
                yield f"{one}: a link or a special file; put the file itself there"
            elif status.st_size > LARGEST:
                size = f"{status.st_size:,} bytes; a file over {LARGEST:,} bytes belongs in DVC"
                yield f"{one}: {size}, not in a run's folder"
    for name in REQUIRED:
        if not (folder / name).exists() and not (folder / name).is_symlink():
            yield f"{folder / name}: is missing"
