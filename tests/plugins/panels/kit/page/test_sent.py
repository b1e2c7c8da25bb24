"""Two events of one browser overtake each other, and in the end it shows what holds."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio_client.utils import apply_diff

from core.errors import BadInput
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.mode import Mode
from plugins.panels.kit.views.html import view
from tests.plugins.panels.markup import Page as Markup

SKIP = gr.skip()
ANNA: Any = SimpleNamespace(session_hash="anna", cookies={})
LEVELS = ["change", "tick", "load"]


class Small:
    """A page with a line of each level that shows `state`, and a button that changes it."""

    def __init__(self, workspace: Path) -> None:
        self.state = "running"
        self.look: Callable[[], None] = lambda: None  # what happens while a line is drawn
        self.page = Page(Mode("local", workspace))
        with gr.Blocks() as self.demo:
            for level in LEVELS:
                self.page.shows(view(level), self._draw, level)  # type: ignore[arg-type]
            self.button = gr.Button(elem_id="stop")
            self.page.does(self.button.click, self._stop, redraw="load")
            self.page.wire(self.demo)

    def _draw(self, project: Project) -> str:
        state = self.state
        self.look()
        return state

    def _stop(self, project: Project) -> None:
        self.state = "stopped"

    def tick(self) -> Iterator[list[Any]]:
        return self.page._ticked(ANNA)

    def load(self) -> Iterator[list[Any]]:
        return self.page._loaded(ANNA)

    def stop(self) -> Iterator[list[Any]]:
        (done,) = self.page._handlers
        return self.page._safely(done.redraw, ANNA, lambda project: self.page._act(done, project, ANNA, ()))


def test_what_an_action_does_stays_in_sight_beside_another(tmp_path: Path) -> None:
    small = Small(tmp_path)

    def export(project: Project) -> Iterator[list[Any]]:
        for said in ("Exporting", ""):
            yield [*small.page._only("load")[:-2], said, ""]

    exporting = small.page._safely("load", ANNA, export)  # type: ignore[arg-type]
    assert next(exporting)[-2] == "Exporting"
    assert {values[-2] for values in small.stop() if values[-2] != SKIP} == {"Exporting"}
    assert next(exporting)[-2] == ""


class Browser(dict[str, Any]):
    """What a browser shows, by elem_id."""

    def __init__(self, page: Page) -> None:
        self.names = [getattr(c, "elem_id", None) for c in page._outputs("load")]

    def show(self, values: list[Any]) -> None:
        self.update({n: v for n, v in zip(self.names, values, strict=True) if n and v != SKIP})

    def finish(self, event: Iterator[list[Any]], last: list[Any]) -> None:
        """The rest of an event; at its end gradio says its last values once more."""
        for last in event:
            self.show(last)
        self.show(last)

    def lines(self) -> set[str]:
        return lines(self)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


@pytest.mark.parametrize("first", ["tick", "load", "stop"])
@pytest.mark.parametrize("quick_ends_first", [True, False])
def test_an_event_that_was_overtaken_is_made_good(small: Small, first: str, quick_ends_first: bool) -> None:
    browser = Browser(small.page)
    browser.finish(small.load(), [])
    small.state = "running, step 101"
    slow = getattr(small, first)()
    late = next(slow)  # drawn, and not yet on its way
    if first == "stop":
        small.state = "resumed"
    quick = small.stop() if first != "stop" else small.load()
    early = next(quick)
    browser.show(early)
    browser.show(late)
    for event, last in [(quick, early), (slow, late)][:: 1 if quick_ends_first else -1]:
        browser.finish(event, last)
    browser.finish(small.tick(), [SKIP] * len(browser.names))
    assert browser.lines() == {small.state}


def test_what_is_on_its_way_is_sent_once(small: Small) -> None:
    browser = Browser(small.page)
    browser.finish(small.load(), [])
    small.state = "running, step 101"
    slow = small.tick()
    browser.show(late := next(slow))
    quick = list(small.tick())
    assert all(value == SKIP for values in quick for value in values), "it comes with the other event"
    browser.finish(slow, late)
    assert all(value == SKIP for values in small.tick() for value in values)


def test_values_whose_connection_broke_are_sent_again(small: Small) -> None:
    browser = Browser(small.page)
    browser.finish(small.load(), [])
    lost = small.stop()
    next(lost)
    lost.close()  # type: ignore[attr-defined]
    browser.finish(small.tick(), [SKIP] * len(browser.names))
    assert browser.lines() == {"stopped"}


def test_what_is_noted_last_was_drawn_last(small: Small) -> None:
    """An event that draws for long does not note an old value after a quick one has noted a new one."""
    browser = Browser(small.page)
    browser.finish(small.load(), [])
    drawing, go_on = threading.Event(), threading.Event()

    def look() -> None:
        if threading.current_thread().name == "slow":
            drawing.set()
            go_on.wait(10)

    def take(event: Iterator[list[Any]]) -> None:
        for values in event:
            browser.show(values)

    small.state, small.look = "running, step 101", look
    slow = threading.Thread(target=take, args=(small.load(),), name="slow")
    slow.start()
    assert drawing.wait(10)
    quick = threading.Thread(target=take, args=(small.stop(),))
    quick.start()
    quick.join(0.2)  # as long as it takes, if nothing holds it up
    go_on.set()
    slow.join(10)
    quick.join(10)
    browser.finish(small.tick(), [SKIP] * len(browser.names))
    assert browser.lines() == {"stopped"}


@pytest.mark.parametrize("error", [BadInput("The run is gone."), FileNotFoundError(2, "gone", "x.jpg")])
def test_what_went_away_while_it_was_drawn_is_drawn_again(
    small: Small, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = Browser(small.page)
    browser.finish(small.load(), [])

    def look() -> None:
        raise error

    small.look = look
    browser.finish(small.stop(), [])
    small.look = lambda: None
    assert browser.lines() == {"running"}
    browser.finish(small.tick(), [SKIP] * len(browser.names))
    assert browser.lines() == {"stopped"}
    assert capsys.readouterr().err == "", "a race is nothing to report"


def test_through_the_server(small: Small) -> None:
    """Events and ticks of one session at once, as gradio sends them; the end of an event carries nothing old."""
    small.demo.queue(default_concurrency_limit=4)
    _, url, _ = small.demo.launch(prevent_thread_lock=True, quiet=True, server_port=None)
    try:
        session = Session(url.rstrip("/"))
        session.all([session.load])
        for turn in range(8):
            small.state = f"running, step {turn}"
            session.all([session.tick, session.stop, session.tick, session.load][: 2 + turn % 3])
        session.all([session.tick])
        assert lines(session.shown) == {"stopped"} and small.state == "stopped"
        assert session.completed and all(is_skip(value) for values in session.completed for value in values)
    finally:
        small.demo.close()


def lines(shown: dict[str, Any]) -> set[str]:
    """The texts of the lines; a form comes in a tag of its own."""
    return {"".join(Markup(shown[level]).texts) for level in LEVELS}


def is_skip(value: Any) -> bool:
    """Whether it changes nothing; gradio wraps what it sends to an HTML."""
    return isinstance(value, dict) and value.get("props", SKIP) == SKIP and set(value) <= {"__type__", "props"}


class Session:
    """A browser that talks to a server, and shows messages in the order in which they come."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)
        config = self.http.get("/config").raise_for_status().json()
        names = {c["id"]: c["props"].get("elem_id") or c["id"] for c in config["components"]}
        known = {what: d for d in config["dependencies"] for _, what in d["targets"]}
        self.load, self.tick, self.stop = known["load"], known["tick"], known["click"]
        self.outputs = [names[number] for number in self.load["outputs"]]
        self.shown: dict[Any, Any] = {}
        self.completed: list[list[Any]] = []

    def all(self, dependencies: list[dict[str, Any]]) -> None:
        """Begin these events at once, and take what they send until all have ended."""
        chunks: dict[str, list[Any]] = {}
        for dependency in dependencies:
            body = {"fn_index": dependency["id"], "data": [], "event_data": None, "session_hash": "anna"}
            joined = self.http.post("/gradio_api/queue/join", json=body).raise_for_status()
            chunks[joined.json()["event_id"]] = []
        ended: set[str] = set()
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": "anna"}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                number, kind = message.get("event_id"), message.get("msg")
                if kind not in ("process_generating", "process_completed"):
                    continue
                values, before = message["output"]["data"], chunks[number]
                if kind == "process_completed":
                    ended.add(number)
                    self.completed.append(values)
                elif before:
                    values = [apply_diff(old, diff) for old, diff in zip(before, values, strict=True)]
                chunks[number] = values
                self.shown |= {n: v for n, v in zip(self.outputs, values, strict=True) if not is_skip(v)}
                if ended == set(chunks):
                    return
