"""The app as a person starts it, in Debian's Chromium; what goes wrong in the browser fails the test."""

from __future__ import annotations

import html
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from core.__main__ import main
from plugins.panels.kit.project.project import Project
from tests.warm import Forked, end_runs

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
            begun = Forked([sys.executable, "app.py", *options], os.environ, stdout=output, forks_runs=True)
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


@pytest.fixture
def serve(browser: Any, tmp_path: Path) -> Iterator[Serve]:
    """`serve(workspace)` starts the app; it is ended with the test."""
    apps: list[App] = []

    def start(workspace: Path | None = None, *arguments: object) -> App:
        app = App(workspace or tmp_path / "workspace", _free_port(), tmp_path / f"app{len(apps)}.log", arguments)
        apps.append(app)
        return app.start()

    yield start
    for app in apps:
        app.close()
    for app in apps:
        assert app.is_quiet, app.said


@pytest.fixture(scope="session")
def trained(browser: Any, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on that workspace, for tests that only look."""
    app = App(drawn, _free_port(), tmp_path_factory.mktemp("trained") / "app.log")
    yield app.start()
    app.close()
    assert app.is_quiet, app.said


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
    """A workspace with the drawn sample of 12 pictures a class, a test of learning rates, and a run, all finished."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # the first worker that needs it makes it
    made, recipe, done = shared / "drawn", shared / "drawn.json", shared / "drawn.done"
    with FileLock(shared / "drawn.lock"):
        if not done.exists():
            options = ["source.count=12", "training.freeze_epochs=2", "training.epochs=2", "training.batch_size=8"]
            with recipe.open("w", encoding="utf-8") as written, redirect_stdout(written):
                assert main(["new", *(part for option in options for part in ("--set", option))]) == 0
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
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "core", *map(str, arguments)]
    ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def workspace(drawn: Path, tmp_path: Path) -> Path:
    """A copy of that workspace, to be changed."""
    return Path(shutil.copytree(drawn, tmp_path / "workspace"))


@pytest.fixture
def prepared(tmp_path: Path, photos: Path) -> Prepare:
    """`prepared(size, option=value)` gives a project of 24 small photos; the options are those of training."""

    def prepare(size: int = 64, **options: object) -> Project:
        project = Project(tmp_path / "workspace")
        project.open({"name": "folder", "path": str(photos)})
        for name, value in options.items():
            project.edit(f"training.{name}", value)
        project.edit("item_tfms.0.size", size * 4 // 3)
        project.edit("batch_tfms.0.size", size)
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
