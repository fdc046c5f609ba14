"""Small local servers that serve a made-up group of inputs, and also fail in various ways."""

import io
import tarfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from model_emotion.inputs.registry import STUDY

NOWHERE = "http://127.0.0.1:9"
"""An address where no server listens, as without a network."""

WORLD = {f"{STUDY}/Data/a b%41/{i}.csv": bytes([i]) * (1000 + i) for i in range(4)}
"""The files of a small group `human`: name -> content."""


class Server(ThreadingHTTPServer):
    """Serves `content` (path -> bytes), after the answers that `script` lists for a path."""

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
    """Announce the whole body, send its first `keep` bytes, and close the connection."""
    return lambda handler: handler.answer(body[:keep], len(body))


def dribble(body, started):
    """Send half of the body, then nothing for five seconds."""

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


def here(place):
    """Return all files in the group's folder, including temporary and unknown ones: name -> content."""
    group = place["root"] / "human"
    return {
        path.relative_to(group).as_posix(): path.read_bytes() for path in group.rglob("*") if path.is_file()
    }


def tar(content):
    """Return an archive as GitHub makes it: a comment, and all files in a folder REPO-COMMIT."""
    _, repo, commit = STUDY.split("/")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", pax_headers={"comment": commit}) as archive:
        for name, body in content.items():
            member = tarfile.TarInfo(f"{repo}-{commit}/{name.removeprefix(STUDY + '/')}")
            link = tarfile.TarInfo(member.name)  # a link with the file's name
            link.type, link.linkname = tarfile.SYMTYPE, "elsewhere"
            archive.addfile(link)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return out.getvalue()


ARCHIVE = "{}/{}/archive/{}.tar.gz".format(*STUDY.split("/"))
