"""Download a group of the public inputs to data/raw/GROUP, with the hashes that its registry lists.

Sources, in this order:

1. A mirror, if there is one: a folder or URL laid out as OWNER/REPO/COMMIT/PATH. Files that it lacks, or all
files if it cannot be used, come from the public source. A wrong copy in a mirror is an error.

2. The public source: few files one by one, many files as one archive of the commit, because hundreds of
requests meet a rate limit. The archive is read while it arrives, and only listed files are kept.

pooch writes each file under a temporary name, checks its hash, and then renames it. So every file with its
name is complete, and a download resumes after an interruption.
"""

import os
import sys
from pathlib import Path

import pooch
from tqdm import tqdm

from model_emotion.base.errors import InputError
from model_emotion.inputs.registry import GROUPS, RAW, REGISTRY
from model_emotion.inputs.sources import BROKEN, Archive, Directory, LackingError, Site, Source, Write, reason

FILES = "https://raw.githubusercontent.com"
ARCHIVES = "https://github.com"
SINGLY = 50
"""Up to this many files are downloaded one by one, more as an archive."""
pooch.get_logger().setLevel("WARNING")


class UnreachableError(InputError):
    """Neither the mirror nor the public source had all files."""


def fetch(
    group: str,
    mirror: str | None = None,
    root: Path | str = RAW,
    registry: Path | str = REGISTRY,
    files: str = FILES,
    archives: str = ARCHIVES,
) -> int:
    """Make `root`/`group` hold exactly the files that `registry`/`group`.txt lists.

    Returns how many were downloaded. Files with the right SHA-256 are kept; all others are removed. mirror: a
    folder or URL. files, archives: URLs of the public source. Raises UnreachableError if no source has a
    file, and InputError for a wrong copy, which is removed, and for a file that cannot be written. Files that
    arrived before an error are kept.
    """
    store = _open(group, Path(root), Path(registry))
    missing = _clean(store)
    count = len(missing)
    looked = [] if mirror else ["no mirror (MODEL_EMOTION_MIRROR is not set)"]
    with tqdm(
        desc=f"fetch {group}",
        total=len(store.registry),
        unit="file",
        mininterval=0.1 if sys.stderr.isatty() else 10,
    ) as bar:
        bar.update(len(store.registry) - count)
        if missing and mirror:
            source: Source = Site(mirror) if mirror.startswith(("http://", "https://")) else Directory(mirror)
            missing, problem = _take(source, missing, store, bar)
            if missing:
                looked.append(f"the mirror {source.where} ({problem})")
                rest = f"downloading {len(missing)} of {count} files from the public source"
                tqdm.write(f"{looked[-1]}: {rest}", file=sys.stderr)
        if missing:
            source = Site(files) if len(missing) <= SINGLY else Archive(archives, GROUPS[group], bar)
            missing, problem = _take(source, missing, store, bar)
            looked.append(f"{source.where} ({problem})")
    if missing:
        raise UnreachableError(_unreachable(group, missing, len(store.registry), looked))
    return count


def _unreachable(group: str, missing: list[str], files: int, looked: list[str]) -> str:
    """Return the error for files that no source has. looked: the sources, each with the problem."""
    names = ", ".join(name.removeprefix(f"{GROUPS[group]}/") for name in missing[:3])
    more = ", …" if len(missing) > 3 else ""
    return (
        f"{len(missing)} of the {files} files of group '{group}' could not be downloaded: {names}{more}; "
        f"tried: {', '.join(looked)}. Files that arrived are kept. Run again with a connection, or with a "
        "mirror laid out as OWNER/REPO/COMMIT/PATH: MODEL_EMOTION_MIRROR=/path/or/url make repro"
    )


def _open(group: str, root: Path, registry: Path) -> pooch.Pooch:
    """Return the group as a pooch store: the names and hashes of its files, and its folder."""
    store = pooch.create(path=root / group, base_url="")
    store.load_registry(registry / f"{group}.txt")
    for name in store.registry:
        if not name.startswith(f"{GROUPS[group]}/") or ".." in name.split("/"):
            raise InputError(f"{registry / group}.txt: '{name}' is not a path below {GROUPS[group]}")
    return store


def _clean(store: pooch.Pooch) -> list[str]:
    """Remove all but the store's complete files. Return the names that are missing."""
    for folder, _, names in os.walk(store.abspath, topdown=False):
        for file in (Path(folder) / name for name in names):
            sha256 = store.registry.get(file.relative_to(store.abspath).as_posix())
            if sha256 is None or not file.exists() or not pooch.hashes.hash_matches(file, sha256):
                file.unlink()
        if not os.listdir(folder):
            os.rmdir(folder)
    return [name for name in store.registry if not (store.abspath / name).exists()]


def _take(source: Source, names: list[str], store: pooch.Pooch, bar: tqdm) -> tuple[list[str], str]:
    """Take files from a source. Return the names that it did not give, and why."""
    left, problem = list(names), "not found there"
    try:
        for name, write in source.offer(names):
            try:
                _place(store, name, source.where, write)
            except LackingError:
                continue
            left.remove(name)
            bar.update()
    except LackingError as error:
        problem = str(error) or problem
    except BROKEN as error:
        problem = reason(error)
    return left, problem


def _place(store: pooch.Pooch, name: str, where: object, write: Write) -> None:
    """Write a temporary file, check it and rename it. where: the source, which an error names."""

    def download(_: str, part: str, __: pooch.Pooch) -> None:
        write(part)
        os.chmod(part, 0o644)

    try:
        store.fetch(name, downloader=download)
    except BROKEN:
        raise
    except ValueError as error:  # pooch: another hash than expected
        raise InputError(f"{name} from {where}: {error}") from None
    except OSError as error:
        raise InputError(f"{store.path / name}: {error.strerror or error} (it comes from {where})") from None
