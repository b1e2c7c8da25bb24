"""Train: choose what to train and how; watch, pause and resume a run; compare runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import gradio as gr

from core.errors import BadInput
from core.registry import panels
from core.runs.run import ALIVE, QUEUED, RUNNING, Run
from plugins.panels.kit.page.head import head
from plugins.panels.kit.page.page import Page, State
from plugins.panels.kit.page.programs import programs
from plugins.panels.kit.project.cure import cure
from plugins.panels.kit.project.discarded import discard, restore
from plugins.panels.kit.project.naming import describe, title_of
from plugins.panels.kit.project.others import others
from plugins.panels.kit.project.project import RECENT, Project
from plugins.panels.kit.project.run_view import RunView, run_view
from plugins.panels.kit.views.compared import compared
from plugins.panels.kit.views.controls import controls, keepable, selected, stop
from plugins.panels.kit.views.html import Html, acts, button, card, joined, notes, view
from plugins.panels.kit.views.longer import longer, usable
from plugins.panels.kit.views.options import options
from plugins.panels.kit.views.run import about_form, about_left, draw_run, is_starting, status_said
from plugins.panels.kit.views.runs import cancel_button, queued_said, runs_list, runs_view
from plugins.panels.kit.views.takes import takes

ENDS = (
    " Pause to go on later. Finish early lowers the learning rate over a few more steps, which often makes the model a "
    "little better. Stop and keep best ends at once, with the best epoch so far."
)
FINISHES = " The learning rate falls over the last steps; to end at once, stop, and keep the best epoch so far."


@panels.register("train")
class TrainPanel:
    """The selected run as it trains, the options of the next one, and a list of all runs."""

    title, place, serves_models = "Train", 3, False

    def __init__(self, page: Page, /) -> None:
        with head(page, "train", _title, lambda project: project.run):
            controls(page)
            train = gr.Button("Train", variant="primary", elem_id="train-start", elem_classes="starts")
            use = gr.Button("Try it", variant="primary", elem_id="train-use")
            takes(page, "train")
        page.does(train.click, lambda p: p.start() and None, busy="Starting the training", redraw="load")
        page.shows(train, _train_button, "tick")
        page.does(use.click, lambda project: "predict")
        page.shows(use, _use_button, "tick")
        queue = view("train-queue", label="Queued runs")
        page.shows(queue, _queue, "tick")
        page.does(queue.click, _on_run, busy="Taking it out of the queue")
        about = view("train-about", label="Name and note")
        page.shows(about, about_form, "load")
        page.does(about.edit, _describe)
        shown = view("train-run", label="The run")
        page.shows(shown, _run, "tick")
        page.does(shown.click, _cure, busy="Starting the training", redraw="load")
        longer(page, "train")
        options(page)
        runs = runs_list()
        page.shows(runs, runs_view, "tick")
        page.does(runs.click, _on_run, redraw="load")
        side_by_side = view("train-compared", label="Runs compared")
        page.answers(runs.compare, compared, [], side_by_side, busy="Comparing", trigger_mode="always_last")
        programs(page)

    def status(self, project: Project) -> tuple[State, str]:
        """The status of the run."""
        run = project.run
        if run is None:
            return "todo", ""
        shown, other = run_view(run), others(project, run)
        if shown.status in ALIVE:
            left = f" · {said} left" if (said := about_left(shown)) else ""
            line = f"{shown.said.capitalize()}{left}" if shown.status == RUNNING else shown.status.capitalize()
            line = f"Finishing{left}" if shown.asked_to_finish else line
            return "active", " · ".join(filter(None, (line, other)))
        said = status_said(run, shown.status).capitalize()
        return ("done" if shown.status == "completed" and not other else "active"), other or said


def _title(project: Project) -> tuple[str, str]:
    run = project.run
    limit = f" Here a run finishes early after {project.seconds / 60:.0f} minutes." if project.seconds else ""
    if run is None:
        return "Train", f"The defaults suit most photos; everything can be changed.{limit}"
    shown = run_view(run)
    status = shown.status
    titles = {RUNNING: "Training", QUEUED: "Waiting", "completed": "Trained"}
    title = titles.get(status, status_said(run, status).capitalize())
    if shown.asked_to_finish:
        title = f"Finishing: {about_left(shown)}".removesuffix(": ")
    if status in ALIVE or is_starting(run):
        ends = "" if not keepable(shown) else FINISHES if shown.asked_to_finish else ENDS
        return title, f"You can close this page: it goes on.{ends}{limit}"
    return title, f"{title_of(run)}. {_next(shown)}"


def _next(shown: RunView) -> str:
    """What became of a run that trains no more, and what one can do now."""
    status, done, planned = shown.status, len(shown.epochs), 0
    with suppress(BadInput):  # the recipe is damaged
        planned = shown.planned
    if status == "completed" and done < planned:
        return (
            f"It ended early, after {done} of {planned} epochs, and its best model is kept; Train longer adds epochs."
        )
    if status == "stopped":
        after = f" after {done} of {planned} epochs" if done and planned else ""
        return f"It is paused{after}; Resume goes on from there{', and its best model is kept' if done else ''}."
    return "Change the options below and train again, or choose a run from the list."


def _describe(project: Project, data: Mapping[str, Any]) -> None:
    describe(selected(project), str(data.get("option")), str(data.get("value")))


def _train_button(project: Project) -> Any:
    run = project.run
    alive = bool(run and (run.status in ALIVE or is_starting(run)))
    again = run is not None and not others(project, run)  # else these photos have not been trained on
    return gr.update(
        value="Train again" if again else "Train",
        visible=not alive,
        interactive=project.ready,
        variant="secondary" if again and (usable(run) or (run and run.status == "stopped")) else "primary",
    )


def _use_button(project: Project) -> Any:
    run = project.run
    return gr.update(visible=usable(run), variant="secondary" if others(project, run) else "primary")


def _on_run(project: Project, data: Mapping[str, Any]) -> str | None:
    """Do what was clicked in the list of runs."""
    name = str(data.get("run"))
    match data.get("do"):
        case "look":
            project.look_at(name)
        case "results":
            project.look_at(name)
            return "results"
        case "recipe":
            project.use(project.find(name).recipe)
        case "delete":
            discard(project.find(name))
        case "restore":
            project.look_at(restore(project.folder).name)
        case "cancel":
            stop(project.find(name))
    return None


def _queue(project: Project) -> str:
    """The queued runs, except the selected one."""
    looked_at = project.run
    waiting = [run for run in project.runs[:RECENT] if run != looked_at and run.status == QUEUED]
    row = Html("<li><span><b>{}</b> {}</span>{}</li>")
    rows = joined(row.format(queued_said(run), title_of(run), cancel_button(run)) for run in reversed(waiting))
    return card("", Html('<ul class="queue">{}</ul>').format(rows)) if waiting else ""


def _run(project: Project) -> str:
    run = project.run
    try:
        return draw_run(run_view(run)) + _offer(project, run) if run else ""
    except BadInput as error:  # the recipe is damaged
        return card("", notes([str(error)], "bad"))


def _offer(project: Project, run: Run) -> Html:
    """A button that trains what a failed run could not, on the same photos."""
    if others(project, run) or (recipe := cure(run)) is None:
        return Html()
    return acts(button(f"Train with {recipe.architecture['name']}", "cure", {"run": run.name}))


def _cure(project: Project, data: Mapping[str, Any]) -> None:
    if recipe := cure(project.find(str(data.get("run")))):
        project.use(recipe)
        project.start()
