"""Where files of the public inputs come from: a folder, a site, or an archive of a commit."""

import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3 import Retry
from urllib3.exceptions import HTTPError as TransferError

TIMEOUT = (10, 60)
"""Seconds to connect, and seconds without a byte."""
Write = Callable[[str], None]
"""Writes a file to a path."""
BROKEN = (requests.RequestException, TransferError, tarfile.TarError)


class LackingError(Exception):
    """A source does not have a file."""


class Source(Protocol):
    """A place to get files from. where: named in messages."""

    where: Any

    def offer(self, names: list[str]) -> Iterator[tuple[str, Write]]:
        """Yield the name of each file that the source may have, and the function that writes it."""


class Directory:
    """Files in a folder."""

    def __init__(self, base: str) -> None:
        self.where = Path(base).expanduser()

    def offer(self, names: list[str]) -> Iterator[tuple[str, Write]]:
        if not self.where.is_dir():
            raise LackingError("no such folder")
        for name in names:
            yield name, partial(self._write, name)

    def _write(self, name: str, part: str) -> None:
        try:
            shutil.copyfile(self.where / name, part)
        except FileNotFoundError:
            raise LackingError from None


class Site:
    """Files below a URL, one request each."""

    def __init__(self, base: str) -> None:
        self.where = base.rstrip("/")

    def offer(self, names: list[str]) -> Iterator[tuple[str, Write]]:
        with _session() as session:
            for name in names:
                yield name, partial(self._write, session, name)

    def _write(self, session: requests.Session, name: str, part: str) -> None:
        with _get(session, f"{self.where}/{quote(name)}") as response, open(part, "wb") as out:
            for chunk in response.iter_content(1 << 20):
                out.write(chunk)


class Archive:
    """The files of a commit as one .tar.gz, which is read once, while it arrives."""

    def __init__(self, base: str, pin: str, bar: tqdm) -> None:
        owner, repo, commit = pin.split("/")
        self.where = f"{base}/{owner}/{repo}/archive/{commit}.tar.gz"
        self._pin, self._bar = pin, bar

    def offer(self, names: list[str]) -> Iterator[tuple[str, Write]]:
        wanted = set(names)
        with _session() as session, _get(session, self.where) as response:
            stream: Any = _Metered(response.raw, self._bar)
            with tarfile.open(fileobj=stream, mode="r|gz", bufsize=1 << 18) as archive:
                for member in archive:
                    # all files are in one folder, REPO-COMMIT
                    name = f"{self._pin}/{member.name.partition('/')[2]}"
                    if name in wanted and (content := archive.extractfile(member)):
                        wanted.remove(name)
                        yield name, partial(self._write, content)
                    if not wanted:
                        return

    def _write(self, member: IO[bytes], part: str) -> None:
        with open(part, "wb") as out:
            shutil.copyfileobj(member, out)


class _Metered:
    """A stream that shows on a progress bar how much of it was read."""

    def __init__(self, stream: Any, bar: tqdm) -> None:
        self._stream, self._bar, self._count, self._shown = stream, bar, 0, time.monotonic()

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes."""
        data = self._stream.read(size)
        self._count += len(data)
        if time.monotonic() > self._shown + self._bar.mininterval:
            self._bar.set_postfix_str(f"{self._count / 1e6:.0f} MB read")
            self._shown = time.monotonic()
        return data


def _session() -> requests.Session:
    """Return a session that retries on status 429 and 5xx.

    It waits as long as the server says, or twice as long each time.
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
    """Return an open response with a body to stream. Raises LackingError for status 404."""
    response = session.get(url, stream=True, timeout=TIMEOUT)
    if response.status_code == 404:
        response.close()
        raise LackingError
    response.raise_for_status()
    return response


def reason(error: Exception) -> str:
    """Return a few words for an error of a transfer; its own message has several lines."""
    match error:
        case requests.HTTPError() if error.response is not None:
            return f"status {error.response.status_code}"
        case requests.exceptions.RetryError():
            return "server too busy after several attempts"
        case requests.Timeout():
            return "no answer in time"
        case requests.exceptions.ChunkedEncodingError() | TransferError():
            return "the transfer stopped"
        case tarfile.TarError():
            return "the archive is incomplete or not an archive"
        case requests.ConnectionError():
            return "no connection"
        case _:
            return str(error)
