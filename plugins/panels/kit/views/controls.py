"""The buttons of the selected run: pause it, end it early in one of two ways, take it out of the queue, resume it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from core.errors import BadInput
from core.events import drain
from core.runs.run import CREATED, INTERRUPTED, QUEUED, RUNNING, Run
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import RunView, run_view
from plugins.panels.kit.views.run import is_starting

SAVES = "Finishing the step and saving everything"


def controls(page: Page) -> None:
    """Add those buttons to the head of a panel, each shown while it can be pressed."""
    buttons: dict[str, tuple[str, Callable[[RunView], bool], Callable[[Project], Any], str]] = {
        "pause": ("Pause", _stoppable, lambda project: stop(selected(project)), SAVES),
        "cancel": ("Cancel", _queued, lambda project: stop(selected(project)), "Taking it out of the queue"),
        "finish": (
            "Finish early",
            _finishable,
            lambda project: selected(project).finish(),
            "Annealing the learning rate to its end",
        ),
        "keep": ("Stop and keep best", keepable, _keep, SAVES),
        "resume": ("Resume", _resumable, lambda project: project.resume(selected(project)), "Resuming the run"),
    }
    for name, (label, fits, act, busy) in buttons.items():
        button = gr.Button(label, elem_id=f"train-{name}")
        page.does(button.click, act, busy=busy)
        page.shows(button, _visible_if(fits), "tick")


def selected(project: Project) -> Run:
    """The selected run; raises BadInput if there is none."""
    if (run := project.run) is None:
        raise BadInput("There is no run yet; press Train.")
    return run


def stop(run: Run) -> None:
    """Stop a run, and wait until it has saved everything; raises BadInput."""
    run.stop()
    drain(run.follow())


def keepable(shown: RunView) -> bool:
    """Whether there is a model that can be kept although the run trains on."""
    return shown.status == RUNNING and bool(shown.epochs)


def _keep(project: Project) -> str:
    run = selected(project)
    run.keep()
    drain(run.follow())
    return "results"


def _stoppable(shown: RunView) -> bool:
    return shown.status == RUNNING


def _queued(shown: RunView) -> bool:
    return shown.status == QUEUED


def _finishable(shown: RunView) -> bool:
    return shown.status == RUNNING and bool(shown.losses) and not shown.asked_to_finish


def _resumable(shown: RunView) -> bool:
    return shown.status in ("stopped", "failed", INTERRUPTED, CREATED) and not is_starting(shown.run)


def _visible_if(fits: Callable[[RunView], bool]) -> Callable[[Project], Any]:
    return lambda project: gr.update(visible=bool((run := project.run) and fits(run_view(run))))
