"""What happens at an event of a component: of the page itself, or of a program that calls the app."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from core.atomic import disk_error
from core.errors import BadInput
from plugins.panels.kit.project.project import Project

Updates = Iterator[list[Any]]  # of the output components


@dataclass
class Handler:
    """What the page does at an event of a component."""

    trigger: Any
    act: Callable[..., Any]
    inputs: Sequence[Any]
    redraw: Any  # a level, or the single component that shows the answer
    busy: str
    options: dict[str, Any]
    script: str = ""
    signed: bool = False

    @property
    def edits(self) -> bool:
        """Whether it changes the recipe through a form; buttons that start training wait for such events."""
        return getattr(self.trigger, "event_name", "") in ("edit", "select")

    def listener(self, run: Callable[[gr.Request, Sequence[Any]], Updates]) -> Callable[..., Updates]:
        """`run(request, values)` with the parameters from which gradio reads what it shall pass."""
        if self.signed:

            def handle(request: gr.Request, login: gr.OAuthToken | None, *values: Any) -> Updates:
                yield from run(request, (login.token if login else "", *values))
        elif self.inputs:

            def handle(request: gr.Request, *values: Any) -> Updates:  # type: ignore[misc]
                yield from run(request, values)
        else:

            def handle(request: gr.Request, event: gr.EventData) -> Updates:  # type: ignore[misc]
                yield from run(request, (event._data,) if isinstance(event._data, dict) else ())

        return handle


def endpoint(
    project_of: Callable[[gr.Request], Project], act: Callable[..., Any], inputs: Sequence[Any]
) -> Callable[..., Any]:
    """A function that calls `act(project, *inputs)` for programs; BadInput is raised in the client."""

    def call(request: gr.Request, *values: Any) -> Any:
        project = None
        try:
            project = project_of(request)
            return act(project, *values)
        except BadInput as error:
            raise gr.Error(project.plain(error) if project else str(error), print_exception=False) from None

    kinds = {"request": gr.Request, **{str(i.label): str for i in inputs}}  # the names that clients see
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    call.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in kinds])  # type: ignore[attr-defined]
    call.__annotations__ = kinds
    return call


def sentence(error: Exception, project: Project | None) -> str:
    """An exception as the page shows it; what nobody expected goes to the terminal whole."""
    if isinstance(error, BadInput):
        return project.plain(error) if project else str(error)
    if isinstance(error, OSError):
        return str(disk_error(Path(error.filename or "the workspace"), error))
    traceback.print_exception(error, file=sys.stderr)
    return f"Something went wrong ({type(error).__name__}); the app's terminal shows the details."
