"""A camera that takes photos straight into a label: hold the button to take many."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

HERE = Path(__file__).parent


def camera(elem_id: str) -> gr.HTML:
    """A button that opens the camera; its event `taken` carries `files`, as of `drop`, and their `label`."""
    template, script = ((HERE / f"camera.{kind}").read_text(encoding="utf-8") for kind in ("html", "js"))
    return gr.HTML("", html_template=template, js_on_load=script, elem_id=elem_id)
