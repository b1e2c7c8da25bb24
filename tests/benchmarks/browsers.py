"""Firefox and WebKitGTK without a window, each driven by its own protocol: Marionette and WebDriver.

On Debian: `apt-get install firefox-esr webkit2gtk-driver xvfb`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

WAITS, SCRIPT = 60.0, 600_000  # seconds for a program to listen, milliseconds for a script
SIZE = "1280x900x24"
PREFERENCES = {
    "media.navigator.streams.fake": True,  # a camera, where there is none
    "media.navigator.permission.disabled": True,
    "browser.shell.checkDefaultBrowser": False,
}
RUN = """const [done, args] = [arguments[arguments.length - 1], arguments[0]];
const work = (async () => { BODY })();
work.then((ok) => done({ok: ok ?? null}), (error) => done({error: String(error.message ?? error)}));"""
T = TypeVar("T")
Call = Callable[[str, dict[str, Any]], Any]


class Browser:
    """A page of a browser; `call` sends one command of WebDriver, which both protocols share."""

    def __init__(self, version: str, call: Call) -> None:
        self.version, self.call = version, call

    def go(self, url: str) -> None:
        """Open a page."""
        self.call("Navigate", {"url": url})

    def run(self, body: str, *args: Any) -> Any:
        """What the body of an async function returns; raises RuntimeError with what it throws."""
        found = self.call("ExecuteAsyncScript", {"script": RUN.replace("BODY", body), "args": [list(args)]})
        if "error" in found:
            raise RuntimeError(found["error"])
        return found["ok"]

    def until(self, condition: str) -> None:
        """Wait until an expression is true."""
        while not self.run(f"return Boolean({condition})"):
            time.sleep(0.2)


@contextmanager
def firefox(preferences: dict[str, Any] | None = None) -> Iterator[Browser]:
    """Firefox, with these preferences too."""
    port = _free_port()
    wanted = {**PREFERENCES, **(preferences or {}), "marionette.port": port}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in wanted.items()]
        Path(folder, "user.js").write_text("\n".join(lines))
        command = ["firefox-esr", "--headless", "--marionette", "--no-remote", "--profile", folder]
        with _program(command, HOME=folder), _waited(partial(_connected, port)) as connection:
            stream = connection.makefile("rb")
            _message(stream)

            def call(name: str, parameters: dict[str, Any]) -> Any:
                text = json.dumps([0, 1, f"WebDriver:{name}", parameters]).encode()
                connection.sendall(b"%d:%s" % (len(text), text))
                _, _, error, result = _message(stream)
                if error:
                    raise RuntimeError(error["message"])
                return result.get("value", result)

            about = call("NewSession", {})["capabilities"]
            call("SetTimeouts", {"script": SCRIPT})
            yield Browser(f"Firefox {about['browserVersion']}", call)


@contextmanager
def webkit() -> Iterator[Browser]:
    """WebKitGTK's MiniBrowser, the nearest to Safari that runs on Linux."""
    port, display = _free_port(), f":{100 + os.getpid() % 400}"
    program = next(Path("/usr/lib").glob("*/webkit2gtk-4.1/MiniBrowser"))
    options = {"binary": str(program), "args": ["--automation", "--enable-mock-capture-devices=true"]}
    paths = {"Navigate": "url", "ExecuteAsyncScript": "execute/async", "SetTimeouts": "timeouts"}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as programs:
        programs.enter_context(_program(["Xvfb", display, "-screen", "0", SIZE]))
        own = {"HOME": folder, "XDG_DATA_HOME": f"{folder}/data", "XDG_CACHE_HOME": f"{folder}/cache"}
        as_root = {"WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"} if os.geteuid() == 0 else {}
        plain = {"DISPLAY": display, "GDK_BACKEND": "x11", "WEBKIT_DISABLE_DMABUF_RENDERER": "1"}
        programs.enter_context(_program(["WebKitWebDriver", f"--port={port}"], **own, **plain, **as_root))
        base = f"http://127.0.0.1:{port}/session"

        def post(url: str, parameters: dict[str, Any], method: str = "POST") -> Any:
            body = json.dumps(parameters).encode() if method == "POST" else None
            asked = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
            with urllib.request.urlopen(asked) as answer:
                return json.load(answer)["value"]

        wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
        session = _waited(partial(post, base, wanted))
        address = f"{base}/{session['sessionId']}"
        programs.callback(post, address, {}, "DELETE")
        browser = Browser(
            f"WebKitGTK {session['capabilities']['browserVersion']}",
            lambda name, parameters: post(f"{address}/{paths[name]}", parameters),
        )
        browser.call("SetTimeouts", {"script": SCRIPT})
        yield browser


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port))


def _waited(make: Callable[[], T]) -> T:
    """What a call gives once a program listens."""
    end = time.monotonic() + WAITS
    while True:
        try:
            return make()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


@contextmanager
def _program(command: list[str], **variables: str) -> Iterator[None]:
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    process = subprocess.Popen(command, env={**os.environ, **variables}, **quiet)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _message(stream: Any) -> Any:
    length = b""
    while (digit := stream.read(1)) != b":":
        length += digit
    return json.loads(stream.read(int(length)))
