"""The page: what it shows is drawn from a project on the disk, and what a person does changes that project.

A panel says `page.shows(component, draw)` and `page.does(trigger, act)`; it keeps no state of its own. So a reload, a
second browser and a restart of the app all show the same.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import gradio as gr

from core.errors import BadInput
from core.events import Checked
from core.runs.project import Project
from core.runs.run import ALIVE
from plugins.panels.kit.html import text
from plugins.panels.kit.mode import Mode

When = Literal["tick", "change", "load"]
State = Literal["todo", "active", "done"]
LEVELS: dict[When, int] = {"tick": 0, "change": 1, "load": 2}
LIVE, IDLE = 1.0, 5.0  # seconds between two looks at a workspace in which something runs, or nothing
SESSIONS = 500  # browsers of which is remembered what they show


class Panel(Protocol):
    """A page of the app: its title, its place in the rail, and the line that says how things stand."""

    title: str
    place: int
    serves_models: bool  # whether it is shown where only predictions are served

    def status(self, project: Project) -> tuple[State, str]:
        """How far this step is, and a line for the rail."""


@dataclass
class Drawn:
    """A component, what draws it, and how often."""

    component: Any
    draw: Callable[[Project], Any]
    when: When


@dataclass
class Done:
    """What happens at an event."""

    trigger: Any
    act: Callable[..., Any]
    inputs: Sequence[Any]
    redraw: Any  # a level, or the one component that shows the answer
    busy: str
    knobs: dict[str, Any]
    script: str = ""


class Page:
    """All panels of an app; see the module's first lines."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self._drawn: list[Drawn] = []
        self._done: list[Done] = []
        self._answered: list[Done] = []
        self._sent: OrderedDict[str, dict[int, Any]] = OrderedDict()
        self._went = 0

    def project(self, request: gr.Request) -> Project:
        """What the person behind a request works on."""
        return self.mode.project(request)

    def shows(self, component: Any, draw: Callable[[Project], Any], when: When = "change") -> None:
        """`draw(project)` gives the component's value: while something runs, after every event, or only on loading."""
        self._drawn.append(Drawn(component, draw, when))

    def does(
        self,
        trigger: Any,
        act: Callable[..., Any],
        inputs: Sequence[Any] = (),
        redraw: When = "change",
        busy: str = "",
        **knobs: Any,
    ) -> None:
        """`act(project, *inputs)` at an event; at a view's, `act(project, data)` with what was clicked.

        It may return the name of a panel to go to, or be a generator of `Checked` or of sentences, its progress.
        BadInput becomes a sentence on the page.
        """
        self._done.append(Done(trigger, act, inputs, redraw, busy, knobs))

    def answers(
        self, trigger: Any, act: Callable[..., Any], inputs: Sequence[Any], output: Any, busy: str = "", **knobs: Any
    ) -> Done:
        """`output` shows what `act(project, *inputs)` returns, at a view `act(project, data)`; nothing else changes."""
        answered = Done(trigger, act, inputs, output, busy, knobs)
        self._answered.append(answered)
        return answered

    def after(self, answered: Done, script: str) -> None:
        """Run a piece of JavaScript in the browser once that answer is there."""
        answered.script = script

    def offers(
        self, trigger: Any, name: str, act: Callable[..., Any], inputs: Sequence[Any], output: Any, **knobs: Any
    ) -> None:
        """A named event for programs: `act(project, *inputs)`; BadInput becomes the client's error."""

        def call(request: gr.Request, *values: Any) -> Any:
            project = None
            try:
                project = self.project(request)
                return act(project, *values)
            except BadInput as error:
                raise gr.Error(project.plain(error) if project else str(error), print_exception=False) from None

        kinds = {"request": gr.Request, **{str(i.label): str for i in inputs}}  # what clients see as the names
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        call.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in kinds])  # type: ignore[attr-defined]
        call.__annotations__ = kinds
        trigger(call, list(inputs), output, api_name=name, api_description=act.__doc__, show_progress="hidden", **knobs)

    def wire(self, demo: gr.Blocks) -> None:
        """Connect everything; to be called once, inside the Blocks, after all panels were built."""
        self.progress = gr.HTML("", elem_id="progress")
        self.message = gr.HTML("", elem_id="message")
        self.target = gr.HTML("", elem_id="target", js_on_load=GO, visible="hidden")
        self.timer = gr.Timer(LIVE)
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        for done in self._done:
            self._wire(done, quiet)
        for answered in self._answered:
            self._wire(answered, quiet)
        everything = self._outputs("load")
        demo.load(self._loaded, None, everything, **quiet)
        live = self._outputs("tick")
        self.timer.tick(self._ticked, None, live, trigger_mode="once", queue=True, **quiet)

    def _wire(self, done: Done, quiet: dict[str, Any]) -> None:
        outputs = self._outputs(done.redraw)

        if done.inputs:

            def handle(request: gr.Request, *values: Any) -> Iterator[list[Any]]:
                yield from self._act(done, request, values)
        else:

            def handle(request: gr.Request, event: gr.EventData) -> Iterator[list[Any]]:  # type: ignore[misc]
                data = event._data
                yield from self._act(done, request, (data,) if isinstance(data, dict) else ())

        event = done.trigger(handle, list(done.inputs), outputs, **(quiet | done.knobs))
        if done.script:
            event.success(None, js=done.script, api_visibility="private")

    def _act(self, done: Done, request: gr.Request, values: Sequence[Any]) -> Iterator[list[Any]]:
        project = None
        try:
            project = self.project(request)
            if done.busy:
                yield self._only(done.redraw, progress=_progress(done.busy))
            went = done.act(project, *values)
            if isinstance(went, Generator):
                went = yield from self._progress(done.redraw, went)
            if done.redraw not in LEVELS:
                yield [went, "", ""]
                return
            if project.recipe and project.examined is None:
                yield self._all(done.redraw, project, request)
                yield from self._progress(done.redraw, project.examine())
            yield self._all(done.redraw, project, request, target=went or "")
        except BadInput as error:
            yield self._only(
                done.redraw, progress="", message=_message(project.plain(error) if project else str(error))
            )
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            sentence = f"Something went wrong in here ({type(error).__name__}); the terminal of the app says where."
            yield self._only(done.redraw, progress="", message=_message(sentence))

    def _progress(self, redraw: Any, steps: Generator[Any, None, Any]) -> Generator[list[Any], None, Any]:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            if isinstance(step, Checked):
                if step.done < step.total:
                    said = f"Reading photos: {step.done:,} of {step.total:,}"
                    yield self._only(redraw, progress=_progress(said, step.done / max(1, step.total)))
            else:
                yield self._only(redraw, progress=_progress(str(step)))

    def _loaded(self, request: gr.Request) -> Iterator[list[Any]]:
        self._sent.pop(request.session_hash or "", None)
        try:
            project = self.project(request)
            yield self._all("load", project, request)
            if project.recipe and project.examined is None:
                yield from self._progress("load", project.examine())
                yield self._all("load", project, request)
        except BadInput as error:
            yield self._only("load", message=_message(str(error)))

    def _ticked(self, request: gr.Request) -> list[Any]:
        return self._all("tick", self.project(request), request)[:-2] + [gr.skip()] * 2

    def _outputs(self, when: Any) -> list[Any]:
        if when not in LEVELS:
            return [when, self.progress, self.message]
        return [d.component for d in self._at(when)] + [self.timer, self.target, self.progress, self.message]

    def _at(self, when: When) -> list[Drawn]:
        return [d for d in self._drawn if LEVELS[d.when] <= LEVELS[when]]

    def _all(self, when: When, project: Project, request: gr.Request, target: str = "") -> list[Any]:
        """Everything of that level, what the browser shows already left out."""
        sent = self._sent.setdefault(request.session_hash or "", {})
        self._sent.move_to_end(request.session_hash or "")
        while len(self._sent) > SESSIONS:
            self._sent.popitem(last=False)
        updates = []
        for drawn in self._at(when):
            try:
                value = drawn.draw(project)
            except Exception:  # a panel is anybody's plugin; the others go on
                traceback.print_exc(file=sys.stderr)
                value = gr.skip()
            digest = hashlib.blake2b(repr(value).encode(errors="replace"), digest_size=16).digest()
            same = drawn.when != "load" and sent.get(id(drawn)) == digest
            sent[id(drawn)] = digest
            updates.append(gr.skip() if same else value)
        alive = any(run.status in ALIVE for run in (project.run, project.lr_find) if run)
        pause = LIVE if alive else IDLE
        timer = gr.skip() if sent.get(0) == pause else gr.update(value=pause)
        sent[0] = pause
        self._went += bool(target)
        goal = f'<i data-to="{text(target)}" data-n="{self._went}"></i>' if target else gr.skip()
        return [*updates, timer, goal, "", ""]

    def _only(self, when: Any, progress: Any = None, message: Any = None) -> list[Any]:
        rest = [gr.skip() if value is None else value for value in (progress, message)]
        return [gr.skip()] * (len(self._outputs(when)) - 2) + rest


GO = "watch('value', () => { const to = element.querySelector('[data-to]'); if (to) presize.go(to.dataset.to); });"


def _progress(sentence: str, share: float | None = None) -> str:
    value = "" if share is None else f' value="{share:.4f}"'
    return (
        f'<div class="doing" role="status"><span>{text(sentence)}</span>'
        f'<progress max="1" aria-label="{text(sentence)}"{value}></progress></div>'
    )


def _message(sentence: str) -> str:
    return (
        f'<div class="said" role="alert"><p>{text(sentence)}</p>'
        '<button type="button" data-close aria-label="Close">×</button></div>'
    )
