"""One photo, large, in a dialog in front of the page."""

from __future__ import annotations

import time
from pathlib import Path

import gradio as gr

from plugins.panels.kit.views.html import DELEGATE, Html, notes
from plugins.panels.kit.views.pictures import large

SCRIPT = """
watch('value', () => {
  element.querySelector('dialog')?.showModal();
  if (element.querySelector('[data-changed]')) trigger('changed', {});
});
element.addEventListener('click', event => {
  if (event.target.matches('dialog, [data-do=again]')) event.target.closest('dialog').close();
});
"""


def large_photo(elem_id: str) -> gr.HTML:
    """A component that opens what is drawn with `dialog`; it has the events of a view.

    Its event `changed` tells that what it shows has changed the project.
    """
    return gr.HTML("", js_on_load=DELEGATE + SCRIPT, elem_id=elem_id)


def dialog(name: str, body: str, picture: str = "") -> Html:
    """A dialog with what is said of a photo; it differs at each call, so that it opens again."""
    return Html(
        '<dialog class="large-photo told" aria-label="{name}" data-n="{n}"><div>{picture}<div>{body}</div></div>'
        '<form method="dialog"><button class="plain" autofocus>Close</button></form></dialog>'
    ).format(name=name, n=time.monotonic_ns(), picture=picture, body=body)


def photo_dialog(file: Path, body: str) -> Html:
    """The dialog of a file."""
    src = large(file)
    picture = Html('<img src="{}" alt="{}">').format(src, file.name)
    return dialog(file.name, body, picture if src else notes(["This photo cannot be read, or is gone."], "bad"))
