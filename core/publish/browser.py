"""A browser of this machine without a window, and a web server that gives it files and receives what it posts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import psutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
)
MAX_POST = 10_000_000  # bytes


def find_browser() -> str | None:
    """The program of a Chromium, Chrome or Edge on this machine, or None."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or next((place for place in PLACES if Path(place).is_file()), None)


@contextmanager
def opened(browser: str, url: str, profile: Path) -> Iterator[psutil.Popen]:
    """The process of a browser that opens `url`; it and its children are killed at the end of the block."""
    root = sys.platform == "linux" and os.geteuid() == 0  # whom the browser's sandbox refuses
    command = [browser, *FLAGS, *(["--no-sandbox"] if root else []), f"--user-data-dir={profile}", url]
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    process = psutil.Popen(command, **quiet)
    try:
        yield process
    finally:
        family = [process]
        with suppress(psutil.NoSuchProcess):
            family = [*process.children(recursive=True), process]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=10)


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[tuple[str, Queue[Any]]]:
    """The URL of a web server on this machine with these files, and the queue of the JSON documents posted to it."""
    posted: Queue[Any] = Queue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, files, posted))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", posted
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, files: Mapping[str, bytes], posted: Queue[Any], *rest: Any) -> None:
        self.files, self.posted = files, posted
        super().__init__(*rest)

    def do_GET(self) -> None:
        name = self.path.lstrip("/").partition("?")[0] or "index.html"
        content = self.files.get(name)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Type", guess_type(name)[0] or "application/octet-stream")
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        with suppress(ConnectionError):  # the browser needs it no more
            self.wfile.write(content or b"")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        with suppress(ValueError):
            self.posted.put(json.loads(self.rfile.read(min(length, MAX_POST))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""
