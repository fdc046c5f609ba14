"""Fetching: real files through the real code, from directories and from small servers on this machine that misbehave."""

import errno
import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
from urllib3 import Retry

from model_emotion.base.errors import InputError
from model_emotion.inputs import download
from model_emotion.inputs.download import UnreachableError, fetch
from model_emotion.inputs.registry import GROUPS, RAW, REGISTRY, STUDY, raw

ROOT = Path(__file__).parents[1]
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there: what 'no network' looks like."""

WORLD = {f"{STUDY}/Data/a b%41/{i}.csv": bytes([i]) * (1000 + i) for i in range(4)}
"""The members of a small group `human`: name -> content."""


class Server(ThreadingHTTPServer):
    """Serves `content` (path -> bytes). A path's entry in `script` is a list of what its next answers are instead."""

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.script, self.requests = dict(content), {}, Counter()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        path = unquote(self.path).lstrip("/")
        self.server.requests[path] += 1
        script = self.server.script.get(path)
        if script:
            script.pop(0)(self)
        elif path in self.server.content:
            self.answer(self.server.content[path])
        else:
            self.send_error(404)

    def answer(self, body, length=None):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


def busy(wait):
    def answer(handler):
        handler.send_response(429)
        handler.send_header("Retry-After", str(wait))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def cut(body, keep):
    """Promise the whole body, send its first `keep` bytes, hang up."""
    return lambda handler: handler.answer(body[:keep], len(body))


def dribble(body, started):
    """Send half of the body, then nothing for long."""

    def answer(handler):
        handler.answer(body[: len(body) // 2], len(body))
        handler.wfile.flush()
        started.set()
        time.sleep(5)

    return answer


@contextmanager
def serving(content):
    server = Server(content)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.socket.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """The servers here are asked directly, whatever proxy this machine uses."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server():
    with serving(WORLD) as server:
        yield server


@pytest.fixture
def place(tmp_path):
    """Keyword arguments of `fetch` for the small group: an empty place, its registry, no network."""
    (tmp_path / "registry").mkdir()
    lines = [f'"{name}" {hashlib.sha256(body).hexdigest()}\n' for name, body in WORLD.items()]
    (tmp_path / "registry/human.txt").write_text("# a comment\n" + "".join(lines))
    return {
        "root": tmp_path / "raw",
        "registry": tmp_path / "registry",
        "files": NOWHERE,
        "archives": NOWHERE,
    }


@pytest.fixture
def mirror(tmp_path):
    for name, body in WORLD.items():
        path = tmp_path / "mirror" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return tmp_path / "mirror"


def here(place):
    """What lies in the group's folder: name -> content, temporary and stray files too."""
    group = place["root"] / "human"
    return {
        path.relative_to(group).as_posix(): path.read_bytes() for path in group.rglob("*") if path.is_file()
    }


def tar(content):
    """An archive as GitHub makes it: all below one folder REPO-COMMIT, a comment in front."""
    _, repo, commit = STUDY.split("/")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", pax_headers={"comment": commit}) as archive:
        for name, body in content.items():
            member = tarfile.TarInfo(f"{repo}-{commit}/{name.removeprefix(STUDY + '/')}")
            link = tarfile.TarInfo(member.name)  # of the same name, and no file
            link.type, link.linkname = tarfile.SYMTYPE, "elsewhere"
            archive.addfile(link)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return out.getvalue()


ARCHIVE = "{}/{}/archive/{}.tar.gz".format(*STUDY.split("/"))


# The registry


def registry(group):
    lines = (ROOT / REGISTRY / f"{group}.txt").read_text().splitlines()
    return dict(line.split(" ") for line in lines if not line.startswith("#"))


def test_every_group_is_pinned_by_commit_and_hash():
    assert {path.stem for path in (ROOT / REGISTRY).iterdir()} == set(GROUPS)
    assert {group: len(registry(group)) for group in GROUPS} == {
        "goemotions": 3, "human": 11, "activations": 325, "masking": 648, "reference": 9,
    }  # fmt: skip
    for group, pin in GROUPS.items():
        assert re.fullmatch(r"[^/]+/[^/]+/[0-9a-f]{40}", pin)
        for name, sha256 in registry(group).items():
            assert name.startswith(f"{pin}/")
            assert re.fullmatch("[0-9a-f]{64}", sha256)
        assert list(registry(group)) == sorted(registry(group))


def test_groups_share_no_file():
    names = Counter(name for group in GROUPS for name in registry(group))
    assert not [name for name, count in names.items() if count > 1]


def test_the_study_s_grid_is_complete():
    from model_emotion.base.study import EMOTIONS, SEEDS

    cells = {f"{emotion}-{seed}" for emotion in EMOTIONS for seed in SEEDS}
    assert {
        Path(name).stem for name in registry("activations") if name.endswith(".csv") and "relu" in name
    } == cells
    for kind in ("RSA_tau_14property", "random"):
        assert {Path(name).stem for name in registry("masking") if f"/{kind}/" in name} == cells


def test_the_datasheet_s_table_is_right(raw):
    text = (ROOT / "data/README.md").read_text()
    for group, pin in GROUPS.items():
        sizes = [raw(group, name.removeprefix(f"{pin}/")).stat().st_size for name in registry(group)]
        assert re.search(rf"^\| {group} \|.*\| {len(sizes)} \| {sum(sizes):,} \|$", text, re.MULTILINE), (
            group,
            len(sizes),
            sum(sizes),
        )
        assert pin.split("/")[2] in text


@pytest.mark.parametrize("name", [f"{STUDY}/../../x.csv", "thunlp/Model_Emotion/main/x.csv", "/etc/passwd"])
def test_a_registry_can_t_name_files_outside_its_commit(place, name):
    (place["registry"] / "human.txt").write_text(f"{name} {'0' * 64}\n")
    with pytest.raises(InputError, match=r"human\.txt: '.*' is no path below thunlp"):
        fetch("human", **place)


# From a mirror


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


# From the public source


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
        match=r"2 of the 4 files .* Data/a b%41/2\.csv, Data/a b%41/3\.csv; .*the transfer broke off",
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


# As an archive


@pytest.fixture
def many(monkeypatch):
    """Every group counts as one of many files."""
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
    with pytest.raises(UnreachableError, match=r"2 of the 4 files .* Data/a b%41/2\.csv.* broke off"):
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
    with pytest.raises(UnreachableError, match="broke off or is none"):
        fetch("human", **place | {"archives": server.url})


# Nothing half, nothing foreign


def test_strays_half_files_and_altered_ones_go(place, mirror):
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


def test_a_killed_run_goes_on_where_it_stopped(place, server):
    names, started = list(WORLD), threading.Event()
    server.script[names[2]] = [dribble(WORLD[names[2]] * 100, started)]
    call = f"from model_emotion.download import fetch; fetch('human', {server.url!r}, {str(place['root'])!r}, {str(place['registry'])!r})"
    process = subprocess.Popen([sys.executable, "-c", call], cwd=ROOT, stderr=subprocess.DEVNULL)
    assert started.wait(10)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = here(place)
    assert {name: left.pop(name) for name in names[:2]} == {name: WORLD[name] for name in names[:2]}
    assert len(left) == 1 and not set(left) & set(names)  # the half file has no member's name
    fetch("human", server.url, **place)
    assert here(place) == WORLD
    assert server.requests == {names[0]: 1, names[1]: 1, names[2]: 2, names[3]: 1}


# Readers and the stage


def test_a_reader_is_told_how_to_get_a_missing_file(tmp_path):
    with pytest.raises(
        InputError, match=r"raw/human/thunlp/.*/x\.csv: not there; fetch it with `dvc repro fetch@human`"
    ):
        raw("human", "x.csv", root=tmp_path / "raw")


@pytest.fixture
def project(tmp_path):
    """A place with what the stage reads, and a function that runs it there without mirror or network."""
    (tmp_path / "data").mkdir()
    shutil.copytree(ROOT / REGISTRY, tmp_path / REGISTRY)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    blocked = {"https_proxy": NOWHERE, "http_proxy": NOWHERE, "HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE}
    blocked |= {"NO_PROXY": "", "no_proxy": "", "MODEL_EMOTION_MIRROR": ""}

    def run(*arguments, **environment):
        command = [sys.executable, str(ROOT / "stages/fetch.py"), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=os.environ | blocked | environment, capture_output=True, text=True
        )

    yield tmp_path, run
    shutil.rmtree(tmp_path / "data")  # nothing of the surveys stays in pytest's temporary folder


def test_the_stage_ends_in_one_line_without_network(project):
    _, run = project
    ended = run("--group", "masking")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if "error" in line]
    assert line.startswith("error: 648 of the 648 files of group 'masking' can't be had: ")
    assert f"https://github.com/{ARCHIVE} (no connection)" in line


def test_the_stage_fetches_the_study_s_files(project, raw):
    folder, run = project
    source = raw("human", "Data/emotion_agreements.csv")
    mirror = source.parents[STUDY.count("/") + 2]
    assert run("--group", "human", MODEL_EMOTION_MIRROR=str(mirror)).returncode == 0
    fetched = folder / RAW / "human" / STUDY / "Data/emotion_agreements.csv"
    assert fetched.read_bytes() == source.read_bytes()
    assert len([path for path in (folder / "data/raw/human").rglob("*") if path.is_file()]) == 11


def test_the_stage_loads_nothing_heavy():
    call = "import sys, stages.fetch; print([name for name in ('pandas', 'numpy', 'torch', 'scipy') if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", call], cwd=ROOT, capture_output=True, text=True).stdout
        == "[]\n"
    )
