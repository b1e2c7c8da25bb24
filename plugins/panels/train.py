"""Train: choose what to train and how; watch, pause and resume a run; compare runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from core.errors import BadInput
from core.events import drain
from core.recipe import Recipe
from core.registry import panels
from core.runs.run import ALIVE, CREATED, QUEUED, RUNNING, Run
from plugins.panels.kit.insight.speed import MeasuredSpeed
from plugins.panels.kit.page.head import head
from plugins.panels.kit.page.page import Page, State
from plugins.panels.kit.project.cure import cure
from plugins.panels.kit.project.discarded import discard, restore
from plugins.panels.kit.project.edits import choose, edit
from plugins.panels.kit.project.naming import describe, title_of
from plugins.panels.kit.project.others import others
from plugins.panels.kit.project.presets import choose_preset
from plugins.panels.kit.project.project import RECENT, Project
from plugins.panels.kit.project.run_view import RunView, run_view
from plugins.panels.kit.project.summary import summary
from plugins.panels.kit.views.compared import compared
from plugins.panels.kit.views.html import Html, acts, button, card, clock, empty, joined, notes, view
from plugins.panels.kit.views.longer import longer, usable
from plugins.panels.kit.views.recipe_form import advanced_form, basic_form, presets, transforms_form
from plugins.panels.kit.views.run import about_form, accuracy_of, draw_run, status_said
from plugins.panels.kit.views.runs import cancel_button, queued_said, runs_list, runs_view
from plugins.panels.kit.views.seen import draws, not_seen
from plugins.panels.kit.views.which_model import which_model

RESUMABLE = ("stopped", "failed", "interrupted", CREATED)


@panels.register("train")
class TrainPanel:
    """The selected run as it trains, the options of the next one, and a list of all runs."""

    title, place, serves_models = "Train", 3, False

    def __init__(self, page: Page, /) -> None:
        with head(page, "train", _title, lambda project: project.run):
            pause = gr.Button("Pause", elem_id="train-pause")
            cancel = gr.Button("Cancel", elem_id="train-cancel")
            finish = gr.Button("Finish early", elem_id="train-finish")
            keep = gr.Button("Stop and keep best", elem_id="train-keep")
            resume = gr.Button("Resume", elem_id="train-resume")
            train = gr.Button("Train", variant="primary", elem_id="train-start", elem_classes="starts")
            use = gr.Button("Try it", variant="primary", elem_id="train-use")
        queue = view("train-queue", label="Queued runs")
        about = view("train-about", label="Name and note")
        page.shows(about, about_form, "load")
        page.does(about.edit, _describe)
        shown = view("train-run", label="The run")
        page.shows(shown, _run, "tick")
        page.does(shown.click, _cure, busy="Starting the training", redraw="load")
        longer(page, "train")
        page.shows(queue, _queue, "tick")
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
        runs = runs_list()
        side_by_side = view("train-compared", label="Runs compared")
        page.shows(choices, presets, "tick")
        page.does(choices.click, lambda project, data: choose_preset(project, str(data.get("name"))), redraw="load")
        page.does(choices.ask, lambda project, data: MeasuredSpeed(project).look(), redraw="tick")
        page.shows(first, _first, "load")
        page.shows(more, lambda project: _if_any(project, advanced_form), "load")
        page.shows(changes, lambda project: _if_any(project, transforms_form), "load")
        page.shows(drawn, not_seen)
        for trigger in (drawn.ask, drawn.click):
            page.answers(trigger, draws, [], drawn, busy="Augmenting a photo", concurrency_limit=1)
        page.shows(runs, runs_view, "tick")
        page.answers(runs.compare, compared, [], side_by_side, busy="Comparing", trigger_mode="always_last")
        for options in (first, more, changes):
            page.does(options.select, choose, redraw="load", busy="Changing the recipe")
            page.does(options.edit, edit)
        page.does(runs.click, _on_run, redraw="load")
        page.does(train.click, lambda p: p.start() and None, busy="Starting the training", redraw="load")
        page.does(queue.click, _on_run, busy="Taking it out of the queue")
        page.does(cancel.click, _stop, busy="Taking it out of the queue")
        page.does(pause.click, _stop, busy="Finishing the step and saving everything")
        page.does(keep.click, _keep, busy="Finishing the step and saving everything")
        page.does(finish.click, lambda p: _require_run(p).finish(), busy="Annealing the learning rate to its end")
        page.does(resume.click, _resume, busy="Resuming the run")
        for control, fits in {
            pause: _stoppable,
            keep: _keepable,
            cancel: _queued,
            finish: _finishable,
            resume: _resumable,
        }.items():
            page.shows(control, _visible_if(fits), "tick")
        page.does(use.click, lambda project: "predict")
        page.shows(train, _train_button, "tick")
        page.shows(use, _use_button, "tick")
        with gr.Row(visible=False):
            name, answer = gr.Textbox("", label="run"), gr.JSON(label="run")
            begin, stop, look = gr.Button(), gr.Button(), gr.Button()
        page.offers(begin.click, "train", _api_train, [], answer)
        page.offers(look.click, "runs", _api_runs, [], answer)
        page.offers(stop.click, "stop", _api_stop, [name], answer)

    def status(self, project: Project) -> tuple[State, str]:
        """The status of the run."""
        run = project.run
        if run is None:
            return "todo", ""
        shown, other = run_view(run), others(project, run)
        if shown.status in ALIVE:
            left = f" · {clock(shown.left)} left" if shown.left else ""
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
    titles = {RUNNING: "Training", QUEUED: "Waiting", "completed": "Trained", CREATED: "Not started"}
    title = titles.get(status, status_said(run, status).capitalize())
    if shown.asked_to_finish:
        title = "Finishing" if shown.left is None else f"Finishing: {shown.left:.0f} s"
    if status in ALIVE:
        ends = " Pause to go on later; finish early to end in a few steps; or stop, and keep the best epoch so far."
        return title, f"You can close this page: it goes on.{ends if _keepable(shown) else ''}{limit}"
    return title, f"{title_of(run)}. Change the options below and train again, or choose a run from the list."


def _require_run(project: Project) -> Run:
    if (run := project.run) is None:
        raise BadInput("There is no run yet; press Train.")
    return run


def _stop(project: Project) -> None:
    run = _require_run(project)
    run.stop()
    _wait(run)


def _keep(project: Project) -> str:
    _stop(project)
    if not _require_run(project).has_model:
        raise BadInput(
            "The run stopped before its first epoch ended, so it has no model yet; press Resume to continue."
        )
    return "results"


def _wait(run: Run) -> None:
    drain(run.follow())


def _resume(project: Project) -> None:
    project.resume(_require_run(project))


def _stoppable(shown: RunView) -> bool:
    return shown.status == RUNNING


def _keepable(shown: RunView) -> bool:
    return shown.status == RUNNING and bool(shown.epochs)


def _queued(shown: RunView) -> bool:
    return shown.status == QUEUED


def _finishable(shown: RunView) -> bool:
    return shown.status == RUNNING and bool(shown.losses) and not shown.asked_to_finish


def _resumable(shown: RunView) -> bool:
    return shown.status in RESUMABLE


def _describe(project: Project, data: Mapping[str, Any]) -> None:
    describe(_require_run(project), str(data.get("option")), str(data.get("value")))


def _visible_if(fits: Any) -> Any:
    def draw(project: Project) -> Any:
        run = project.run
        return gr.update(visible=bool(run and fits(run_view(run))))

    return draw


def _train_button(project: Project) -> Any:
    run = project.run
    alive = bool(run and run.status in ALIVE)
    return gr.update(
        value="Train again" if run else "Train",
        visible=not alive,
        interactive=project.ready,
        variant="secondary" if usable(run) else "primary",
    )


def _use_button(project: Project) -> Any:
    return gr.update(visible=usable(project.run))


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
            run = project.find(name)
            run.stop()
            _wait(run)
    return None


def _api_train(project: Project) -> dict[str, Any]:
    """Train the recipe in a process of its own; returns the run's name, for `runs` and `stop`."""
    return _told(project.start())


def _api_runs(project: Project) -> list[dict[str, Any]]:
    """List the runs, newest first, with the progress and accuracy of each."""
    return [_told(run) for run in project.runs]


def _api_stop(project: Project, name: str) -> dict[str, Any]:
    """Stop a run and keep its best model; it can be resumed on the page."""
    run = project.find(name)
    run.stop()
    _wait(run)
    return _told(run)


def _told(run: Run) -> dict[str, Any]:
    shown = summary(run)
    try:
        share = round((run_view(run) if shown.status in ALIVE else shown).fraction, 4)
    except BadInput as error:  # the recipe is damaged
        return {"run": run.name, "status": shown.status, "error": str(error)}
    return {
        "run": run.name,
        "status": shown.status,
        "share": share,
        "accuracy": accuracy_of(shown.best) if shown.best else None,
        "error": shown.end.error if shown.end and shown.status not in ALIVE else "",
    }


def _first(project: Project) -> str:
    if (recipe := project.shown_recipe) is None:
        return empty("No photos yet", "Add some on the Data page; the defaults depend on how many there are.")
    return basic_form(recipe)


def _if_any(project: Project, form: Callable[[Recipe], Html]) -> Html:
    return form(recipe) if (recipe := project.shown_recipe) else Html()


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
