"""The real app in processes of their own, one for each mode, and a visitor who talks to it as a browser does."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio_client.utils import apply_diff
from PIL import Image

from plugins.panels.kit.serving.mode import COOKIE
from tests.warm import Forked, end_runs

ROOT = Path(__file__).parents[2]
EVIL = "<img src=x onerror=alert(1)>"
COLOURS = {EVIL: (210, 50, 40), "blue": (40, 60, 200)}
USER, PASSWORD, TOKEN = "owner", "a-pass-word-for-tests", "hf_aTokenThatNobodyMaySee"
STARTS = 120  # seconds
OTHER = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"  # elsewhere it is not this machine
SECRETS = (PASSWORD, TOKEN)
SPACE = {"SYSTEM": "spaces", "SPACE_ID": "someone/presize"}


def jpeg(colour: tuple[int, int, int] = (210, 50, 40), side: int = 40, seed: int = 0) -> bytes:
    """A photo of one colour; another seed gives other bytes."""
    image = Image.new("RGB", (side, side), colour)
    image.putpixel((0, 0), (seed % 256, seed // 256 % 256, 0))
    with BytesIO() as stream:
        image.save(stream, "JPEG", quality=95)
        return stream.getvalue()


def photos(each: int = 6) -> dict[str, bytes]:
    """Some of each colour by name, a folder for each label."""
    return {f"{label}/{i}.jpg": jpeg(c, seed=i) for label, c in COLOURS.items() for i in range(each)}


def zipped(members: Mapping[str | zipfile.ZipInfo, bytes]) -> bytes:
    """A zip of these files."""
    with BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return stream.getvalue()


def tiny(source: Mapping[str, Any], labeller: Mapping[str, Any] | None = None, epochs: int = 1) -> dict[str, Any]:
    """A recipe that is quick to train and downloads nothing."""
    return {
        "version": 1,
        "source": dict(source),
        "labeller": dict(labeller or {"name": "folder"}),
        "splitter": {"name": "stratified"},
        "item_tfms": [{"name": "resize", "size": 32}],
        "batch_tfms": [],
        "architecture": {"name": "timm", "model": "test_resnet", "pretrained": False},
        "training": {"epochs": epochs, "freeze_epochs": 0, "batch_size": 4, "base_lr": 0.003},
    }


@dataclass
class Answer:
    """What an event sent: everything as text, and the last value of each component by its elem_id."""

    text: str
    values: dict[str, Any] = field(default_factory=dict)
    error: str | None = None

    @property
    def said(self) -> str:
        """The sentence that the page shows."""
        return f"{self.values.get('message') or ''}{self.error or ''}"


class Visitor:
    """A browser: cookies, a session, and the events of the page by the component they belong to."""

    def __init__(self, url: str, auth: tuple[str, str] | None = None) -> None:
        self.url, self.session = url, secrets.token_hex(6)
        limits = httpx.Limits(keepalive_expiry=2)
        self.http = httpx.Client(base_url=url, timeout=60, limits=limits, event_hooks={"response": [self._trusts]})
        if auth:
            self.http.post("/login", data={"username": auth[0], "password": auth[1]}).raise_for_status()
        self.http.get("/").raise_for_status()
        self.config: dict[str, Any] = self.http.get("/config").raise_for_status().json()
        props = ((c["id"], c["props"]) for c in self.config["components"])
        self.names = {number: prop.get("elem_id") or number for number, prop in props}
        self.html = {str(self.names[c["id"]]) for c in self.config["components"] if c["type"] == "html"}

    def _trusts(self, response: httpx.Response) -> None:
        """Send cookies that are `Secure` to this machine too, as browsers do."""
        for cookie in self.http.cookies.jar:
            cookie.secure = False

    def another(self) -> Visitor:
        """The same browser in another tab."""
        tab = copy.copy(self)
        tab.session = secrets.token_hex(6)
        return tab

    @property
    def events(self) -> dict[tuple[Any, str], dict[str, Any]]:
        """Every event of the page by (elem_id, what happens)."""
        return {(self.names.get(n, n), what): d for d in self.config["dependencies"] for n, what in d["targets"]}

    def folder(self, app: App) -> Path:
        """This visitor's workspace."""
        name = hashlib.sha256(f"presize visitor {self.cookie}".encode()).hexdigest()[:40]
        return app.workspace / "visitors" / name

    @property
    def cookie(self) -> str:
        """What tells this visitor from others."""
        return next((c.value or "" for c in self.http.cookies.jar if c.name == COOKIE), "")

    def upload(self, content: bytes, name: str = "photo.jpg") -> str:
        """Where the app put a file."""
        return str(self.http.post("/gradio_api/upload", files={"files": (name, content)}).raise_for_status().json()[0])

    def drop(self, where: str, *files: tuple[bytes, str]) -> Answer:
        """Drop files (content, relative name) somewhere."""
        sent = [{"path": self.upload(content, Path(rel).name), "rel": rel} for content, rel in files]
        return self.do(where, "upload", {"files": sent})

    def do(self, who: str, what: str, event: Any = None, data: Sequence[Any] = ()) -> Answer:
        """Let an event happen and wait for all that it sends."""
        return self.send(self.events[who, what], event, data)

    def send(self, dependency: Mapping[str, Any], event: Any = None, data: Sequence[Any] = ()) -> Answer:
        """The same for an event as the config describes it."""
        body = {"fn_index": dependency["id"], "data": list(data), "event_data": event, "session_hash": self.session}
        joined = self.http.post("/gradio_api/queue/join", json=body).raise_for_status().json()["event_id"]
        answer, before = Answer(""), []
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                if not line.startswith("data:"):
                    continue
                answer.text += line
                message = json.loads(line[5:])
                if message.get("event_id") != joined or not message["msg"].startswith("process_"):
                    continue
                output, is_over = message.get("output") or {}, message["msg"] == "process_completed"
                sent = output.get("data") or []
                if before and not is_over:  # what follows the first values says how they differ
                    sent = list(map(apply_diff, before, sent))
                before = sent or before
                for number, value in zip(dependency["outputs"], sent, strict=False):
                    if not (isinstance(value, dict) and gr.skip() in (value, value.get("props"))):
                        answer.values[str(self.names.get(number, number))] = value
                if is_over:
                    answer.error = None if message["success"] else str(output.get("error"))
                    break
        return answer

    def load(self) -> Answer:
        """What a page shows that was just loaded, in another tab."""
        tab, whole = self.another(), Answer("")
        for dependency in self.config["dependencies"]:
            if any(what == "load" for _, what in dependency["targets"]):
                answer = tab.send(dependency)
                whole.text += answer.text
                whole.values |= answer.values
        return whole

    def api(self, name: str, *data: Any) -> Answer:
        """Call a public event as a program does."""
        dependency = next(d for d in self.config["dependencies"] if d["api_name"] == name)
        answer = self.send(dependency, data=data)
        answer.values["answer"] = next(iter(answer.values.values()), None)
        return answer

    def predict(self, content: bytes, name: str = "photo.jpg", run: str = "") -> Answer:
        """Upload a photo and ask what it is."""
        file = {"path": self.upload(content, name), "meta": {"_type": "gradio.FileData"}}
        return self.api("predict", file, run)


@dataclass
class App:
    """An app that runs."""

    url: str
    workspace: Path
    process: Forked
    log: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    @property
    def temporary(self) -> Path:
        """Its folder of uploads."""
        return Path(Visitor(self.url, self.auth).upload(b"x", "where.txt")).parents[1]

    @property
    def auth(self) -> tuple[str, str] | None:
        """Who may log in."""
        return (USER, PASSWORD) if "--auth" in self.process.args else None

    def visitor(self) -> Visitor:
        """A browser of its own, logged in."""
        return Visitor(self.url, self.auth)

    def stop(self) -> None:
        """Ask it to end, and kill the runs that it started."""
        end_runs(self.workspace)
        self.process.terminate()

    def end(self) -> None:
        """Stop it and wait until it is gone."""
        self.stop()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def begin(workspace: Path, options: Sequence[str] = (), env: Mapping[str, str] | None = None, host: str = "") -> App:
    """Start `app.py`; `answers` waits until it is there. On a Space, a variable says the port."""
    with socket.socket() as free:
        free.bind((host or "127.0.0.1", 0))
        port = free.getsockname()[1]
    log = workspace.with_name(f"{workspace.name}.log")
    command = [sys.executable, "app.py", "--workspace", str(workspace), *options, *["--host", host] * bool(host)]
    given = {"OMP_NUM_THREADS": "1", "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "1", **(env or {})}
    if "SPACE_ID" in given:
        given["GRADIO_SERVER_PORT"] = str(port)
    else:
        command += ["--port", str(port)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SPACE_", "GRADIO_"))}
    with log.open("wb") as output:
        process = Forked(command, clean | given, stdout=output)
    return App(f"http://{host or '127.0.0.1'}:{port}", workspace, process, log)


def answers(app: App) -> App:
    """Wait until it does; fails with what it said when it does not."""
    until = time.monotonic() + STARTS
    while time.monotonic() < until and app.process.poll() is None:
        try:
            if httpx.get(app.url).status_code == 200:
                return app
        except httpx.HTTPError:
            time.sleep(0.2)
    said = app.log.read_text()
    app.end()
    pytest.fail(f"the app did not start:\n{said}")
