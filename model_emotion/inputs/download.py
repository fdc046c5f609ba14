"""Bring a group of the public inputs to data/raw/GROUP, byte for byte as its registry pins them, or say why not.

Sources, in this order:
1. a mirror, where one is given: a directory or URL laid out as OWNER/REPO/COMMIT/PATH. What it lacks, or all that is left
   when it can't be used, is asked of the next. A wrong copy in a mirror is an error and never passed over: somebody should know.
2. the public one: a few files singly, many as one archive of the pinned commit (hundreds of single requests meet a rate
   limit), which is read as it streams in and of which only the registry's members are kept.

pooch writes each file under a temporary name, checks its hash and only then gives it its name. So a file that is there is
whole, and a run that was killed goes on where it stopped.
"""

import os
import shutil
import sys
import tarfile
import time
from functools import partial
from pathlib import Path
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
SINGLY = 50  # up to this many missing files are fetched one by one, more as an archive
TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
BROKEN = (requests.RequestException, TransferError, tarfile.TarError)
pooch.get_logger().setLevel("WARNING")


class UnreachableError(InputError):
    """Neither the mirror nor the public source gave all the files."""


class _LackingError(Exception):
    """A source does not have what it is asked for."""


def fetch(group, mirror=None, root=RAW, registry=REGISTRY, files=FILES, archives=ARCHIVES):
    """Have in `root`/`group` the files that `registry`/`group`.txt lists, and nothing else; returns how many had to be fetched.

    Files with the right sha256 are kept; all others there are removed. `mirror` is a directory or URL; `files` and
    `archives` are where the public source lies. Raises UnreachableError when no source gives a file, InputError for a
    wrong copy (removed) and for a file that can't be written. What arrived before an error stays.
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
            source = _Site(mirror) if mirror.startswith(("http://", "https://")) else _Directory(mirror)
            missing, problem = _take(source, missing, store, bar)
            if missing:
                looked.append(f"the mirror {source.where} ({problem})")
                tqdm.write(
                    f"{looked[-1]}: asking the public source for {len(missing)} of {count} files",
                    file=sys.stderr,
                )
        if missing:
            source = _Site(files) if len(missing) <= SINGLY else _Archive(archives, GROUPS[group], bar)
            missing, problem = _take(source, missing, store, bar)
            looked.append(f"{source.where} ({problem})")
    if missing:
        names = ", ".join(name.removeprefix(f"{GROUPS[group]}/") for name in missing[:3])
        raise UnreachableError(
            f"{len(missing)} of the {len(store.registry)} files of group '{group}' can't be had: {names}{', …' * (len(missing) > 3)}; "
            f"looked in: {', '.join(looked)}. What has arrived is kept. Run again with a connection, or with a mirror laid out as "
            "OWNER/REPO/COMMIT/PATH: MODEL_EMOTION_MIRROR=/path/or/url make repro"
        )
    return count


def _open(group, root, registry):
    """The group as a pooch store: its members' names and sha256, its folder."""
    store = pooch.create(path=root / group, base_url="")
    store.load_registry(registry / f"{group}.txt")
    for name in store.registry:
        if not name.startswith(f"{GROUPS[group]}/") or ".." in name.split("/"):
            raise InputError(f"{registry / group}.txt: '{name}' is no path below {GROUPS[group]}")
    return store


def _clean(store):
    """Remove what is no member or not whole, a killed run's temporary files too; returns the names that are missing."""
    for folder, _, names in os.walk(store.abspath, topdown=False):
        for file in (Path(folder) / name for name in names):
            sha256 = store.registry.get(file.relative_to(store.abspath).as_posix())
            if sha256 is None or not file.exists() or not pooch.hashes.hash_matches(file, sha256):
                file.unlink()
        if not os.listdir(folder):
            os.rmdir(folder)
    return [name for name in store.registry if not (store.abspath / name).exists()]


def _take(source, names, store, bar):
    """Place what `source` has of `names`; returns the names that are left and why it did not give them."""
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


def _place(store, name, where, write):
    """Let `write(path)` fill a temporary file, check it, give it its name. An error names the file and its source."""

    def download(_, part, __):
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


class _Directory:
    """Files below a directory."""

    def __init__(self, base):
        self.where = Path(base).expanduser()

    def offer(self, names):
        if not self.where.is_dir():
            raise _LackingError("no such directory")
        for name in names:
            yield name, partial(self._write, name)

    def _write(self, name, part):
        try:
            shutil.copyfile(self.where / name, part)
        except FileNotFoundError:
            raise _LackingError from None


class _Site:
    """Files below a URL, one request each."""

    def __init__(self, base):
        self.where = base.rstrip("/")

    def offer(self, names):
        with _session() as session:
            for name in names:
                yield name, partial(self._write, session, name)

    def _write(self, session, name, part):
        with _get(session, f"{self.where}/{quote(name)}") as response, open(part, "wb") as out:
            for chunk in response.iter_content(1 << 20):
                out.write(chunk)


class _Archive:
    """A commit's files as one .tar.gz, read once, as it streams in; what is not asked for is passed over."""

    def __init__(self, base, pin, bar):
        owner, repo, commit = pin.split("/")
        self.where = f"{base}/{owner}/{repo}/archive/{commit}.tar.gz"
        self._pin, self._bar = pin, bar

    def offer(self, names):
        wanted = set(names)
        with _session() as session, _get(session, self.where) as response:
            stream = _Metered(response.raw, self._bar)
            with tarfile.open(fileobj=stream, mode="r|gz", bufsize=1 << 18) as archive:
                for member in archive:
                    name = f"{self._pin}/{member.name.partition('/')[2]}"  # the archive's one folder is REPO-COMMIT
                    if name in wanted and member.isfile():
                        wanted.remove(name)
                        yield name, partial(self._write, archive.extractfile(member))
                    if not wanted:
                        return

    def _write(self, member, part):
        with open(part, "wb") as out:
            shutil.copyfileobj(member, out)


class _Metered:
    """A stream that shows on a progress bar how much of it was read."""

    def __init__(self, stream, bar):
        self._stream, self._bar, self._count, self._shown = stream, bar, 0, time.monotonic()

    def read(self, size):
        data = self._stream.read(size)
        self._count += len(data)
        if time.monotonic() > self._shown + self._bar.mininterval:
            self._bar.set_postfix_str(f"{self._count / 1e6:.0f} MB read")
            self._shown = time.monotonic()
        return data


def _session():
    """A session that waits and asks again on 429 and 5xx, as long as the server says or twice as long each time."""
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


def _get(session, url):
    """An open response with a body to stream. Raises _LackingError for 404."""
    response = session.get(url, stream=True, timeout=TIMEOUT)
    if response.status_code == 404:
        response.close()
        raise _LackingError
    response.raise_for_status()
    return response


def _reason(error):
    """A few words for an error of a transfer, whose own go over several lines."""
    match error:
        case requests.HTTPError():
            return f"status {error.response.status_code}"
        case requests.exceptions.RetryError():
            return "too busy, asked several times"
        case requests.Timeout():
            return "no answer in time"
        case requests.exceptions.ChunkedEncodingError() | TransferError():
            return "the transfer broke off"
        case tarfile.TarError():
            return "the archive broke off or is none"
        case requests.ConnectionError():
            return "no connection"
        case _:
            return str(error)
