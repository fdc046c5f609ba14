"""Downloading a group as an archive, from local servers that also fail in various ways."""

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest
from servers import ARCHIVE, WORLD, dribble, here, tar

from model_emotion.base.errors import InputError
from model_emotion.inputs import download
from model_emotion.inputs.download import UnreachableError, fetch
from model_emotion.inputs.registry import STUDY

ROOT = Path(__file__).parents[1]


@pytest.fixture
def many(monkeypatch):
    """Treat every group as one of many files, which is downloaded as an archive."""
    monkeypatch.setattr(download, "SINGLY", 0)


def test_an_archive_is_read_once_and_only_members_are_kept(place, server, many):
    extra = {
        f"{STUDY}/README.md": b"no member",
        f"{STUDY}/../../../../escaped": b"out",
        f"{STUDY}/Data/a b%41/0.csv.bak": b"near",
    }
    server.content = {ARCHIVE: tar(extra | WORLD)}
    assert fetch("human", **place | {"archives": server.url}) == 4
    assert here(place) == WORLD
    assert server.requests == {ARCHIVE: 1}
    assert {path.name for path in place["root"].parent.iterdir()} == {"raw", "registry"}


def test_an_archive_is_read_no_further_than_needed(place, server, many):
    server.script[ARCHIVE] = [
        dribble(tar(WORLD | {f"{STUDY}/more": os.urandom(2_000_000)}), threading.Event())
    ]
    start = time.monotonic()
    assert fetch("human", **place | {"archives": server.url}) == 4
    assert time.monotonic() - start < 3
    assert here(place) == WORLD


def test_an_archive_is_asked_for_more_than_a_few_files_only(place, server, monkeypatch):
    monkeypatch.setattr(download, "SINGLY", 3)
    server.content[ARCHIVE] = tar(WORLD)
    fetch("human", **place | {"files": server.url, "archives": server.url})
    assert server.requests == {ARCHIVE: 1}
    gone = list(WORLD)[0]
    (place["root"] / "human" / gone).unlink()
    fetch("human", **place | {"files": server.url, "archives": server.url})
    assert server.requests == {ARCHIVE: 1, gone: 1}


@pytest.mark.parametrize("promised", [True, False])
def test_an_archive_cut_short_keeps_its_good_members(place, server, many, monkeypatch, promised):
    noise = {
        name: os.urandom(300_000) for name in WORLD
    }  # incompressible: half an archive holds half its members
    lines = [f'"{name}" {hashlib.sha256(body).hexdigest()}\n' for name, body in noise.items()]
    (place["registry"] / "human.txt").write_text("".join(lines))
    body = tar(noise)
    server.script[ARCHIVE] = [lambda handler: handler.answer(body[:700_000], len(body) if promised else None)]
    server.content = {ARCHIVE: body}
    with pytest.raises(
        UnreachableError, match=r"2 of the 4 files .* Data/a b%41/2\.csv.* (was interrupted|is incomplete)"
    ):
        fetch("human", **place | {"archives": server.url})
    assert here(place) == {name: noise[name] for name in list(noise)[:2]}
    fetch("human", **place | {"archives": server.url})
    assert here(place) == noise


def test_an_archive_with_an_altered_member_or_without_one(place, server, many):
    names = list(WORLD)
    server.content = {ARCHIVE: tar(WORLD | {names[1]: b"altered"})}
    with pytest.raises(InputError, match=r"1\.csv from http.*tar\.gz: SHA256 hash"):
        fetch("human", **place | {"archives": server.url})
    assert set(here(place)) == {names[0]}
    server.content = {ARCHIVE: tar({name: body for name, body in WORLD.items() if name != names[2]})}
    with pytest.raises(UnreachableError, match=r"1 of the 4 files .* Data/a b%41/2\.csv; .*not found there"):
        fetch("human", **place | {"archives": server.url})


@pytest.mark.parametrize("page", [b"<html>log in first</html>" * 100, b""])
def test_an_archive_that_is_none(place, server, many, page):
    server.content = {ARCHIVE: page}
    with pytest.raises(UnreachableError, match="incomplete or not a .tar.gz file"):
        fetch("human", **place | {"archives": server.url})
