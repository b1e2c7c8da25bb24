"""The list of runs, to compare and to select."""

from __future__ import annotations

from core.errors import BadInput
from core.events import Queued
from core.runs.run import ALIVE, QUEUED, Run
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.summary import summary
from plugins.panels.kit.views.html import Html, button, card, clock, percent, rate, table
from plugins.panels.kit.views.run import accuracy_of

MAX_ROWS = 50


def runs_view(project: Project) -> Html:
    """A table of the newest runs, with their settings, accuracy and actions."""
    runs = project.runs
    if not runs:
        return Html()
    looked_at = project.run
    rows = [_row(run, bool(looked_at and run.name == looked_at.name)) for run in runs[:MAX_ROWS]]
    header = ["Started", "Status", "Accuracy", "Architecture", "Epochs", "Rate", "Time", ""]
    more = f"The newest {MAX_ROWS} of {len(runs)}." if len(runs) > MAX_ROWS else ""
    return card("Runs", table(header, rows), more)


def queued_said(run: Run) -> str:
    """`queued, next` or `queued, place 2`, for a queued run."""
    place = last.place if isinstance(last := run.last_event, Queued) else 1
    return "queued, next" if place == 1 else f"queued, place {place}"


def cancel_button(run: Run) -> Html:
    """A button that takes a run out of the queue."""
    return button("Cancel", "cancel", {"run": run.name})


def _row(run: Run, selected: bool) -> list[str]:
    shown = summary(run)
    data = {"run": run.name}
    delete = button("Delete", "delete", data | {"confirm": f"Delete the run {run.name} and its model for good?"})
    try:
        recipe = shown.recipe
    except BadInput as error:
        why = Html('<span title="{}">damaged</span>').format(error)
        return [run.name, why, "", "", "", "", "", _actions(delete)]
    accuracy, training = accuracy_of(shown.best) if shown.best else None, recipe.training
    actions = button("Use its recipe", "recipe", data | {"confirm": "Replace your recipe with that of this run?"})
    if accuracy is not None:
        actions = button("Results", "results", data) + actions
    if shown.status == QUEUED:
        actions += cancel_button(run)
    elif shown.status not in ALIVE:
        actions += delete
    here = Html(' aria-current="true"') if selected else ""
    begun = run.name.removesuffix(f"_{recipe.architecture['name']}").replace("_", " ")
    return [
        Html('<button type="button" class="link" data-do="look" data-run="{}"{}>{}</button>').format(
            run.name, here, begun
        ),
        queued_said(run) if shown.status == QUEUED else shown.status,
        "–" if accuracy is None else percent(accuracy),
        str(recipe.architecture.get("model", recipe.architecture["name"])),
        f"{training.freeze_epochs} + {training.epochs}",
        rate(training.base_lr),
        clock(shown.elapsed),
        _actions(actions),
    ]


def _actions(buttons: Html) -> Html:
    return Html('<div class="row-actions">{}</div>').format(buttons)
