"""What is trained next, and how: presets, network, augmentation and all other options, in one card."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from core.recipe import Recipe
from plugins.panels.kit.insight.speed import MeasuredSpeed
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.edits import choose, edit
from plugins.panels.kit.project.presets import choose_preset
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.html import Html, empty, view
from plugins.panels.kit.views.recipe_form import advanced_form, basic_form, presets, transforms_form
from plugins.panels.kit.views.seen import draws, not_seen
from plugins.panels.kit.views.which_model import which_model


def options(page: Page) -> None:
    """Add that card to a panel."""
    with gr.Column(elem_classes="card"):
        choices = view("train-presets", label="How long to train")
        first = view("train-form", label="What to train", elem_classes="wide")
        which_model(page)
        with (
            gr.Accordion("Presizing and augmentation", open=False, elem_id="train-augmentation"),
            gr.Row(elem_classes=["columns", "beside"]),
        ):
            with gr.Column(scale=3):
                changes = view("train-transforms", label="Transforms", elem_classes="wide")
            with gr.Column(scale=2):
                drawn = view("train-draws", label="A photo as it is augmented")
        with gr.Accordion("Advanced", open=False, elem_id="train-advanced"):
            more = view("train-more", label="More options", elem_classes="wide")
    page.shows(choices, presets, "tick")
    page.does(choices.click, lambda project, data: choose_preset(project, str(data.get("name"))), redraw="load")
    page.does(choices.ask, lambda project, data: MeasuredSpeed(project).look(), redraw="tick")
    page.shows(first, _first, "load")
    page.shows(more, lambda project: _if_any(project, advanced_form), "load")
    page.shows(changes, lambda project: _if_any(project, transforms_form), "load")
    page.shows(drawn, not_seen)
    for trigger in (drawn.ask, drawn.click):
        page.answers(trigger, draws, [], drawn, busy="Augmenting a photo", concurrency_limit=1)
    for form in (first, more, changes):
        page.does(form.select, choose, redraw="load", busy="Changing the recipe")
        page.does(form.edit, edit)


def _first(project: Project) -> str:
    if (recipe := project.shown_recipe) is None:
        return empty("No photos yet", "Add some on the Data page; the defaults depend on how many there are.")
    return basic_form(recipe)


def _if_any(project: Project, form: Callable[[Recipe], Html]) -> Html:
    return form(recipe) if (recipe := project.shown_recipe) else Html()
