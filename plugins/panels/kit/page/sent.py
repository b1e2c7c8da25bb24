"""What each browser has been sent, so that only values that have changed are sent again."""

from __future__ import annotations

import hashlib
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

import gradio as gr

from core.errors import BadInput
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.html import content

When = Literal["tick", "change", "load"]
LEVELS: dict[When, int] = {"tick": 0, "change": 1, "load": 2}


@dataclass
class Drawn:
    """A component, the function that draws it, and when it is redrawn."""

    component: Any
    draw: Callable[[Project], Any]
    when: When

    @property
    def number(self) -> str:
        """The number of the component in the page, as JSON has it for a key."""
        return str(self.component._id)

    @property
    def is_news(self) -> bool:
        """Whether the clock of a page can show it, without an event of gradio."""
        return self.when == "tick" and isinstance(self.component, gr.HTML)


Draw = Callable[[Drawn, Project], Any]


def drawn_now(drawn: Drawn, project: Project) -> Any:
    """The value of a component as it is now."""
    return drawn.draw(project)


class Sent:
    """Digests of the values sent to one browser, by component, and the version of its project.

    Two responses to a browser may overtake each other. So values are drawn and noted under one lock, and a value that
    was redrawn before the earlier one had left is in doubt: it is sent once more.
    """

    def __init__(self) -> None:
        self.version = ""
        self.at = 0.0  # when something was last drawn for an event, in monotonic seconds
        self._answer: tuple[str, dict[int, bytes]] | None = None  # the token and digests of the clock's last answer
        self._lock = Lock()
        self._digests: dict[int, bytes] = {}
        self._doubts: set[int] = set()
        self._redraws = 0
        self._under_way: dict[object, str] = {}  # by action, the newest last

    def progress(self, action: object, shown: str) -> str:
        """Note what an action shows as its progress, "" at its end; returns what to show, which may be another's."""
        self._under_way.pop(action, None)
        if shown:
            self._under_way[action] = shown
        return shown or (list(self._under_way.values()) or [""])[-1]

    def news(
        self, drawn: Sequence[Drawn], when: When, project: Project, again: bool = False
    ) -> tuple[list[Any], dict[int, bytes]]:
        """Values to send now, and their digests by component; `again` resets what is typed into forms."""
        noted: dict[int, bytes] = {}
        with self._lock:
            self.version = project.version
            values = [self._value(each, when, project, again, noted) for each in drawn]
            self.at = time.monotonic()
            return values, noted

    def is_behind(self, project: Project) -> bool:
        """Whether everything is to be drawn: another browser has changed the project, or a check may start now."""
        waits = project.recipe and project.examined is None and project.may_examine
        return bool(waits) or self.version != project.version

    def direct(self, drawn: Sequence[Drawn], project: Project, token: str, draw: Draw) -> dict[str, str] | None:
        """Values to send now by the number of their component; None if some need an event of gradio."""
        noted: dict[int, bytes] = {}
        with self._lock:
            values = [self._value(each, "tick", project, False, noted, draw) for each in drawn]
            if any(id(each) in noted and not each.is_news for each in drawn):
                self._doubts.update(noted)
                return None
            self._answer = token, noted
        return {each.number: value for each, value in zip(drawn, values, strict=True) if id(each) in noted}

    def heard(self, token: str | None) -> None:
        """Note which answer of the clock the browser has shown."""
        answer, self._answer = self._answer, None
        if answer:
            (self.left if answer[0] == token else self.lost)(answer[1])

    def left(self, noted: dict[int, bytes]) -> None:
        """Note that these values have left; any that were redrawn meanwhile are in doubt."""
        with self._lock:
            self._doubts.update(key for key, digest in noted.items() if self._digests.get(key) != digest)

    def lost(self, keys: Iterable[int]) -> None:
        """Note that these values may never arrive."""
        with self._lock:
            self._doubts.update(keys)

    def forget(self) -> None:
        """Note that the browser shows nothing yet."""
        with self._lock:
            self.version = ""
            self._digests.clear()

    def _value(
        self,
        drawn: Drawn,
        when: When,
        project: Project,
        again: bool,
        noted: dict[int, bytes],
        draw: Draw = drawn_now,
    ) -> Any:
        key = id(drawn)
        if LEVELS[drawn.when] > LEVELS[when] and key not in self._doubts:
            return gr.skip()
        try:
            value = draw(drawn, project)
            if isinstance(drawn.component, gr.HTML):
                value = content(value)
        except (BadInput, FileNotFoundError):  # a run or a photo has just been deleted
            self._doubts.add(key)
            return gr.skip()
        except Exception:  # a third-party panel may fail without breaking the others
            traceback.print_exc(file=sys.stderr)
            return gr.skip()
        digest = hashlib.blake2b(repr(value).encode(errors="replace"), digest_size=16).digest()
        if self._digests.get(key) == digest and key not in self._doubts and drawn.when != "load":
            return gr.skip()
        self._digests[key] = noted[key] = digest
        self._doubts.discard(key)
        if again and drawn.when == "load" and isinstance(drawn.component, gr.HTML):
            self._redraws += 1
            tag = f"drawn-{self._redraws % 2}"  # in the same tag gradio would keep the fields and their text
            return f'<{tag} style="display:contents">{value}</{tag}>'
        return value
