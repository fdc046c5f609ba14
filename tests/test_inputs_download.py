"""Downloading files one by one from directories, and from local servers that also fail in various ways."""

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from servers import NOWHERE, WORLD, busy, cut, dribble, here, serving
from urllib3 import Retry

from model_emotion.base.errors import InputError
from model_emotion.inputs import download
from model_emotion.inputs.download import UnreachableError, fetch
from model_emotion.inputs.registry import STUDY

ROOT = Path(__file__).parents[1]


@pytest.fixture
def mirror(tmp_path):
    """A folder with the files of the small group."""
    for name, body in WORLD.items():
        path = tmp_path / "mirror" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return tmp_path / "mirror"


def test_a_directory_as_mirror(place, mirror):
    assert fetch("human", str(mirror), **place) == 4
    assert here(place) == WORLD
    assert all((place["root"] / "human" / name).stat().st_mode & 0o777 == 0o644 for name in WORLD)
    assert fetch("human", None, **place) == 0  # all kept, nothing asked of anybody


def test_a_relative_mirror_and_one_below_home(place, mirror, monkeypatch):
    monkeypatch.chdir(mirror.parent)
    assert fetch("human", "mirror", **place) == 4
    shutil.rmtree(place["root"])
    monkeypatch.setenv("HOME", str(mirror.parent))
    assert fetch("human", "~/mirror", **place) == 4


def test_a_url_as_mirror_and_what_is_there_is_kept(place, server):
    names = list(WORLD)
    kept = place["root"] / "human" / names[0]
    kept.parent.mkdir(parents=True)
    kept.write_bytes(WORLD[names[0]])
    assert fetch("human", server.url + "/", **place) == 3
    assert here(place) == WORLD
    assert server.requests == {name: 1 for name in names[1:]}


def test_what_the_mirror_lacks_comes_from_the_public_source(place, mirror, server):
    names = list(WORLD)
    (mirror / names[1]).unlink()
    assert fetch("human", str(mirror), **place | {"files": server.url}) == 4
    assert here(place) == WORLD
    assert server.requests == {names[1]: 1}
    shutil.rmtree(place["root"])
    with serving({names[2]: WORLD[names[2]]}) as poor:
        fetch("human", poor.url, **place | {"files": server.url})
    assert here(place) == WORLD
    assert server.requests == {names[0]: 1, names[1]: 2, names[3]: 1}


@pytest.mark.parametrize("away", ["/no/such/mirror", NOWHERE])
def test_a_mirror_that_can_t_be_used_is_named_and_the_public_source_asked(place, server, capsys, away):
    fetch("human", away, **place | {"files": server.url})
    assert here(place) == WORLD
    assert f"the mirror {away} (no " in capsys.readouterr().err


def test_a_wrong_copy_in_the_mirror_is_refused_named_and_not_passed_over(place, mirror, server):
    names = list(WORLD)
    (mirror / names[1]).write_bytes(b"altered")
    with pytest.raises(InputError) as caught:
        fetch("human", str(mirror), **place | {"files": server.url})
    wanted, found = (hashlib.sha256(body).hexdigest() for body in (WORLD[names[1]], b"altered"))
    for part in (names[1], str(mirror), f"expected {wanted}", f"got {found}"):
        assert part in str(caught.value)
    assert here(place) == {names[0]: WORLD[names[0]]}
    assert not server.requests


def test_a_busy_server_is_asked_again_after_the_time_it_names(place, server):
    name = list(WORLD)[2]
    server.script[name] = [busy(1)]
    start = time.monotonic()
    fetch("human", **place | {"files": server.url})
    assert here(place) == WORLD
    assert server.requests[name] == 2
    assert time.monotonic() - start >= 1


def test_a_server_that_stays_busy_is_given_up(place, server, monkeypatch):
    monkeypatch.setattr(
        download, "Retry", lambda **options: Retry(**options | {"total": 2, "backoff_factor": 0})
    )
    name = list(WORLD)[0]
    server.script[name] = [busy(0)] * 9
    with pytest.raises(UnreachableError, match="too busy"):
        fetch("human", **place | {"files": server.url})
    assert server.requests[name] == 3


def test_an_altered_file_is_removed_and_named(place, server):
    names = list(WORLD)
    server.content[names[3]] = WORLD[names[3]][:-1] + b"!"
    with pytest.raises(
        InputError, match=rf"3\.csv from {server.url}: SHA256 .* expected \w{{64}} but got \w{{64}}"
    ):
        fetch("human", **place | {"files": server.url})
    assert set(here(place)) == set(names[:3])


def test_a_body_cut_short_leaves_what_came_before_and_the_next_run_asks_for_the_rest_only(place, server):
    names = list(WORLD)
    server.script[names[2]] = [cut(WORLD[names[2]], 500)]
    with pytest.raises(
        UnreachableError,
        match=r"2 of the 4 files .* Data/a b%41/2\.csv, Data/a b%41/3\.csv; .*the transfer was interrupted",
    ):
        fetch("human", **place | {"files": server.url})
    assert set(here(place)) == set(names[:2])
    fetch("human", **place | {"files": server.url})
    assert here(place) == WORLD
    assert server.requests == {names[0]: 1, names[1]: 1, names[2]: 2, names[3]: 1}


@pytest.mark.parametrize(("status", "said"), [(404, "not found there"), (403, "status 403")])
def test_a_source_that_says_no(place, server, status, said):
    server.script[list(WORLD)[0]] = [lambda handler: handler.send_error(status)]
    with pytest.raises(UnreachableError, match=said):
        fetch("human", **place | {"files": server.url})


def test_no_mirror_and_no_network(place):
    with pytest.raises(UnreachableError) as caught:
        fetch("human", **place)
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "4 of the 4 files",
        "'human'",
        "Data/a b%41/0.csv",
        "MODEL_EMOTION_MIRROR is not set",
        f"{NOWHERE} (no connection)",
    ):
        assert part in message
    assert "MODEL_EMOTION_MIRROR=/path/or/url make repro" in message
    assert not here(place)


def test_unknown_incomplete_and_altered_files_are_removed(place, mirror):
    fetch("human", str(mirror), **place)
    group, names = place["root"] / "human", list(WORLD)
    (group / names[0]).write_bytes(b"altered here")
    (group / names[1]).with_name("tmp1234").write_bytes(b"left by a killed run")
    (group / "thunlp/Model_Emotion/old/deep").mkdir(parents=True)
    (group / "thunlp/Model_Emotion/old/deep/stray.csv").write_bytes(b"of another commit")
    (group / "dangling").symlink_to("nowhere")
    (group / names[2]).unlink()
    (group / names[2]).symlink_to("erased")  # a DVC cache of links that was erased
    assert fetch("human", str(mirror), **place) == 2
    assert here(place) == WORLD
    assert [path.name for path in (group / "thunlp/Model_Emotion").iterdir()] == [STUDY.split("/")[2]]
    assert not (group / "dangling").is_symlink()


def test_a_full_disk_names_the_file(place, server, mirror, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(download.shutil, "copyfile", full)
        with pytest.raises(InputError, match=r"human/thunlp/.*/0\.csv: No space left on device"):
            fetch("human", str(mirror), **place)
    with monkeypatch.context() as patch:
        patch.setattr(download.requests.Response, "iter_content", full)
        with pytest.raises(InputError, match=r"human/thunlp/.*/0\.csv: No space left on device"):
            fetch("human", **place | {"files": server.url})
    assert not here(place)


def test_a_killed_run_resumes_where_it_stopped(place, server):
    names, started = list(WORLD), threading.Event()
    server.script[names[2]] = [dribble(WORLD[names[2]] * 100, started)]
    arguments = f"'human', {server.url!r}, {str(place['root'])!r}, {str(place['registry'])!r}"
    call = f"from model_emotion.inputs.download import fetch; fetch({arguments})"
    process = subprocess.Popen([sys.executable, "-c", call], cwd=ROOT, stderr=subprocess.DEVNULL)
    assert started.wait(10)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = here(place)
    assert {name: left.pop(name) for name in names[:2]} == {name: WORLD[name] for name in names[:2]}
    assert len(left) == 1 and not set(left) & set(names)  # the incomplete file has a temporary name
    fetch("human", server.url, **place)
    assert here(place) == WORLD
    assert server.requests == {names[0]: 1, names[1]: 1, names[2]: 2, names[3]: 1}
