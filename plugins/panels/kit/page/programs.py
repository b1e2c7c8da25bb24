"""What programs ask of the runs: to start one, to list them, to stop one."""

from __future__ import annotations

from typing import Any

import gradio as gr

from core.errors import BadInput
from core.runs.run import ALIVE, Run
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import run_view
from plugins.panels.kit.project.summary import summary
from plugins.panels.kit.views.controls import stop
from plugins.panels.kit.views.epochs import accuracy_of


def programs(page: Page) -> None:
    """Add the endpoints `/train`, `/runs` and `/stop`, which nobody sees."""
    with gr.Row(visible=False):
        name, answer = gr.Textbox("", label="run"), gr.JSON(label="run")
        begin, end, look = gr.Button(), gr.Button(), gr.Button()
    page.offers(begin.click, "train", _train, [], answer)
    page.offers(look.click, "runs", _runs, [], answer)
    page.offers(end.click, "stop", _stop, [name], answer)


def _train(project: Project) -> dict[str, Any]:
    """Train the recipe in a process of its own; returns the run's name, for `runs` and `stop`."""
    return _told(project.start())


def _runs(project: Project) -> list[dict[str, Any]]:
    """List the runs, newest first, with the progress and accuracy of each."""
    return [_told(run) for run in project.runs]


def _stop(project: Project, name: str) -> dict[str, Any]:
    """Stop a run and keep its best model; it can be resumed on the page."""
    run = project.find(name)
    stop(run)
    return _told(run)


def _told(run: Run) -> dict[str, Any]:
    shown = summary(run)
    try:
        share = round((run_view(run) if shown.status in ALIVE else shown).fraction, 4)
    except BadInput as error:  # the recipe is damaged
        return {"run": run.name, "status": shown.status, "error": str(error)}
    return {
        "run": run.name,
        "status": shown.status,
        "share": share,
        "accuracy": accuracy_of(shown.best) if shown.best else None,
        "error": shown.end.error if shown.end and shown.status not in ALIVE else "",
    }
