"""The head of a page: its title, one sentence, and its buttons."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from core.runs.run import Run
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.others import others
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.html import Html, view


def head(
    page: Page,
    name: str,
    title: Callable[[Project], tuple[str, str]],
    run: Callable[[Project], Run | None] | None = None,
) -> gr.Row:
    """Show a title and a sentence, redrawn after each event; returns the row in which to create buttons.

    A page that shows a `run` has the run in its address, and a line says if it was trained on other photos.
    """
    with gr.Row(elem_classes=["head", "of-run"] if run else "head"):
        shown = view(f"{name}-head", elem_classes="head-text")
        buttons = gr.Row(elem_classes="head-buttons")
    page.shows(shown, lambda project: _lines(*title(project), others(project, run(project) if run else None)), "tick")
    return buttons


def _lines(title: str, sentence: str, other: str) -> Html:
    remark = Html('<p class="others">This is {}.</p>').format(other) if other else ""
    return Html("<h1>{}</h1><p>{}</p>{}").format(title, sentence, remark)
