"""The tabs of sources: a form of its options for each, and one text field for paths and names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from core.data.propose import source_of
from core.errors import BadInput
from core.registry import Entry, Param, sources
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.bring import refusals
from plugins.panels.kit.project.edits import parsed
from plugins.panels.kit.project.project import Project

BUSY = "Looking at the photos"


def tabs(page: Page) -> None:
    """Add a tab for each source that has one and that users of this page may use."""
    for entry in sources:
        title = title_of(entry)
        if title and (page.mode.local or getattr(entry.factory, "for_visitors", False)):
            with gr.Tab(title):
                gr.Markdown(entry.help)
                fields = list(_fields(entry))
                use = gr.Button(f"Use the {title.lower()}", elem_id=f"data-{entry.name}")
                page.does(use.click, partial(use_form, entry.name), fields, redraw="load", busy=BUSY)


def text_tab(page: Page) -> None:
    """Add a tab with one text field, for any path or name that a source recognises."""
    with gr.Tab("Folder"):
        label = _known_texts()
        field = gr.Textbox(label=label[0].upper() + label[1:], elem_id="data-path", placeholder="~/Pictures")
        button = gr.Button("Open", elem_id="data-open")
        for trigger in (button.click, field.submit):
            page.does(trigger, use_text, [field], redraw="load", busy=BUSY)


def title_of(entry: Entry[Any]) -> str:
    """The title of a source's tab: its `title`, else its name; empty if it has no tab."""
    return str(getattr(entry.factory, "title", entry.name.replace("_", " ").capitalize()))


def use_text(project: Project, text: str) -> None:
    """Open the photos at a path or name that was typed; raises BadInput."""
    if not text.strip():
        raise BadInput(f"The field is empty; give {_known_texts()}.")
    with refusals(project):
        project.open(source_of(text.strip()))


def use_form(name: str, project: Project, *values: str | bool) -> None:
    """Open a source with the values of its form; raises BadInput."""
    params = _ordered(sources[name])
    given = {
        p.name: value if isinstance(value, bool) else parsed(p, value or "")
        for p, value in zip(params, values, strict=True)
    }
    with refusals(project):
        project.open({"name": name} | {p.name: given[p.name] for p in params if given[p.name] != p.default})


def _known_texts() -> str:
    """What can be typed, from each source's `looks_like`: `a folder of this computer, OWNER/NAME or a .zip`."""
    known = [entry.factory.looks_like for entry in sources if hasattr(entry.factory, "looks_like")]
    return " or ".join(filter(None, (", ".join(known[:-1]), known[-1])))


def _ordered(entry: Entry[Any]) -> list[Param]:
    return sorted(entry.params, key=lambda p: not p.required)


def _fields(entry: Entry[Any]) -> Iterator[Any]:
    """An input for each option: required ones first, the others under `More`."""
    yield from (_field(entry.name, p) for p in _ordered(entry) if p.required)
    if optional := [p for p in entry.params if not p.required]:
        with gr.Accordion("More", open=False):
            yield from [_field(entry.name, p) for p in optional]


def _field(source: str, param: Param) -> Any:
    shared: dict[str, Any] = {
        "label": param.name.replace("_", " ").capitalize(),
        "info": param.help,
        "elem_id": f"data-{source}-{param.name}",
    }
    default = "" if param.required else param.default
    if param.choices:
        return gr.Dropdown(list(map(str, param.choices)), value=str(default) or None, **shared)
    if param.type is bool:
        return gr.Checkbox(bool(default), **shared)
    return gr.Textbox(default if isinstance(default, str) else json.dumps(default, default=str), max_lines=1, **shared)
