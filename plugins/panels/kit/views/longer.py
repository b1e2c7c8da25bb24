"""More epochs for the model of the selected run: how many, and the button that trains them."""

from __future__ import annotations

import gradio as gr

from core.errors import BadInput
from core.runs.run import ALIVE, Run
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import run_view

RISEN = 1.1  # times its lowest value


def longer(page: Page, panel: str) -> None:
    """Add it to a panel; it is shown where the selected run has a model and does not train."""
    with gr.Row(visible=False, elem_classes=["card", "longer"]) as row:
        epochs = gr.Number(3, label="More epochs from this model", precision=0, minimum=1, maximum=1000)
        button = gr.Button("Train longer", elem_id=f"{panel}-longer")
    page.shows(epochs, lambda project: gr.update(info=_warned(project.run)), "tick")
    page.shows(row, lambda project: gr.update(visible=usable(project.run)), "tick")
    page.does(button.click, _train, [epochs], busy="Starting the training", redraw="load")


def _warned(run: Run | None) -> str:
    """Why more epochs will hardly help: the validation loss has risen since the epoch where it was lowest."""
    losses = [e.valid_loss for _, _, e in run_view(run).epochs] if run and usable(run) else []
    if not losses or losses[-1] < RISEN * min(losses):
        return ""
    lowest = 1 + losses.index(min(losses))
    return f"They will hardly help: the validation loss has risen since epoch {lowest}. More photos would."


def usable(run: Run | None) -> bool:
    """Whether there is a model that nothing trains any more."""
    return bool(run and run.status not in ALIVE and run.has_model)


def _train(project: Project, epochs: float | None) -> str:
    if epochs is None:
        raise BadInput("The number of epochs is empty; give 1 or more.")
    if project.run is None:
        raise BadInput("There is no run yet; press Train.")
    project.train_longer(project.run, int(epochs))
    return "train"
