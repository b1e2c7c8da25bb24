"""Train: choose what to train and how, watch it, pause it, go on with it, and compare the runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import gradio as gr

from core.data.check import Examined
from core.errors import BadInput
from core.events import Checked, EpochEnded, Queued, RunEnded, Validated
from core.recipe import TRAINING, Training
from core.registry import architectures, panels, transforms
from core.runs.followed import Followed, follow
from core.runs.project import Project
from core.runs.run import ALIVE, CREATED, RUNNING, Run
from core.runs.start import start
from plugins.panels.kit.charts import Axes, Line, chart, nice, smoothed
from plugins.panels.kit.form import choose, chooser, edit, form
from plugins.panels.kit.head import head
from plugins.panels.kit.html import (
    button,
    card,
    clock,
    empty,
    figures,
    notes,
    percent,
    rate,
    table,
    text,
    view,
)
from plugins.panels.kit.page import Page, State

FIRST = ("epochs", "freeze_epochs", "base_lr")  # the knobs that stand outside of Advanced
RESUMABLE = ("stopped", "failed", "interrupted", CREATED)


@panels.register("train")
class TrainPanel:
    """The run being looked at, as it happens; what the next one will be; and all of them to compare."""

    title, place, serves_models = "Train", 3, False

    def __init__(self, page: Page, /) -> None:
        with head(page, "train", _title):
            pause = gr.Button("Pause", elem_id="train-pause")
            finish = gr.Button("Finish early", elem_id="train-finish")
            keep = gr.Button("Stop and keep best", elem_id="train-keep")
            resume = gr.Button("Resume", elem_id="train-resume")
            train = gr.Button("Train", variant="primary", elem_id="train-start")
            use = gr.Button("Try it", variant="primary", elem_id="train-use")
        page.shows(view("train-run", label="The run"), _run, "tick")
        with gr.Column(elem_classes="card"):
            first = view("train-form", label="What to train", elem_classes="wide")
            with gr.Accordion("Advanced", open=False, elem_id="train-advanced"):
                more = view("train-more", label="More knobs", elem_classes="wide")
        runs = view("train-runs", label="All runs", elem_classes="runs")
        page.shows(first, _first, "load")
        page.shows(more, _more, "load")
        page.shows(runs, _runs, "tick")
        for knobs in (first, more):
            page.does(knobs.choose, choose, redraw="load")
            page.does(knobs.edit, edit)
        page.does(runs.click, _on_run, redraw="load")
        page.does(train.click, lambda p: p.start() and None, busy="Starting the training", redraw="load")
        page.does(pause.click, _stop, busy="It finishes its step and saves everything")
        page.does(keep.click, _keep, busy="It finishes its step and saves everything")
        page.does(finish.click, lambda p: _must(p).finish(), busy="The learning rate is brought to its end")
        page.does(resume.click, _resume, busy="Going on with the run")
        for control, fits in ((pause, _stoppable), (keep, _stoppable), (finish, _finishable), (resume, _resumable)):
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
        """What the run does."""
        run = project.run
        if run is None:
            return "todo", ""
        shown = follow(run)
        if shown.status in ALIVE:
            left = f" · {clock(shown.left)} left" if shown.left is not None else ""
            return "active", f"{percent(shown.fraction)}{left}" if shown.losses else shown.status.capitalize()
        return ("done" if shown.status == "completed" else "active"), shown.status.capitalize()


def _title(project: Project) -> tuple[str, str]:
    run = project.run
    if run is None:
        return "Train", "The defaults suit most photos; everything can be changed."
    status = follow(run).status
    titles = {"running": "Training", "queued": "Waiting", "completed": "Trained", "created": "Not begun"}
    title = titles.get(status, status.capitalize())
    if status in ALIVE:
        return title, "You can close this page. Come back any time and it will still be here."
    return title, f"{run.name}. Change the knobs below and train again, or go on with a run of the list."


def _must(project: Project) -> Run:
    if (run := project.run) is None:
        raise BadInput("There is no run yet; press Train.")
    return run


def _stop(project: Project) -> Any:
    run = _must(project)
    run.stop()
    yield "It finishes its step and saves everything"
    _wait(run)


def _keep(project: Project) -> Any:
    run = _must(project)
    has_best = any(isinstance(e, EpochEnded) and e.best for e in follow(run).events)
    yield from _stop(project)
    if not has_best:
        raise BadInput("It stopped before its first epoch ended, so there is no model yet; Resume goes on with it.")
    return "results"


def _wait(run: Run) -> None:
    for _ in run.follow():
        pass


def _resume(project: Project) -> None:
    start(_must(project))


def _stoppable(shown: Followed) -> bool:
    return shown.status in ALIVE


def _finishable(shown: Followed) -> bool:
    return shown.status == RUNNING and bool(shown.losses)


def _resumable(shown: Followed) -> bool:
    return shown.status in RESUMABLE


def _visible_if(fits: Any) -> Any:
    def draw(project: Project) -> Any:
        return gr.Button(visible=bool(project.run and fits(follow(project.run))))

    return draw


def _train_button(project: Project) -> Any:
    run = project.run
    alive = bool(run and run.status in ALIVE)
    return gr.Button(
        "Train again" if run else "Train",
        visible=not alive,
        interactive=isinstance(project.examined, Examined),
        variant="secondary" if _usable(run) else "primary",
    )


def _use_button(project: Project) -> Any:
    return gr.Button(visible=_usable(project.run))


def _usable(run: Run | None) -> bool:
    return bool(run and run.status not in ALIVE and run.has_model)


def _on_run(project: Project, data: Mapping[str, Any]) -> str | None:
    """What was clicked in the list of runs."""
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
            project.find(name).delete()
    return None


def _api_train(project: Project) -> dict[str, Any]:
    """Train the recipe in a process of its own; returns its name, for `runs` and `stop`."""
    return _told(project.start())


def _api_runs(project: Project) -> list[dict[str, Any]]:
    """The runs, the newest first: how far each is, and how good."""
    return [_told(run) for run in project.runs]


def _api_stop(project: Project, name: str) -> dict[str, Any]:
    """Stop a run, which keeps its best model; it can be resumed on the page."""
    run = project.find(name)
    run.stop()
    _wait(run)
    return _told(run)


def _told(run: Run) -> dict[str, Any]:
    shown = follow(run)
    best = [a for _, _, e in shown.epochs if e.best and (a := _accuracy(e)) is not None]
    return {
        "run": run.name,
        "status": shown.status,
        "share": round(shown.fraction, 4),
        "accuracy": best[-1] if best else None,
        "error": shown.end.error if shown.end else "",
    }


def _first(project: Project) -> str:
    recipe = project.recipe
    if recipe is None:
        return empty("No photos yet", "Bring some on the page Data; good defaults are chosen by how many there are.")
    knobs = [p for p in TRAINING if p.name in FIRST]
    return chooser(architectures, recipe.architecture, "architecture", "Architecture") + form(
        knobs, vars(recipe.training), "training"
    )


def _more(project: Project) -> str:
    recipe = project.recipe
    if recipe is None:
        return ""
    rest = form([p for p in TRAINING if p.name not in FIRST], vars(recipe.training), "training")
    steps = [
        card(title, "".join(chooser(transforms, choice, f"{key}.{i}", "Transform") for i, choice in enumerate(choices)))
        for key, title, choices in (
            ("item_tfms", "Photo by photo: presizing", recipe.item_tfms),
            ("batch_tfms", "On the batch: augmentation", recipe.batch_tfms),
        )
    ]
    return card("Training", rest) + "".join(steps)


def _run(project: Project) -> str:
    run = project.run
    if run is None:
        return ""
    shown = follow(run)
    body = f'<div class="track"><i style="width:{100 * shown.fraction:.2f}%"></i></div>' + figures(_figures(shown))
    if shown.losses:
        body += _charts(shown)
    if shown.epochs:
        body += card("", _epochs(shown))
    elif shown.status in ALIVE:
        body += card("", empty("Getting ready" if not shown.losses else "The first epoch", _doing(shown)))
    said = shown.notices
    end = shown.end
    return body + (notes([end.error], "bad") if end and end.error else "") + notes(said[-8:])


def _doing(shown: Followed) -> str:
    match shown.last:
        case Queued(place, behind):
            return f"It waits for {behind}, at place {place} of the queue."
        case Checked(done, total):
            return f"Reading photos: {done:,} of {total:,}."
        case Validated(done, total):
            return f"Looking at the held-out photos: {done} of {total} batches."
    return "The first figures come with the end of the first epoch." if shown.losses else "The network is made ready."


def _figures(shown: Followed) -> list[tuple[str, str, str]]:
    epochs = [e for _, _, e in shown.epochs]
    done = len(epochs)
    accuracies = [a for e in epochs if (a := _accuracy(e)) is not None]
    best = next((e for e in reversed(epochs) if e.best), None)
    kept = _accuracy(best) if best else None
    speed, end = shown.speed, shown.end
    if isinstance(end, RunEnded) and "low" in end.metrics:
        note = f"{percent(end.metrics['low'])} to {percent(end.metrics['high'])}, 95 % interval"
    else:
        note = f"best so far, of {len(accuracies)} epochs" if len(accuracies) > 1 else "on held-out photos"
    return [
        ("Accuracy", "–" if kept is None else percent(kept), note),
        ("Validation loss", f"{best.valid_loss:.3f}" if best else "–", "of the model that is kept"),
        ("Time left", clock(shown.left), f"{clock(shown.elapsed)} in {done} of {shown.planned} epochs"),
        ("Speed", f"{speed:.0f}/s" if speed else "–", "photos a second"),
    ]


def _accuracy(epoch: EpochEnded) -> float | None:
    """The accuracy of an epoch, where one of its metrics says it."""
    if "accuracy" in epoch.metrics:
        return epoch.metrics["accuracy"]
    return 1 - epoch.metrics["error_rate"] if "error_rate" in epoch.metrics else None


def _charts(shown: Followed) -> str:
    losses, epochs = shown.losses, shown.epochs
    mean = smoothed(losses)
    valid = [(float(n), e.valid_loss) for n, _, e in epochs]
    values = [y for _, y in (*losses, *valid) if math.isfinite(y)] or [1.0]
    span = (0.0, float(max(1, shown.planned)))
    top = nice(0.0, min(max(values), 3 * max(y for _, y in (mean or [(0.0, 1.0)]))))[-1]
    loss = chart(
        "Loss by epoch",
        Axes(span, (0.0, top), x_name="epoch", width=640),
        [
            Line("each batch", losses, "batch"),
            Line("training loss", mean, "training"),
            Line("validation loss", valid, "validation", dots=True),
        ],
    )
    right = [(float(n), a) for n, _, e in epochs if (a := _accuracy(e)) is not None]
    accuracy = chart(
        "Accuracy by epoch",
        Axes(span, (0.0, 1.0), y_percent=True, x_name="epoch", width=440),
        [Line("accuracy on held-out photos", right, "accuracy", dots=True)],
    )
    return f'<div class="charts">{card("", loss)}{card("", accuracy)}</div>'


def _epochs(shown: Followed) -> str:
    rows, best = [], max((n for n, _, e in shown.epochs if e.best), default=0)
    for number, stage, e in shown.epochs:
        accuracy = _accuracy(e)
        mark = '<span class="best">best</span>' if number == best else ""
        rows.append(
            (
                str(number),
                "the head alone" if stage == "frozen" else "everything",
                f"{e.train_loss:.3f}",
                f"{e.valid_loss:.3f}",
                ("–" if accuracy is None else percent(accuracy)) + mark,
                clock(e.seconds),
            )
        )
    return table(["Epoch", "Trains", "Training loss", "Validation loss", "Accuracy", "Time"], rows)


def _runs(project: Project) -> str:
    runs = project.runs
    if not runs:
        return ""
    looked_at = project.run
    rows = [_row(run, bool(looked_at and run.name == looked_at.name)) for run in runs[:50]]
    header = ["Begun", "Status", "Accuracy", "Architecture", "Epochs", "Rate", "Time", ""]
    more = f"The newest 50 of {len(runs)}." if len(runs) > 50 else ""
    return card("Runs", table(header, rows), more)


def _row(run: Run, selected: bool) -> list[str]:
    shown = follow(run)
    try:
        recipe = shown.recipe
    except BadInput:
        return [text(run.name), "damaged", "", "", "", "", "", ""]
    accuracies = [a for _, _, e in shown.epochs if e.best and (a := _accuracy(e)) is not None]
    knobs: Training = recipe.training
    data = {"run": run.name}
    actions = button("Use its recipe", "recipe", data)
    if accuracies:
        actions = button("Results", "results", data) + actions
    if shown.status not in ALIVE:
        actions += button("Delete", "delete", data)
    here, name = ' aria-current="true"' if selected else "", text(run.name)
    begun = run.name.removesuffix(f"_{recipe.architecture['name']}").replace("_", " ")
    return [
        f'<button type="button" class="link" data-do="look" data-run="{name}"{here}>{text(begun)}</button>',
        text(shown.status),
        percent(accuracies[-1]) if accuracies else "–",
        text(recipe.architecture.get("model", recipe.architecture["name"])),
        f"{knobs.freeze_epochs} + {knobs.epochs}",
        rate(knobs.base_lr),
        clock(shown.elapsed),
        f'<div class="row-actions">{actions}</div>',
    ]
