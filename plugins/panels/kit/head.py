"""The head of a page: what it is for, one sentence, and its buttons."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from core.runs.project import Project
from plugins.panels.kit.html import text, view
from plugins.panels.kit.page import Page


def head(page: Page, name: str, title: Callable[[Project], tuple[str, str]]) -> gr.Row:
    """A title and a sentence, drawn anew after each event; use the row that is returned `with` for buttons."""
    with gr.Row(elem_classes="head"):
        shown = view(f"{name}-head", elem_classes="head-text")
        buttons = gr.Row(elem_classes="head-buttons")
    page.shows(shown, lambda project: _lines(*title(project)), "tick")
    return buttons


def _lines(title: str, sentence: str) -> str:
    return f"<h1>{text(title)}</h1><p>{text(sentence)}</p>"
