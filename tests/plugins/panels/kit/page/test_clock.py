"""The clock's answer brings what changed, once, to each tab; what is lost comes again, and what is drawn is shared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from plugins.panels.kit.page.clock import Clock
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.page.sent import Sent
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.mode import Mode
from plugins.panels.kit.views.html import view


class Small:
    """A page with a line that ticks, one that does not, and a button that is pressable or not; and its clock."""

    def __init__(self, workspace: Path) -> None:
        self.line, self.on, self.draws = "step 1", True, 0
        self.page, self.project = Page(Mode("local", workspace)), Project(workspace)
        with gr.Blocks() as self.demo:
            self.view, self.still, self.button = view("line"), view("still"), gr.Button()
            self.page.shows(self.view, self._draw, "tick")
            self.page.shows(self.still, lambda project: self.line)
            self.page.shows(self.button, lambda project: gr.update(interactive=self.on), "tick")
            self.page.wire(self.demo)
        self.clock = Clock(self.page._drawn)

    def _draw(self, project: Project) -> str:
        self.draws += 1
        return self.line

    def step(self, number: int) -> None:
        """Change the line, and a file of a run so that the pulse changes."""
        self.line = f"step {number}"
        run = self.project.folder / "runs" / "2026-01-01_00-00-00_x"
        run.mkdir(parents=True, exist_ok=True)
        (run / "recipe.json").touch()
        (run / "events.jsonl").write_text("\n" * number)
        for look in self.clock._looks.values():
            look.at -= 10

    def load(self, name: str) -> Sent:
        """A tab that is open, and has been sent everything."""
        for _ in self.page._loaded(SimpleNamespace(session_hash=name, cookies={})):  # type: ignore[arg-type]
            pass
        return self.page._session(name)

    def tick(self, name: str) -> Iterator[Any]:
        """The values of an event of gradio for a tab, for the components in their order."""
        for values in self.page._ticked(SimpleNamespace(session_hash=name, cookies={})):  # type: ignore[arg-type]
            yield from values[:3]

    def ask(self, sent: Sent, known: str | None) -> dict[str, Any]:
        return self.clock.answer(self.project, sent, known)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


def news(small: Small, text: str) -> dict[str, str]:
    return {str(small.view._id): text}


def test_news_come_once(small: Small) -> None:
    tab = small.load("anna")
    first = small.ask(tab, "")
    assert first["news"] == {}, "it has been loaded"
    assert "news" not in small.ask(tab, first["token"])
    small.step(2)
    second = small.ask(tab, first["token"])
    assert second["news"] == news(small, "step 2") and json.dumps(second)
    assert "news" not in small.ask(tab, second["token"])
    small.step(3)
    assert small.ask(tab, second["token"])["news"] == news(small, "step 3")


def test_an_answer_that_was_lost_comes_again(small: Small) -> None:
    tab = small.load("anna")
    token = small.ask(tab, "")["token"]
    small.step(2)
    small.ask(tab, token)
    assert small.ask(tab, token)["news"] == news(small, "step 2")


def test_what_the_clock_cannot_show_is_left_to_gradio(small: Small) -> None:
    tab = small.load("anna")
    token = small.ask(tab, "")["token"]
    small.step(2)
    small.on = False
    answer = small.ask(tab, token)
    assert answer["news"] is None
    line, _, button = list(small.tick("anna"))[:3]
    assert line == "step 2" and button["interactive"] is False
    small.step(3)
    assert small.ask(tab, answer["token"])["news"] == news(small, "step 3")
    assert small.ask(tab, None)["news"] is None, "the tab could not show it"
    line, *_ = small.tick("anna")
    assert line == "step 3"


def test_what_another_browser_changed_is_left_to_gradio(small: Small) -> None:
    tab = small.load("anna")
    token = small.ask(tab, "")["token"]
    small.step(2)
    small.project.draft.write(reasons=["new"])
    assert small.ask(tab, token)["news"] is None
    assert list(small.tick("anna"))[:2] == ["step 2", "step 2"], "all of the page"


def test_tabs_share_what_is_drawn(small: Small) -> None:
    tabs = [small.load(name) for name in ("anna", "otto", "emil")]
    small.step(2)
    before = small.draws
    assert all(small.ask(tab, "")["news"] == news(small, "step 2") for tab in tabs)
    assert small.draws == before + 1


def test_what_an_event_drew_is_not_undone(small: Small) -> None:
    anna, otto = small.load("anna"), small.load("otto")
    small.step(2)
    small.ask(otto, "")
    small.line = "stopped"
    line, *_ = small.tick("anna")
    assert line == "stopped"
    assert small.ask(anna, "")["news"] == {}, "what otto was sent is older"


def test_a_value_that_overtook_an_event_is_made_good(small: Small) -> None:
    tab = small.load("anna")
    token = small.ask(tab, "")["token"]
    small.step(2)
    slow = small.ask(tab, token)  # on its way
    small.line = "stopped"
    line, *_ = small.tick("anna")
    assert line == "stopped"
    small.step(2)
    (small.project.folder / "runs" / "2026-01-01_00-00-00_x" / "about.json").touch()
    small.line = "stopped"
    assert small.ask(tab, slow["token"])["news"] == news(small, "stopped"), "else the slow answer stays"
