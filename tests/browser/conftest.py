"""The app as a person starts it, in Debian's Chromium; what goes wrong in the browser fails the test."""

from __future__ import annotations

import html
import io
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from core.__main__ import main
from plugins.panels.kit.project.project import Project
from tests.warm import PAUSE, Forked, end_runs

pytest.importorskip("gradio")
ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path(os.environ.get("PRESIZE_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a camera that films a test picture, and may be used
    "--use-fake-ui-for-media-stream",
]
STARTS, WAITS = 120, 30  # seconds that the app, and a thing on the page, may take on a busy machine
LOOKS = {  # width, height, dark
    "light": (1360, 900, False),
    "dark": (1360, 900, True),
    "phone": (390, 844, False),
    "phone-dark": (390, 844, True),
}
SCREENSHOTS = "PRESIZE_SCREENSHOTS"
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}
DRAWN = ("source.count=12", "item_tfms.0.size=96", "batch_tfms.0.size=64")
DRAWN += ("training.freeze_epochs=2", "training.epochs=2", "training.batch_size=8")
# what Chromium says of a stream that ended because the test reloaded the page or ended the app
CUT_OFF = re.compile(
    r"net::ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE|ABORTED)"
    r"|AbortError|Connection errored out|TypeError: (network error|Failed to fetch)"
)
Serve = Callable[..., "App"]
Visit = Callable[..., Any]
Shoot = Callable[[Any, str], Path]
Prepare = Callable[..., Project]


def pytest_itemcollected(item: pytest.Item) -> None:
    """A browser on a busy machine: what fails is tried twice more, and fails if it never goes."""
    item.add_marker(pytest.mark.flaky(reruns=2))


@dataclass
class App:
    """`python app.py` on a workspace, as a process."""

    workspace: Path
    port: int
    log: Path
    arguments: Sequence[object] = ()
    process: psutil.Process = field(init=False)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def project(self) -> Project:
        """What the page shows, as it is on the disk."""
        return Project(self.workspace)

    def start(self) -> App:
        """Start it, and wait until it serves."""
        self.log.touch()
        began = self.log.stat().st_size
        options = map(str, ["--port", self.port, "--workspace", self.workspace, *self.arguments])
        with self.log.open("ab") as output:
            variables = os.environ | {PAUSE: "0.25"}
            begun = Forked([sys.executable, "app.py", *options], variables, stdout=output, forks_runs=True)
        self.process = psutil.Process(begun.pid)
        end = time.monotonic() + STARTS
        while f"Presize is at {self.url}" not in (said := self.said[began:]):
            assert self.process.is_running(), f"the app ended: {said}"
            assert time.monotonic() < end, f"the app does not serve after {STARTS} s: {said}"
            time.sleep(0.1)
        return self

    @property
    def said(self) -> str:
        """What it wrote into the terminal."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def is_quiet(self) -> bool:
        """Whether all that it wrote is where the page is."""
        # the second is C++'s, where the app ends while torch is still being imported
        said = set(self.said.splitlines()) - {"terminate called without an active exception", ""}
        return said == {f"Presize is at {self.url}"}

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End it, and the runs that would outlive it."""
        with suppress(psutil.NoSuchProcess):
            self.process.terminate()
            try:
                self.process.wait(20)
            except psutil.TimeoutExpired:
                self.kill()
        end_runs(self.workspace)


@dataclass
class Watch:
    """What the pages of a test asked for and complained of."""

    origin: str
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    cut_off: bool = False  # whether streams may break now

    def look(self, page: Any) -> None:
        """Listen to a page."""
        page.on("console", lambda m: self._error(f"{m.text} ({m.location.get('url', '')})") if m.type == "error" else 0)
        page.on("pageerror", lambda e: self._error(f"{e}"))
        page.on("request", lambda r: self._request(r.url))
        page.on("websocket", lambda w: self._request(w.url.replace("ws://", "http://", 1)))

    def _error(self, said: str) -> None:
        if not (self.cut_off and CUT_OFF.search(said)):
            self.errors.append(said)

    def _request(self, url: str) -> None:
        if not url.startswith(("data:", f"blob:{self.origin}", self.origin)):
            self.outside.append(url)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return _absent("playwright is not installed: pip install playwright")
    if not CHROMIUM.exists():
        return _absent(f"there is no {CHROMIUM}: apt-get install chromium, or set PRESIZE_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


def _absent(why: str) -> None:
    pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)


@pytest.fixture(scope="session")
def app(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app for all tests that may share one: it keeps nothing but its workspace, which each finds empty."""
    folder = tmp_path_factory.mktemp("app")
    app = App(folder / "workspace", _free_port(), folder / "app.log")
    yield app.start()
    app.close()


@pytest.fixture
def empty(app: App) -> Iterator[Path]:
    """The workspace of `app`, with nothing in it; what it runs and says is the test's."""
    if not app.process.is_running():
        app.start()
    shutil.rmtree(app.workspace, ignore_errors=True)
    app.log.write_text(f"Presize is at {app.url}\n")
    yield app.workspace
    end_runs(app.workspace)
    assert app.is_quiet, app.said


@pytest.fixture
def serve(app: App, empty: Path, tmp_path: Path) -> Iterator[Serve]:
    """`serve(workspace)` gives the app on the workspace that tests share, or starts one, which ends with the test."""
    apps: list[App] = []

    def start(workspace: Path = empty, *arguments: object) -> App:
        if workspace == empty:
            return app
        apps.append(App(workspace, _free_port(), tmp_path / f"app{len(apps)}.log", arguments))
        return apps[-1].start()

    yield start
    for app in apps:
        app.close()
    for app in apps:
        assert app.is_quiet, app.said


@pytest.fixture
def trained(app: App, workspace: Path) -> App:
    """The app with a finished run of the drawn sample."""
    return app


@pytest.fixture
def visit(browser: Any) -> Iterator[Visit]:
    """`visit(app, look, page)` opens it in a browser of its own; no error and no request to elsewhere is tolerated."""
    contexts, watches = [], {}

    def open_page(app: App, look: str = "light", page: str = "", context: Any = None) -> Any:
        if context is None:
            width, height, dark = LOOKS[look]
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",  # what moves is drawn without end, on a processor
            )
            context.set_default_timeout(1000 * WAITS)
            contexts.append(context)
        opened = context.new_page()
        watches[opened] = Watch(app.url)
        watches[opened].look(opened)
        opened.watch = watches[opened]
        opened.goto(f"{app.url}#{page}" if page else app.url)
        opened.locator("h1:visible").first.wait_for()
        return opened

    yield open_page
    for context in contexts:
        context.close()
    assert not [error for watch in watches.values() for error in watch.errors]
    assert not [url for watch in watches.values() for url in watch.outside]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the drawn sample of 12 pictures a class, a test of learning rates, and a run, all finished.

    The network is tiny, and what it has learnt is little.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # the first worker that needs it makes it
    made, recipe, done = shared / "drawn", shared / "drawn.json", shared / "drawn.done"
    with FileLock(shared / "drawn.lock"):
        if not done.exists():
            with redirect_stdout(io.StringIO()) as written:
                assert main(["new", *(f"--set={option}" for option in DRAWN)]) == 0
            recipe.write_text(json.dumps({**json.loads(written.getvalue()), "architecture": TINY}))
            for command in ("lr-find", "train"):
                assert main([command, str(recipe), "--workspace", str(made)]) == 0
            project = Project(made)
            project.use(project.runs[0].recipe)
            done.touch()
    return Path(shutil.copytree(made, tmp_path_factory.mktemp("drawn") / "workspace"))


@pytest.fixture(scope="session")
def held_out(drawn: Path) -> Path:
    """A picture of the drawn sample."""
    return sorted((drawn / "sources").rglob("*.jpg"))[0]


def core(*arguments: object, folder: Path = ROOT) -> str:
    """`python -m core` with these arguments, in a folder; what it printed."""
    with tempfile.TemporaryFile() as output:
        ended = Forked([sys.executable, "-m", "core", *map(str, arguments)], os.environ, folder, output).wait(600)
        output.seek(0)
        said = output.read().decode()
    assert ended == 0, said
    return said


@pytest.fixture
def workspace(drawn: Path, empty: Path) -> Path:
    """A copy of that workspace in that of `app`, to be changed."""
    return Path(shutil.copytree(drawn, empty, dirs_exist_ok=True))  # the app may just have made a folder in it


@pytest.fixture
def prepared(empty: Path, photos: Path) -> Prepare:
    """`prepared(option=value)` gives a project of 24 small photos and a tiny network in `app`; options of training."""

    def prepare(size: int = 64, **options: object) -> Project:
        project = Project(empty)
        project.open({"name": "folder", "path": str(photos)})
        for name, value in options.items():
            project.edit(f"training.{name}", value)
        project.edit("item_tfms.0.size", size * 4 // 3)
        project.edit("batch_tfms.0.size", size)
        project.use(replace(project.require_recipe(), architecture=TINY))
        return project

    return prepare


@pytest.fixture
def shoot(tmp_path: Path) -> Shoot:
    """`shoot(page, "data-dark")` keeps a picture of the whole page, in PRESIZE_SCREENSHOTS if that names a folder."""
    folder = Path(os.environ.get(SCREENSHOTS) or tmp_path / "screenshots")

    def keep(page: Any, name: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{name}.png"
        page.screenshot(path=file, full_page=True)
        (folder / "index.html").write_text(_gallery(folder), encoding="utf-8")
        return file

    return keep


def _gallery(folder: Path) -> str:
    """All pictures of a folder as a table: a row a page, a column a look."""
    shots = {file.stem for file in folder.glob("*.png")}
    named = re.compile(rf"(.+)-({'|'.join(sorted(LOOKS, key=len, reverse=True))})")
    pages = sorted({found[1] for shot in shots if (found := named.fullmatch(shot))})

    def cell(page: str, look: str) -> str:
        shot = html.escape(f"{page}-{look}")
        picture = f'<a href="{shot}.png"><img src="{shot}.png" alt="{shot}" loading="lazy"></a>'
        return f"<td>{picture if f'{page}-{look}' in shots else ''}</td>"

    rows = "".join(
        f"<tr><th>{html.escape(page)}</th>{''.join(cell(page, look) for look in LOOKS)}</tr>" for page in pages
    )
    head = "".join(f"<th>{look}</th>" for look in ("", *LOOKS))
    style = "body{font:14px system-ui;background:#ddd}td,th{vertical-align:top;padding:6px}img{max-height:620px}"
    top = f'<!doctype html><meta charset="utf-8"><title>Presize</title><style>{style}</style>'
    return f"{top}<table><tr>{head}</tr>{rows}</table>"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
