"""The page: what it shows is drawn from a project on the disk, and what a person does changes that project.

A panel says `page.shows(component, draw)` and `page.does(trigger, act)`; it keeps no state of its own. So a reload, a
second browser and a restart of the app all show the same.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import gradio as gr

from core.atomic import disk_error
from core.errors import BadInput
from core.events import Checked, WithResult
from plugins.panels.kit.page.sent import LEVELS, Drawn, Sent, When
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.mode import Mode
from plugins.panels.kit.views.html import Html, alert, content, doing

State = Literal["todo", "active", "done"]
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
class Done:
    """What happens at an event."""

    trigger: Any
    act: Callable[..., Any]
    inputs: Sequence[Any]
    redraw: Any  # a level, or the one component that shows the answer
    busy: str
    options: dict[str, Any]
    script: str = ""
    signed: bool = False

    @property
    def edits(self) -> bool:
        """Whether it changes the recipe by a form, for which what starts a training waits."""
        return getattr(self.trigger, "event_name", "") in ("edit", "select")


class Page:
    """All panels of an app; see the module's first lines."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self._drawn: list[Drawn] = []
        self._done: list[Done] = []
        self._answered: list[Done] = []
        self._sent: OrderedDict[str, Sent] = OrderedDict()
        self._went = 0
        self._lock = Lock()

    def project(self, request: gr.Request) -> Project:
        """What the person behind a request works on."""
        return self.mode.project(request)

    def shows(self, component: Any, draw: Callable[[Project], Any], when: When = "change") -> None:
        """`draw(project)` gives the component's value: while something runs, after every event, or only on loading.

        What it gives for HTML is escaped, unless it is `Html`.
        """
        self._drawn.append(Drawn(component, draw, when))

    def does(
        self,
        trigger: Any,
        act: Callable[..., Any],
        inputs: Sequence[Any] = (),
        redraw: When = "change",
        busy: str = "",
        **options: Any,
    ) -> None:
        """`act(project, *inputs)` at an event; at a view's, `act(project, data)` with what was clicked.

        It may return the name of a panel to go to, or be a generator of `Checked` or of sentences, its progress.
        BadInput becomes a sentence on the page.
        """
        self._done.append(Done(trigger, act, inputs, redraw, busy, options))

    def answers(
        self,
        trigger: Any,
        act: Callable[..., Any],
        inputs: Sequence[Any],
        output: Any,
        busy: str = "",
        signed: bool = False,
        **options: Any,
    ) -> Done:
        """`output` shows what `act(project, *inputs)` returns, at a view `act(project, data)`; nothing else changes.

        With `signed` it is `act(project, token, *inputs)`: that of who signed in on a Space, else empty.
        """
        answered = Done(trigger, act, inputs, output, busy, options, signed=signed)
        self._answered.append(answered)
        return answered

    def after(self, answered: Done, script: str) -> None:
        """Run a piece of JavaScript in the browser once that answer is there."""
        answered.script = script

    def offers(
        self, trigger: Any, name: str, act: Callable[..., Any], inputs: Sequence[Any], output: Any, **options: Any
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
        trigger(
            call, list(inputs), output, api_name=name, api_description=act.__doc__, show_progress="hidden", **options
        )

    def wire(self, demo: gr.Blocks) -> None:
        """Connect everything; to be called once, inside the Blocks, after all panels were built."""
        self.progress = gr.HTML("", elem_id="progress")
        self.message = gr.HTML("", elem_id="message")
        self.target = gr.HTML("", elem_id="target", js_on_load=GO, visible="hidden")
        self.timer = gr.Timer(LIVE)
        self.shows(self.timer, lambda project: gr.update(value=LIVE if project.under_way else IDLE), "tick")
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        for done in self._done:
            self._wire(done, quiet)
        for answered in self._answered:
            self._wire(answered, quiet)
        everything = self._outputs("load")
        demo.load(self._loaded, None, everything, concurrency_limit=None, **quiet)
        self.timer.tick(self._ticked, None, everything, trigger_mode="once", concurrency_limit=None, **quiet)

    def _wire(self, done: Done, quiet: dict[str, Any]) -> None:
        if done.signed:

            def handle(request: gr.Request, login: gr.OAuthToken | None, *values: Any) -> Iterator[list[Any]]:
                given = (login.token if login else "", *values)
                yield from self._safely(done.redraw, request, lambda project: self._act(done, project, request, given))
        elif done.inputs:

            def handle(request: gr.Request, *values: Any) -> Iterator[list[Any]]:  # type: ignore[misc]
                yield from self._safely(done.redraw, request, lambda project: self._act(done, project, request, values))
        else:

            def handle(request: gr.Request, event: gr.EventData) -> Iterator[list[Any]]:  # type: ignore[misc]
                data = (event._data,) if isinstance(event._data, dict) else ()
                yield from self._safely(done.redraw, request, lambda project: self._act(done, project, request, data))

        mode = {"trigger_mode": "multiple"} if done.edits else {}  # a second change may follow at once
        event = done.trigger(handle, list(done.inputs), self._outputs(done.redraw), **(quiet | mode | done.options))
        if done.script:
            event.success(None, js=done.script, api_visibility="private")
        if done.edits:
            event.then(None, [self.message], js="said => presize.edited(said)", api_visibility="private")

    def _safely(
        self, redraw: Any, request: gr.Request, act: Callable[[Project], Iterator[list[Any]]]
    ) -> Iterator[list[Any]]:
        """What `act` yields; whatever goes wrong becomes a sentence, and the forms show again what holds."""
        project, sentence = None, ""
        try:
            project = self.project(request)
            yield from act(project)
        except BadInput as error:
            sentence = project.plain(error) if project else str(error)
        except OSError as error:
            sentence = str(disk_error(Path(error.filename or "the workspace"), error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            sentence = f"Something went wrong in here ({type(error).__name__}); the terminal of the app says where."
        if sentence and project and redraw in LEVELS:
            yield from self._all("load", project, request, again=True, message=alert(sentence))
        elif sentence:
            yield self._only(redraw, progress="", message=alert(sentence))
        yield self._only(redraw)  # gradio says the last values again at the end, when they may be old

    def _act(self, done: Done, project: Project, request: gr.Request, values: Sequence[Any]) -> Iterator[list[Any]]:
        if done.busy:
            yield self._only(done.redraw, progress=doing(done.busy))
        went = done.act(project, *values)
        if isinstance(went, Generator):
            went = yield from self._progress(done.redraw, went)
        if done.redraw not in LEVELS:
            yield [content(went) if isinstance(done.redraw, gr.HTML) else went, "", ""]
            return
        yield from self._examine(done.redraw, project, request)
        yield from self._all(done.redraw, project, request, target=went or "", again=not done.edits)

    def _examine(self, redraw: When, project: Project, request: gr.Request, message: Any = "") -> Iterator[list[Any]]:
        if project.recipe and project.examined is None:
            yield from self._all(redraw, project, request, message=message)
            yield from self._progress(redraw, project.examine())

    def _progress(self, redraw: Any, steps: Generator[Any, None, Any]) -> Generator[list[Any], None, Any]:
        running = WithResult(steps)
        for step in running:
            if isinstance(step, Checked):
                if step.done < step.total:
                    reading = f"Reading photos: {step.done:,} of {step.total:,}"
                    yield self._only(redraw, progress=doing(reading, step.done / max(1, step.total)))
            else:
                yield self._only(redraw, progress=doing(str(step)))
        return running.result

    def _loaded(self, request: gr.Request) -> Iterator[list[Any]]:
        self._sent_to(request).forget()
        yield from self._safely("load", request, lambda project: self._whole(project, request))

    def _whole(self, project: Project, request: gr.Request) -> Iterator[list[Any]]:
        """Everything, but for a sentence that stands there: nobody has done anything that answers it."""
        yield from self._examine("load", project, request, message=gr.skip())
        yield from self._all("load", project, request, message=gr.skip())

    def _ticked(self, request: gr.Request) -> Iterator[list[Any]]:
        yield from self._safely("load", request, lambda project: self._tick(project, request))

    def _tick(self, project: Project, request: gr.Request) -> Iterator[list[Any]]:
        """Draw what lives; or everything, where another browser has changed the project, or a check may begin now."""
        waits = project.may_examine and project.recipe and project.examined is None
        if waits or self._sent_to(request).version != project.version:
            yield from self._whole(project, request)
        else:
            yield from self._all("tick", project, request, progress=gr.skip(), message=gr.skip())

    def _outputs(self, redraw: Any) -> list[Any]:
        """The components of an event: all there are, or the one that shows its answer; then progress and message."""
        if redraw not in LEVELS:
            return [redraw, self.progress, self.message]
        return [*(d.component for d in self._drawn), self.target, self.progress, self.message]

    def _sent_to(self, request: gr.Request) -> Sent:
        with self._lock:
            sent = self._sent.setdefault(request.session_hash or "", Sent())
            self._sent.move_to_end(request.session_hash or "")
            while len(self._sent) > SESSIONS:
                self._sent.popitem(last=False)
        return sent

    def _all(
        self,
        when: When,
        project: Project,
        request: gr.Request,
        target: str = "",
        again: bool = False,
        progress: Any = "",
        message: Any = "",
    ) -> Iterator[list[Any]]:
        """Everything of that level that the browser does not show yet; with `again` forms as they are in the recipe."""
        sent = self._sent_to(request)
        updates, noted = sent.news(self._drawn, when, project, again)
        self._went += 1
        goal = Html('<i data-to="{}" data-n="{}"></i>').format(target, self._went) if target else gr.skip()
        values = [*updates, *map(content, (goal, progress, message))]
        if values == self._only(when):
            return
        try:
            yield values
        except GeneratorExit:  # the connection broke
            sent.lost(noted)
            raise
        sent.left(noted)

    def _only(self, redraw: Any, progress: Any = None, message: Any = None) -> list[Any]:
        rest = [gr.skip() if value is None else content(value) for value in (progress, message)]
        return [gr.skip()] * (len(self._outputs(redraw)) - 2) + rest


GO = "watch('value', () => { const to = element.querySelector('[data-to]'); if (to) presize.go(to.dataset.to); });"
