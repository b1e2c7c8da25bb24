"""The corrections that the selected model has not learned from, in sight wherever its results are read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from core.data.corrections import Corrections
from core.errors import BadInput
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.known import Known
from plugins.panels.kit.project.labels import act, are_being_read, photos_of
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.html import Html, button, view

DRAWN: Known[Html] = Known()  # a tick where nothing has changed does not look at every photo again


def corrections_bar(page: Page) -> None:
    """Add the bar to a panel, as its last component, where it stays at the bottom of the window."""
    bar = view("results-corrections", label="Corrections")
    page.shows(bar, _bar, "tick")
    page.does(bar.click, undo)
    page.does(bar.again, train_again, busy="Starting the training", redraw="load")


def undo(project: Project, data: Mapping[str, Any]) -> None:
    """Undo what a person said last."""
    act(project, {"do": "undo"})


def train_again(project: Project, data: Mapping[str, Any]) -> str:
    """Train on the labels as they are now."""
    project.start()
    return "train"


def made_and_new(project: Project) -> tuple[int, int]:
    """How many corrections there are, and how many of them the selected run lacks; raises BadInput."""
    corrections, trained = project.corrections, Corrections()
    with suppress(BadInput):  # a run whose copy of the labels is damaged
        trained = project.run.corrections if project.run else trained
    return _changed(project, Corrections(), corrections), _changed(project, trained, corrections)


def counted(n: int) -> str:
    """`1 correction` or `2 corrections`."""
    return "1 correction" if n == 1 else f"{n:,} corrections"


def again(new: int) -> Html:
    """The button that trains with that many corrections, if there are any."""
    return button(f"Train again with {counted(new)}", "again", kind="primary") if new else Html()


def _bar(project: Project) -> Html:
    if are_being_read(project):
        return Html()
    run = project.run
    try:
        return DRAWN.made(project.folder, f"{project.version} {run.name if run else ''}", lambda: _counting(project))
    except BadInput:  # the photos are gone, which the Data page says
        return Html()


def _counting(project: Project) -> Html:
    new = made_and_new(project)[1]
    if not new:
        return Html()
    lacking = " not in this model yet" if project.run else ""
    said = Html('<span role="status"><b>{}</b>{}</span>').format(counted(new), lacking)
    trains = button("Train again" if project.run else "Train", "again", kind="primary")
    return Html('<div class="labels-bar on">{}{}{}</div>').format(said, button("Undo the last", "undo"), trains)


def _changed(project: Project, before: Corrections, after: Corrections) -> int:
    """How many photos have another label, or are left out or used again."""
    photos = photos_of(project)
    relabelled = sum(bool(b) and a != b for b, a in zip(photos.labels(before), photos.labels(after), strict=True))
    moved = (before.left_out ^ after.left_out) | (before.not_trained ^ after.not_trained)
    return relabelled + sum(content in moved for content in photos.contents)
