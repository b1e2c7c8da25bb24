"""The list of runs: to find one, to compare those that are ticked, and to select one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import gradio as gr

from core.errors import BadInput
from core.events import Queued
from core.runs.events_file import EVENTS
from core.runs.run import ALIVE, QUEUED, Run
from plugins.panels.kit.project.discarded import discarded
from plugins.panels.kit.project.naming import ABOUT, begun, photos_of_run, said_of, short_architecture, title_of
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.summary import Summary, summary
from plugins.panels.kit.views.epochs import accuracy_of
from plugins.panels.kit.views.html import Html, button, card, clock, percent, rate, table, table_row, view
from plugins.panels.kit.views.run import status_said

MAX_ROWS, FIRST_ROWS = 500, 50  # the others are shown on demand, as layout takes a browser a millisecond for two
SCRIPT = (Path(__file__).parent / "runs.js").read_text(encoding="utf-8")
HEADER = ["Compare", "Run", "Status", "Accuracy", "Photos", "Network", "Epochs", "Rate", "Time", "Actions"]
FILTER = Html(
    '<div class="runs-top"><input type="search" data-find placeholder="Find a run" aria-label="Find a run">{}</div>'
)


def runs_list() -> gr.HTML:
    """The component for `runs_view`; its event `compare` carries the names of the runs that are ticked."""
    return view("train-runs", label="All runs", script=SCRIPT, elem_classes="runs")


def runs_view(project: Project) -> Html:
    """A table of the runs, newest first, with their settings, accuracy and actions."""
    runs, gone = project.runs, _undo(project)
    if not runs:
        return card("Runs", gone) if gone else Html()
    looked_at = project.run
    rows = [
        _row(run, run == looked_at, hidden=place >= FIRST_ROWS and run != looked_at)
        for place, run in enumerate(runs[:MAX_ROWS])
    ]
    more = f"The newest {MAX_ROWS} of {len(runs):,}." if len(runs) > MAX_ROWS else ""
    tools = FILTER.format(Html('<span class="note" data-tick>Tick two or more to compare them.</span>'))
    whole = Html('<button type="button" class="plain" data-all>Show all {}</button>').format(len(rows))
    return card("Runs", gone + tools + table(HEADER, rows) + whole * (len(rows) > FIRST_ROWS), more)


def queued_said(run: Run) -> str:
    """`queued, next` or `queued, place 2`, for a queued run."""
    place = last.place if isinstance(last := run.last_event, Queued) else 1
    return "queued, next" if place == 1 else f"queued, place {place}"


def cancel_button(run: Run) -> Html:
    """A button that takes a run out of the queue."""
    return button("Cancel", "cancel", {"run": run.name})


def _undo(project: Project) -> Html:
    """What was deleted last, and the button that brings it back."""
    if (run := discarded(project.folder)) is None:
        return Html()
    line = Html('<p class="undo" role="status">Deleted: {}. {}</p>')
    return line.format(title_of(run), button("Undo", "restore"))


def _row(run: Run, selected: bool, hidden: bool) -> Html:
    shown = summary(run)
    if shown.status in ALIVE:
        return table_row(_cells(run, shown, selected), hidden)
    stamps = tuple(_stamp(run.folder / name) for name in (EVENTS, ABOUT))
    return _ended(run, shown.status, stamps, selected, hidden)


@lru_cache(maxsize=2 * MAX_ROWS)
def _ended(run: Run, status: str, stamps: tuple[int, ...], selected: bool, hidden: bool) -> Html:
    return table_row(_cells(run, summary(run), selected), hidden)


def _stamp(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _cells(run: Run, shown: Summary, selected: bool) -> list[Html]:
    data = {"run": run.name}
    delete = button("Delete", "delete", data)
    try:
        recipe, photos = shown.recipe, photos_of_run(run)
    except BadInput as error:
        why = Html('<span title="{}">damaged</span>').format(error)
        return [Html(), Html.escape(run.name), why, *[Html()] * 6, _actions(delete)]
    accuracy, training = accuracy_of(shown.best) if shown.best else None, recipe.training
    actions = button("Use its recipe", "recipe", data | {"confirm": "Replace your recipe with that of this run?"})
    if accuracy is not None:
        actions = button("Results", "results", data) + actions
    if shown.status == QUEUED:
        actions += cancel_button(run)
    elif shown.status not in ALIVE:
        actions += delete
    planned = training.freeze_epochs + training.epochs
    ended_early = shown.status == "completed" and len(shown.epochs) < planned
    tick = Html('<input type="checkbox" data-tick="{}" aria-label="Compare {}">').format(run.name, title_of(run))
    cells = [
        tick if accuracy is not None else "",
        _name(run, selected),
        queued_said(run) if shown.status == QUEUED else status_said(run, shown.status),
        "–" if accuracy is None else percent(accuracy),
        Html("{}<small>{}</small>").format(
            photos.name, f"{photos.photos:,}, version {photos.version}" if photos.photos else ""
        ),
        short_architecture(recipe),
        f"{len(shown.epochs)} of {planned}" if ended_early else f"{training.freeze_epochs} + {training.epochs}",
        rate(training.base_lr),
        clock(shown.elapsed),
        _actions(actions),
    ]
    return list(map(Html.escape, cells))


def _name(run: Run, selected: bool) -> Html:
    """What a run is called, when it began, and the note about it."""
    return Html(
        '<button type="button" class="link" data-do="look" data-run="{}" title="{}"{}>{}</button><small>{}</small>'
    ).format(
        run.name, said_of(run, "note"), Html(' aria-current="true"') if selected else "", title_of(run), begun(run)
    )


def _actions(buttons: Html) -> Html:
    return Html('<div class="row-actions">{}</div>').format(buttons)
