"""The page: everything it shows is drawn from a project on disk, and every action changes that project.

A panel calls `page.shows(component, draw)` and `page.does(trigger, act)` and keeps no state of its own. So a reload, a
second browser and a restart of the app all show the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from threading import Lock
from typing import Any, Literal, Protocol

import gradio as gr

from core.events import Checked, WithResult
from plugins.panels.kit.page.clock import Clock
from plugins.panels.kit.page.handler import Handler, endpoint, sentence
from plugins.panels.kit.page.sent import LEVELS, Drawn, Sent, When
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.mode import Mode
from plugins.panels.kit.views.html import Html, alert, content, doing

State = Literal["todo", "active", "done"]
Updates = Generator[list[Any], None, None]  # of the output components
SESSIONS = 500  # browsers whose displayed values are remembered


class Panel(Protocol):
    """A page of the app: its title, its place in the rail, and its status line."""

    title: str
    place: int
    serves_models: bool  # whether it is shown when the app only serves predictions

    def status(self, project: Project) -> tuple[State, str]:
        """The state of this step, and a line for the rail."""


class Page:
    """The components of all panels and their events; see the module's docstring."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self._drawn: list[Drawn] = []
        self._handlers: list[Handler] = []
        self._answered: list[Handler] = []
        self._sent: OrderedDict[str, Sent] = OrderedDict()
        self._targets = 0
        self._lock = Lock()

    def project(self, request: gr.Request) -> Project:
        """The project of the user who sent a request."""
        return self.mode.project(request)

    def shows(self, component: Any, draw: Callable[[Project], Any], when: When = "change") -> None:
        """Show `draw(project)` in a component: redrawn on every tick, after every change, or only on loading.

        A text for an HTML component is escaped unless it is `Html`.
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
        """Call `act(project, *inputs)` at an event; for an event of a view, `act(project, data)` with what was clicked.

        It may return the name of a panel to open, or be a generator that yields its progress as `Checked` or sentences.
        BadInput is shown as a sentence on the page.
        """
        self._handlers.append(Handler(trigger, act, inputs, redraw, busy, options))

    def answers(
        self,
        trigger: Any,
        act: Callable[..., Any],
        inputs: Sequence[Any],
        output: Any,
        busy: str = "",
        signed: bool = False,
        **options: Any,
    ) -> Handler:
        """Show what `act(project, *inputs)`, for a view `act(project, data)`, returns in `output`; change nothing else.

        With `signed`, `act(project, token, *inputs)` gets the token of the visitor signed in on a Space, else "".
        """
        answered = Handler(trigger, act, inputs, output, busy, options, signed=signed)
        self._answered.append(answered)
        return answered

    def after(self, answer: Handler, script: str) -> None:
        """Run JavaScript in the browser once that answer has been shown."""
        answer.script = script

    def offers(
        self, trigger: Any, name: str, act: Callable[..., Any], inputs: Sequence[Any], output: Any, **options: Any
    ) -> None:
        """Offer `act(project, *inputs)` to programs as a named endpoint; BadInput is raised in the client."""
        call = endpoint(self.project, act, inputs)
        call.__name__ = name  # by which MCP names it
        trigger(
            call, list(inputs), output, api_name=name, api_description=act.__doc__, show_progress="hidden", **options
        )

    def wire(self, demo: gr.Blocks) -> None:
        """Connect all events; call it once, inside the Blocks, after all panels are built."""
        self.progress = gr.HTML("", elem_id="progress")
        self.message = gr.HTML("", elem_id="message", js_on_load=SAID)
        self.target = gr.HTML("", elem_id="target", js_on_load=GO, visible="hidden")

        # else each of all outputs would have its own progress, hidden or not
        quiet: dict[str, Any] = {
            "show_progress": "hidden",
            "show_progress_on": [self.target],
            "api_visibility": "private",
        }
        for handler in (*self._handlers, *self._answered):
            self._wire(handler, quiet)
        everything = self._outputs("load")
        demo.load(self._loaded, None, everything, concurrency_limit=None, **quiet)
        if self.mode.model:  # whose predictions do not change
            return

        clock = Clock(self._drawn).component(self.project, self._session)
        clock.tick(self._ticked, None, everything, trigger_mode="always_last", concurrency_limit=None, **quiet)

    def _wire(self, handler: Handler, quiet: dict[str, Any]) -> None:
        def run(request: gr.Request, values: Sequence[Any]) -> Iterator[list[Any]]:
            return self._safely(
                handler.redraw, request, lambda project: self._act(handler, project, request, values), handler.edits
            )

        mode = {"trigger_mode": "multiple"} if handler.edits else {}  # another edit may follow before the answer
        options = quiet | mode | handler.options
        event = handler.trigger(handler.listener(run), list(handler.inputs), self._outputs(handler.redraw), **options)
        if handler.script:
            event.success(None, js=handler.script, api_visibility="private")
        if handler.edits:
            event.then(None, [self.message], js="said => presize.edited(said)", api_visibility="private")

    def _safely(
        self, redraw: Any, request: gr.Request, act: Callable[[Project], Updates], edits: bool = False
    ) -> Iterator[list[Any]]:
        """Yield from `act`, with the progress of another action that still goes on in place of none."""
        sent, call = self._sent_to(request), object()
        try:
            with closing(self._guarded(redraw, request, act, edits)) as steps:
                for values in steps:
                    *shown, progress, message = values
                    yield [*shown, sent.progress(call, progress) if isinstance(progress, str) else progress, message]
        finally:
            sent.progress(call, "")

    def _guarded(self, redraw: Any, request: gr.Request, act: Callable[[Project], Updates], edits: bool) -> Updates:
        """Yield from `act`; an exception is shown as a sentence, and the forms are reset to the recipe.

        The forms stay if it `edits`: a refused value stands in its field, and Train waits until it is corrected.
        """
        project, said = None, ""
        try:
            project = self.project(request)
            yield from act(project)
        except Exception as error:
            said = sentence(error, project)
        if said and project and redraw in LEVELS:
            yield from self._all(redraw if edits else "load", project, request, again=not edits, message=alert(said))
        elif said:
            yield self._only(redraw, progress="", message=alert(said))
        yield self._only(redraw)  # gradio sends the last values once more at the end, when they may be outdated

    def _act(self, handler: Handler, project: Project, request: gr.Request, values: Sequence[Any]) -> Updates:
        if handler.busy:
            yield self._only(handler.redraw, progress=doing(handler.busy))
        result = handler.act(project, *values)
        if isinstance(result, Generator):
            result = yield from self._progress(handler.redraw, result)
        if handler.redraw not in LEVELS:
            yield [content(result) if isinstance(handler.redraw, gr.HTML) else result, "", ""]
            return
        yield from self._examine(handler.redraw, project, request)
        yield from self._all(handler.redraw, project, request, target=result or "", again=not handler.edits)

    def _examine(self, redraw: When, project: Project, request: gr.Request, message: Any = "") -> Updates:
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

    def _whole(self, project: Project, request: gr.Request) -> Updates:
        """Draw everything but leave an alert in place, as the user has not dealt with it."""
        yield from self._examine("load", project, request, message=gr.skip())
        yield from self._all("load", project, request, message=gr.skip())

    def _ticked(self, request: gr.Request) -> Iterator[list[Any]]:
        yield from self._safely("load", request, lambda project: self._tick(project, request))

    def _tick(self, project: Project, request: gr.Request) -> Updates:
        """Draw what ticks, or everything if the browser is behind."""
        if self._sent_to(request).is_behind(project):
            yield from self._whole(project, request)
        else:
            yield from self._all("tick", project, request, progress=gr.skip(), message=gr.skip())

    def _outputs(self, redraw: Any) -> list[Any]:
        """The output components of an event: all, or the one that shows its answer; then progress and message."""
        if redraw not in LEVELS:
            return [redraw, self.progress, self.message]
        return [*(d.component for d in self._drawn), self.target, self.progress, self.message]

    def _sent_to(self, request: gr.Request) -> Sent:
        return self._session(request.session_hash or "")

    def _session(self, name: str) -> Sent:
        with self._lock:
            sent = self._sent.setdefault(name, Sent())
            self._sent.move_to_end(name)
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
    ) -> Updates:
        """Send all values up to that level that the browser lacks; `again` resets the forms to the recipe."""
        sent = self._sent_to(request)
        updates, noted = sent.news(self._drawn, when, project, again)
        self._targets += 1
        goal = Html('<i data-to="{}" data-n="{}"></i>').format(target, self._targets) if target else gr.skip()
        values = [*updates, *map(content, (goal, progress, message))]
        if values == self._only(when):
            return
        try:
            yield values
        except GeneratorExit:  # the connection was lost
            sent.lost(noted)
            raise
        sent.left(noted)

    def _only(self, redraw: Any, progress: Any = None, message: Any = None) -> list[Any]:
        rest = [gr.skip() if value is None else content(value) for value in (progress, message)]
        return [gr.skip()] * (len(self._outputs(redraw)) - 2) + rest


SAID = "watch('value', () => presize.said(element));"
GO = "watch('value', () => { const to = element.querySelector('[data-to]'); if (to) presize.go(to.dataset.to); });"
