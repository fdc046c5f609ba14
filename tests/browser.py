"""Control a headless Chromium in tests by its DevTools protocol over a pipe, without a driver or a port."""

import fcntl
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-pipe",
]  # fmt: skip


class Page:
    """A tab: commands, the events since it was opened, and a user's keys and mouse."""

    def __init__(self, writing, reading):
        self._writing, self._reading, self._buffer, self._number, self.events = writing, reading, b"", 0, []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.ask(f"{domain}.enable")

    _session = None

    def ask(self, method, **params):
        """Return the result of a command. Raises RuntimeError if the browser refuses it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params} | (
            {"sessionId": self._session} if self._session else {}
        )
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']}")
                return said["result"]
            self.events.append(said)

    def _next(self):
        while b"\0" not in self._buffer:
            got = os.read(self._reading, 1 << 20)
            if not got:
                raise RuntimeError("the browser has ended")
            self._buffer += got
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def run(self, script):
        """Return the value of JavaScript, awaited. Raises RuntimeError if it throws."""
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def wait(self, script, seconds=30):
        """Wait until JavaScript is true."""
        for _ in range(seconds * 20):
            if self.run(script):
                return
            time.sleep(0.05)
        raise AssertionError(f"still false after {seconds} s: {script}")

    def open(self, path, width=1280, height=900):
        """Open a file in a window of this size."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.ask("Page.navigate", url=path.as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def key(self, name):
        """Press and release a key."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        about = {"key": name, "code": name, "windowsVirtualKeyCode": codes.get(name, 0)}
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, **about)

    def point(self, selector):
        """Move the mouse onto the middle of an element. Return where that is."""
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'});"
            "const b = e.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        for shift in (1, 0):
            self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x + shift, y=y)
        return x, y

    def click(self, selector):
        """Click on the middle of an element."""
        x, y = self.point(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def requests(self):
        """Return the addresses that the page requested."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def complaints(self):
        """Return errors and warnings on the console, and exceptions."""
        loud = [
            event
            for event in self.events
            if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")
        ]
        said = [
            event
            for event in self.events
            if event.get("method") == "Runtime.consoleAPICalled" and event["params"]["type"] != "log"
        ]
        return [json.dumps(event["params"])[:500] for event in loud + said]


@contextmanager
def browser(folder):
    """Yield a Page of a browser whose profile is in `folder`. The browser ends with the block."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    far = [
        fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (theirs_in, theirs_out)
    ]  # the browser reads 3 and writes 4
    command = f'exec "$0" "$@" 3<&{far[0]} 4>&{far[1]}'
    arguments = ["bash", "-c", command, CHROMIUM, *QUIET, f"--user-data-dir={folder}"]
    process = subprocess.Popen(arguments, pass_fds=far, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for end in (*far, theirs_in, theirs_out):
        os.close(end)
    try:
        yield Page(ours_out, ours_in)
    finally:
        process.kill()
        process.wait()
        for end in (ours_out, ours_in):
            os.close(end)
