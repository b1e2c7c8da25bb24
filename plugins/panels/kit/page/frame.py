"""The frame around the panels: the bar at the top, the rail of steps, and a page for each panel."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from urllib.parse import quote

import gradio as gr

from core.device import AUTO, choose, wanted
from core.errors import BadInput
from plugins.panels.kit.page.drawer import drawer
from plugins.panels.kit.page.page import Page, Panel
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import run_view
from plugins.panels.kit.views.html import Html, joined, view


def frame(page: Page, panels: Mapping[str, Callable[[Page], Panel]]) -> None:
    """Build every panel on a page of its own, and the rail that links to them."""
    top = view("top")
    with gr.Row(elem_id="frame"):
        rail = None if page.mode.model else view("rail", label="Steps")
        with gr.Column(elem_id="pages"):
            built = {}
            for name, make in panels.items():
                with gr.Column(elem_id=f"page-{name}", elem_classes="page"):
                    try:
                        built[name] = make(page)
                    except Exception as error:  # a third-party panel may fail without breaking the others
                        traceback.print_exc(file=sys.stderr)
                        gr.Markdown(f"This page could not be built: {type(error).__name__}.")
            if rail:
                drawer(page)
    rules = "".join(
        f'body[data-page="{name}"] #page-{name}{{display:flex}}'
        f'body[data-page="{name}"] .step[data-go="{name}"]{{background:var(--accent-soft)!important}}'
        for name in panels
    )
    gr.HTML(f"<style>{rules}</style>", elem_id="rules")
    page.shows(top, _top, "tick")
    if rail:
        where = gr.HTML("", elem_id="where", js_on_load=WHERE, visible="hidden")
        page.shows(where, _where, "tick")
        page.does(where.visit, lambda project, data: project.look_at(str(data.get("run"))), redraw="load")
        page.shows(rail, lambda project: _rail(built, project), "tick")


def _top(project: Project) -> Html:
    working = project.under_way
    pills = Html('<span class="pill device">{}</span>').format(_device())
    if working:
        doing = "LR finder" if working.is_lr_find else f"Training · {run_view(working).said}"
        place = "learning_rate" if working.is_lr_find else f"train/{quote(working.name)}"
        pills = Html('<a class="pill live" href="#{}" title="{}">{}</a>{}').format(place, working.name, doing, pills)
    return Html(
        '<div class="bar"><div class="brand"><i class="logo" aria-hidden="true"></i><b>Presize</b></div>'
        '<div class="pills">{}<button type="button" class="pill" data-dark aria-label="Dark or light">◐</button>'
        "</div></div>"
    ).format(pills)


def _where(project: Project) -> Html:
    """The selected run, which its address names, and the progress of the one under way, for the title of the tab."""
    run, working = project.run, project.under_way
    progress = f"Training: {run_view(working).said}" if working and not working.is_lr_find else ""
    return Html('<i data-run="{}" data-progress="{}"></i>').format(run.name if run else "", progress)


WHERE = """
watch('value', () => {
  const said = element.querySelector('[data-run]');
  if (said) presize.placed(said.dataset, run => trigger('visit', {run}));
});
"""


@cache
def _device() -> str:
    """The device of this process, and so of the runs that it starts; torch is there, as plugins have imported it."""
    try:
        return choose().name
    except BadInput:
        return f"no {wanted(AUTO)}"  # a run is refused with what there is


def _rail(panels: Mapping[str, Panel], project: Project) -> Html:
    step = Html(
        '<li><button type="button" class="step {}" data-go="{}"><i aria-hidden="true">{}</i>'
        "<span><b>{}</b><small>{}</small></span></button></li>"
    )
    steps = []
    for number, (name, panel) in enumerate(panels.items(), 1):
        try:
            state, line = panel.status(project)
        except BadInput:  # the run has been deleted, or is damaged, which its page reports
            state, line = "active", "Needs a look"
        except Exception:  # a third-party panel, as above
            traceback.print_exc(file=sys.stderr)
            state, line = "todo", ""
        sign = "✓" if state == "done" else str(number)
        steps.append(step.format(state, name, sign, panel.title, line))
    return Html("<ol>{}</ol>").format(joined(steps))
