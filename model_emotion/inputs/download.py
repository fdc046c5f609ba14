"""Download a group of public input files to data/raw/GROUP and check them against the registry's SHA-256.

Two sources are tried in this order:

1. A mirror, if one is given: a directory or URL with files at OWNER/REPO/COMMIT/PATH. Files that it lacks are
   requested from the public source. A file with a wrong hash in a mirror is an error.
2. The public source. A few files are requested one by one, many as one archive of the pinned commit, because
   hundreds of requests exceed a rate limit. The archive is read as it arrives.

pooch writes each file under a temporary name, checks its hash, and then renames it. So every file with its
final name is complete, and a run that was killed resumes where it stopped.
"""

import os
import shutil
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TypeAlias, cast
from urllib.parse import quote

import pooch
import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3 import Retry
from urllib3.exceptions import HTTPError as TransferError

from model_emotion.base.errors import InputError
from model_emotion.inputs.registry import GROUPS, RAW, REGISTRY

FILES = "https://raw.githubusercontent.com"
ARCHIVES = "https://github.com"
SINGLY = 50
"""Up to this many missing files are requested one by one; more are requested as an archive."""
TIMEOUT = (10, 60)
"""Seconds to wait for a connection, and for the next bytes."""
BROKEN = (requests.RequestException, TransferError, tarfile.TarError)
pooch.get_logger().setLevel("WARNING")


class UnreachableError(InputError):
    """Neither the mirror nor the public source has all the files."""


class _LackingError(Exception):
    """A source does not have the requested file."""


Write = Callable[[str], None]
"""Writes a file's content to a path."""
_Source: TypeAlias = "_Directory | _Site | _Archive"


def fetch(
    group: str,
    mirror: str | None = None,
    root: str | Path = RAW,
    registry: str | Path = REGISTRY,
    files: str = FILES,
    archives: str = ARCHIVES,
) -> int:
    """Download the files of `registry`/`group`.txt to `root`/`group`, and return how many were downloaded.

    Files that have the right SHA-256 already are kept. All other files in the folder are removed. mirror: a
    directory or URL. files, archives: URLs of the public source. Raises UnreachableError if no source has a
    file, and InputError if a file has a wrong hash (it is removed) or cannot be written. Files that arrived
    before an error are kept.
    """
    store = _open(group, Path(root), Path(registry))
    missing = _clean(store)
    count = len(missing)
    source: _Source
    tried = [] if mirror else ["no mirror (MODEL_EMOTION_MIRROR is not set)"]
    with tqdm(
        desc=f"fetch {group}",
        total=len(store.registry),
        unit="file",
        mininterval=0.1 if sys.stderr.isatty() else 10,
    ) as bar:
        bar.update(len(store.registry) - count)
        if missing and mirror:
            source = _Site(mirror) if mirror.startswith(("http://", "https://")) else _Directory(mirror)
            missing, problem = _take(source, missing, store, bar)
            if missing:
                tried.append(f"the mirror {source.where} ({problem})")
                left = f"{len(missing)} of {count} files"
                tqdm.write(f"{tried[-1]}: requesting {left} from the public source", file=sys.stderr)
        if missing:
            source = _Site(files) if len(missing) <= SINGLY else _Archive(archives, GROUPS[group], bar)
            missing, problem = _take(source, missing, store, bar)
            tried.append(f"{source.where} ({problem})")
    if missing:
        names = [name.removeprefix(f"{GROUPS[group]}/") for name in missing[:3]]
        raise UnreachableError(
            f"{len(missing)} of the {len(store.registry)} files of group '{group}' can't be had: "
            f"{', '.join(names + ['…'] * (len(missing) > 3))}; tried: {', '.join(tried)}. "
            "Files that have arrived are kept. Run again with a network connection, or with a mirror "
            "that has the files at OWNER/REPO/COMMIT/PATH: MODEL_EMOTION_MIRROR=/path/or/url make repro"
        )
    return count


def _open(group: str, root: Path, registry: Path) -> pooch.Pooch:
    """Return the group as a pooch store, which has the folder, and the names and SHA-256 of the files.

    Raises InputError if the registry names a file that is outside the group's commit.
    """
    store = pooch.create(path=root / group, base_url="")
    store.load_registry(registry / f"{group}.txt")
    for name in store.registry:
        if not name.startswith(f"{GROUPS[group]}/") or ".." in name.split("/"):
            raise InputError(f"{registry / group}.txt: '{name}' is not a path below {GROUPS[group]}")
    return store


def _clean(store: pooch.Pooch) -> list[str]:
    """Remove files that are not in the registry or have a wrong hash; return the names of the missing files.

    This also removes temporary files of a run that was killed.
    """
    for folder, _, names in os.walk(store.abspath, topdown=False):
        for file in (Path(folder) / name for name in names):
            sha256 = store.registry.get(file.relative_to(store.abspath).as_posix())
            if sha256 is None or not file.exists() or not pooch.hashes.hash_matches(file, sha256):
                file.unlink()
        if not os.listdir(folder):
            os.rmdir(folder)
    return [name for name in store.registry if not (store.abspath / name).exists()]


def _take(source: _Source, names: Sequence[str], store: pooch.Pooch, bar: tqdm) -> tuple[list[str], str]:
    """Store the files of `names` that `source` has; return the names that are left, and the reason."""
    left, problem = list(names), "not found there"
    try:
        for name, write in source.offer(names):
            try:
                _place(store, name, source.where, write)
            except _LackingError:
                continue
            left.remove(name)
            bar.update()
    except _LackingError as error:
        problem = str(error) or problem
    except BROKEN as error:
        problem = _reason(error)
    return left, problem


def _place(store: pooch.Pooch, name: str, where: str | Path, write: Write) -> None:
    """Write a temporary file, check its hash and rename it.

    Raises InputError, which names the file and its source, for a wrong hash and for a file that cannot be
    written.
    """

    def download(_, part, __):
        write(part)
        os.chmod(part, 0o644)

    try:
        store.fetch(name, downloader=download)
    except BROKEN:
        raise
    except ValueError as error:  # pooch found a wrong hash
        raise InputError(f"{name} from {where}: {error}") from None
    except OSError as error:
        raise InputError(
            f"{Path(store.path) / name}: {error.strerror or error} (while writing it from {where})"
        ) from None


class _Directory:
    """Files below a directory."""

    def __init__(self, base: str) -> None:
        self.where = Path(base).expanduser()

    def offer(self, names: Sequence[str]) -> Iterator[tuple[str, Write]]:
        if not self.where.is_dir():
            raise _LackingError("no such directory")
        for name in names:
            yield name, partial(self._write, name)

    def _write(self, name: str, part: str) -> None:
        try:
            shutil.copyfile(self.where / name, part)
        except FileNotFoundError:
            raise _LackingError from None


class _Site:
    """Files below a URL, with one request for each."""

    def __init__(self, base: str) -> None:
        self.where = base.rstrip("/")

    def offer(self, names: Sequence[str]) -> Iterator[tuple[str, Write]]:
        with _session() as session:
            for name in names:
                yield name, partial(self._write, session, name)

    def _write(self, session: requests.Session, name: str, part: str) -> None:
        with _get(session, f"{self.where}/{quote(name)}") as response, open(part, "wb") as out:
            for chunk in response.iter_content(1 << 20):
                out.write(chunk)


class _Archive:
    """A commit's files as one .tar.gz, which is read once, as it arrives; other files in it are skipped."""

    def __init__(self, base: str, pin: str, bar: tqdm) -> None:
        owner, repo, commit = pin.split("/")
        self.where = f"{base}/{owner}/{repo}/archive/{commit}.tar.gz"
        self._pin, self._bar = pin, bar

    def offer(self, names: Sequence[str]) -> Iterator[tuple[str, Write]]:
        wanted = set(names)
        with _session() as session, _get(session, self.where) as response:
            stream = cast(IO[bytes], _Metered(response.raw, self._bar))  # tarfile only calls read
            with tarfile.open(fileobj=stream, mode="r|gz", bufsize=1 << 18) as archive:
                for member in archive:
                    # the archive's only folder is REPO-COMMIT
                    name = f"{self._pin}/{member.name.partition('/')[2]}"
                    if name in wanted and member.isfile() and (content := archive.extractfile(member)):
                        wanted.remove(name)
                        yield name, partial(self._write, content)
                    if not wanted:
                        return

    def _write(self, member: IO[bytes], part: str) -> None:
        with open(part, "wb") as out:
            shutil.copyfileobj(member, out)


class _Metered:
    """A stream that shows on a progress bar how many megabytes were read."""

    def __init__(self, stream: IO[bytes], bar: tqdm) -> None:
        self._stream, self._bar, self._count, self._shown = stream, bar, 0, time.monotonic()

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._count += len(data)
        if time.monotonic() > self._shown + self._bar.mininterval:
            self._bar.set_postfix_str(f"{self._count / 1e6:.0f} MB read")
            self._shown = time.monotonic()
        return data


def _session() -> requests.Session:
    """Return a session that repeats requests with status 429 or 5xx.

    It waits as long as the server says, otherwise twice as long each time.
    """
    retry = Retry(
        total=6,
        connect=1,
        read=2,
        backoff_factor=0.5,
        status_forcelist=(429, 500, 502, 503, 504),
        retry_after_max=120,
    )
    session = requests.Session()
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _get(session: requests.Session, url: str) -> requests.Response:
    """Return an open response whose body can be streamed. Raises _LackingError for status 404."""
    response = session.get(url, stream=True, timeout=TIMEOUT)
    if response.status_code == 404:
        response.close()
        raise _LackingError
    response.raise_for_status()
    return response


def _reason(error: Exception) -> str:
    """Describe an error of a transfer in a few words; its own message can have several lines."""
    match error:
        case requests.HTTPError(response=requests.Response() as response):
            return f"status {response.status_code}"
        case requests.exceptions.RetryError():
            return "too busy, after several requests"
        case requests.Timeout():
            return "no answer in time"
        case requests.exceptions.ChunkedEncodingError() | TransferError():
            return "the transfer was interrupted"
        case tarfile.TarError():
            return "the archive is incomplete or not a .tar.gz file"
        case requests.ConnectionError():
            return "no connection"
        case _:
            return str(error)
