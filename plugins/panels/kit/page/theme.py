"""The look of the app: colours, radii and fonts, and the style sheets and scripts beside this file."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio import routes
from jinja2 import FunctionLoader

HERE = Path(__file__).parent
CSS = [HERE / "style.css", HERE / "labels.css"]
SCRIPT = "".join((HERE / f"{part}.js").read_text(encoding="utf-8") for part in ("page", "address", "edits"))

FIRST = (HERE / "frames.js").read_text(encoding="utf-8")


def run_first(script: str = FIRST) -> None:
    """Put a script into the page before gradio's own, which keep what they find; `head=` comes after them."""
    pages = routes.templates.env
    loader = pages.loader
    assert loader is not None
    pages.loader = FunctionLoader(
        lambda name: loader.get_source(pages, name)[0].replace("<head>", f"<head><script>{script}</script>", 1)
    )


def theme() -> gr.themes.Base:
    """The Gradio theme: indigo and grey, with fonts that come with Gradio or the system."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.gray,
        font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
        radius_size=gr.themes.sizes.radius_lg,
        text_size=gr.themes.sizes.text_md,
    ).set(
        body_background_fill="#fafafb",
        body_background_fill_dark="#111217",
        body_text_color="#1b1d29",
        body_text_color_dark="#ececf1",
        block_background_fill="#ffffff",
        block_background_fill_dark="#1a1b22",
        block_border_color="#e8e8ee",
        block_border_color_dark="#2b2d38",
        block_info_text_color="#5f6273",
        block_info_text_color_dark="#a3a6b8",
        input_border_width="1px",
        input_border_color="#d9d9e3",
        input_border_color_dark="#3a3c4a",
        input_background_fill="#ffffff",
        input_background_fill_dark="#15161c",
        button_primary_background_fill="#4f5bd5",
        button_primary_background_fill_hover="#434ec2",
        button_primary_background_fill_dark="#5b67e0",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#22242d",
        button_secondary_border_color="#d9d9e3",
        button_secondary_border_color_dark="#3a3c4a",
        button_secondary_background_fill_hover="#f4f4f8",
        button_secondary_background_fill_hover_dark="#2a2c37",
        button_border_width="1px",
    )
