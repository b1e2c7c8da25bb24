"""The drawer under every page: the recipe as runnable Python, and as a JSON document that can be edited and loaded."""

from __future__ import annotations

import gradio as gr

from core.as_python import WORKSPACE, as_python
from core.errors import BadInput
from core.recipe import Recipe
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.project import Project

NOTHING = "# Add photos first."


def drawer(page: Page) -> None:
    """Add two closed accordions to the page: Show as Python, and Recipe."""
    with gr.Row(elem_id="drawer"):
        with gr.Accordion("Show as Python", open=False, elem_id="drawer-python"):
            python = gr.Code(
                NOTHING, language="python", label="The same in a notebook", interactive=False, wrap_lines=True
            )
        with gr.Accordion("Recipe", open=False, elem_id="drawer-recipe"):
            recipe = gr.Code(
                "", language="json", label="The whole experiment; edit it, or paste another", wrap_lines=True
            )
            load = gr.Button("Load this recipe", elem_id="drawer-load")
    page.shows(python, _python)
    page.shows(recipe, lambda project: _shown(project.recipe, project) if project.recipe else "")
    page.does(load.click, _load, [recipe], redraw="load", busy="Loading the recipe")
    with gr.Row(visible=False):
        document, button = gr.Textbox("", label="recipe"), gr.Button()
        answer = gr.Textbox(label="recipe")
        page.offers(button.click, "recipe", _recipe, [document], answer)


def _python(project: Project) -> str:
    if project.recipe is None:
        return NOTHING
    try:
        return as_python(project.recipe.relative_to(project.folder, WORKSPACE), bool(project.corrections))
    except BadInput as error:
        return f"# {error}"


def _load(project: Project, document: str) -> str:
    project.use(Recipe.from_json(document))
    return "data"


def _recipe(project: Project, document: str = "") -> str:
    """Return the recipe being edited as JSON; a `document` that is given replaces it first."""
    if document.strip():
        project.use(Recipe.from_json(document))
    return _shown(project.require_recipe(), project)


def _shown(recipe: Recipe, project: Project) -> str:
    return recipe.relative_to(project.folder).to_json()
