"""The part of Results where a test set of one's own is dropped and scored, beside validation."""

from __future__ import annotations

from typing import Any

import gradio as gr

from core.errors import BadInput
from core.runs.run import Run
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.bring import ACCEPT
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.test_set import SHOWN, SOURCE, score_again, score_place, score_upload
from plugins.panels.kit.views.accuracy import photos_said
from plugins.panels.kit.views.confusion import TEST, VALIDATION, Results, results_of
from plugins.panels.kit.views.drop import drop
from plugins.panels.kit.views.html import Html, button, card, figures, joined, notes, percent, table, view

SKIPPED = 200  # listed
WHY = (
    "Photos that played no part in training or in choosing the epoch give the fairest figure. They are labelled by the "
    "same rule as yours."
)
ALONE: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "score"}  # one test set at a time uses all cores


def test_set(page: Page) -> None:
    """Add the card with the drop zone, and for the owner a field for a folder."""
    with gr.Column(elem_classes="card", elem_id="results-test"):
        shown = view("results-tested", label="Test set")
        zone = drop("results-drop", "Drop a folder or a zip of test photos here", ACCEPT, folders=True)
        page.does(zone.upload, score_upload, busy="Scoring the test set", trigger_mode="multiple", **ALONE)
        if page.mode.local:
            with gr.Row(elem_classes="line"):
                place = gr.Textbox(label="Or a folder of this computer", elem_id="results-path", max_lines=1)
                score = gr.Button("Score it", elem_id="results-score")
            for trigger in (score.click, place.submit):
                page.does(trigger, score_place, [place], busy="Scoring the test set", **ALONE)
    page.shows(shown, _tested, "tick")
    page.does(shown.click, lambda project, data: score_again(project), busy="Scoring the test set", **ALONE)


def shown_results(project: Project, run: Run) -> Results:
    """The results on the set that the page shows: the test set if that was chosen; raises BadInput."""
    if project.draft.read().get(SHOWN) == TEST and (tested := _found(run)):
        return tested
    return results_of(run)


def show_set(project: Project, name: str) -> None:
    """Show the results on that set from now on."""
    project.draft.write(**{SHOWN: TEST if name == TEST else VALIDATION})


def both_sets(project: Project) -> Html:
    """The accuracy on validation photos and on the test set, each a button that shows the rest of it."""
    run = project.run
    if run is None or (tested := _found(run)) is None:
        return Html()
    chosen = shown_results(project, run).set
    one = Html(
        '<button type="button" class="choice{}" data-do="set" data-set="{}" aria-pressed="{}"><b>{}</b><i>{}</i>'
        "<small>{}</small></button>"
    )
    choices = []
    for found, name in ((_valid(run), "Validation photos"), (tested, "Your test set")):
        if found:
            low, high = found.interval
            said = f"{found.right:,} of {found.total:,} correct; 95 % interval {percent(low)} to {percent(high)}"
            is_chosen = found.set == chosen
            on = " chosen" if is_chosen else ""
            choices.append(one.format(on, found.set, str(is_chosen).lower(), name, percent(found.accuracy), said))
    return Html('<div class="choices" role="group" aria-label="Which photos">{}</div>').format(joined(choices))


def _valid(run: Run) -> Results | None:
    try:
        return results_of(run)
    except BadInput:
        return None


def _found(run: Run) -> Results | None:
    try:
        return results_of(run, TEST)
    except BadInput:
        return None


def _tested(project: Project) -> Html:
    """What is known of the test set, or what one is for."""
    run = project.run
    found = run and _found(run)
    again = project.draft.read().get(SOURCE) and run and run.has_model
    if not found or not found.scored:
        more = button("Score it on the earlier test set", "again") if again else ""
        return card("A test set of your own", Html('<p class="acts">{}</p>').format(more) if more else "", WHY)
    scored, (low, high) = found.scored, found.interval
    warned = [scored.labels] if scored.labels else []
    if scored.trained_on:
        warned.append(
            f"{photos_said(scored.trained_on)} of these were trained on, which makes it look better than it is."
        )
    cells = [
        ("Accuracy", percent(found.accuracy), f"95 % interval {percent(low)} to {percent(high)}"),
        ("Photos", f"{found.total:,}", f"{found.right:,} correct"),
        ("Not scored", f"{len(scored.skipped):,}", "listed below" if scored.skipped else "every photo was"),
    ]
    return card("Your test set", figures(cells) + notes(warned) + _skipped(scored.skipped, str(scored.root)), WHY)


def _skipped(skipped: dict[str, str], root: str) -> Html:
    if not skipped:
        return Html()
    rows = [(file.removeprefix(root).lstrip("/\\"), reason) for file, reason in list(skipped.items())[:SKIPPED]]
    more = f", the first {SKIPPED} shown" if len(skipped) > SKIPPED else ""
    return Html("<details><summary>{} not scored{}</summary>{}</details>").format(
        photos_said(len(skipped)), more, table(["File", "Why"], rows)
    )
