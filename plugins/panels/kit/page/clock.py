"""The clock of a page: every few seconds it asks for news, which come with the answer and not by an event of gradio.

At an event gradio builds all components of the page anew, also those that are skipped: a tenth of a second, each time.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import gradio as gr
from anyio import to_thread

from plugins.panels.kit.page.pulse import pulse
from plugins.panels.kit.page.sent import Drawn, Sent
from plugins.panels.kit.project.project import Project

HERE = Path(__file__).parent
ASKS = (HERE / "clock.js").read_text(encoding="utf-8")
SHOWS = (HERE / "shows.js").read_text(encoding="utf-8")
SHARED = 1.0  # seconds for which tabs are given what was drawn for another
LOOKS = 16  # projects of which that is kept


class Look:
    """The pulse of a project, and what pages draw of it at that time, each value once."""

    def __init__(self, project: Project) -> None:
        self.at = time.monotonic()
        self.pulse = pulse(project)
        self._values: dict[int, Any] = {}
        self._lock = Lock()

    def draw(self, drawn: Drawn, project: Project) -> Any:
        """The value of a component; raises what its function does."""
        with self._lock:
            if id(drawn) not in self._values:
                self._values[id(drawn)] = drawn.draw(project)
            return self._values[id(drawn)]


class Clock:
    """Answers whether there is news, and with it as far as it is HTML; tabs of a project share what is drawn."""

    def __init__(self, drawn: Sequence[Drawn]) -> None:
        self.drawn = drawn
        self._looks: OrderedDict[Path, Look] = OrderedDict()
        self._lock = Lock()

    def component(self, project_of: Callable[[gr.Request], Project], sent_to: Callable[[str], Sent]) -> gr.HTML:
        """The component that asks; its event `tick` asks for what only an event of gradio can show."""
        for each in self.drawn:
            if each.is_news:
                each.component.js_on_load = SHOWS.replace("NUMBER", each.number) + (each.component.js_on_load or "")

        async def ask(data: dict[str, Any], request: gr.Request) -> dict[str, Any]:  # not in gradio's queue
            session = (await request.json())["session_hash"]
            return await to_thread.run_sync(
                lambda: self.answer(project_of(request), sent_to(str(session)), data.get("known"))
            )

        return gr.HTML("", elem_id="clock", js_on_load=ASKS, visible="hidden", server_functions=[ask])

    def answer(self, project: Project, sent: Sent, known: str | None) -> dict[str, Any]:
        """The pulse of the project, and `news` by component unless it is `known`; None asks for an event of gradio."""
        sent.heard(known)
        look = self._look(project, sent)
        token = look.pulse["token"]
        if known == token:
            return look.pulse
        direct = known is not None and not sent.is_behind(project)
        return look.pulse | {"news": sent.direct(self.drawn, project, token, look.draw) if direct else None}

    def _look(self, project: Project, sent: Sent) -> Look:
        with self._lock:
            look = self._looks.get(project.folder)
            if look is None or time.monotonic() - look.at > SHARED or look.at < sent.at:
                look = self._looks[project.folder] = Look(project)
            self._looks.move_to_end(project.folder)
            while len(self._looks) > LOOKS:
                self._looks.popitem(last=False)
        return look
