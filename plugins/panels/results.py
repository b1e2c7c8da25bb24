"""Results: accuracy with its interval, the confusion matrix, and the photos the model is wrong about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gradio as gr

from core.errors import BadInput
from core.model.doubt import save_threshold
from core.registry import panels
from core.runs.run import ALIVE, Run
from plugins.panels.kit.page.head import head
from plugins.panels.kit.page.page import Page, State
from plugins.panels.kit.project.naming import begun, titles_of
from plugins.panels.kit.project.others import others
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import RunView, run_view
from plugins.panels.kit.views.accuracy import (
    confused_pairs,
    key_figures,
    label_table,
    photos_said,
    saves,
    what_is_not_known,
)
from plugins.panels.kit.views.confidence import confidence_card, threshold_of_click
from plugins.panels.kit.views.confusion import TEST, Results, results_of
from plugins.panels.kit.views.corrections import corrections_bar, train_again
from plugins.panels.kit.views.epochs import accuracy_of
from plugins.panels.kit.views.html import DELEGATE, Html, button, card, empty, figures, joined, notes, percent, view
from plugins.panels.kit.views.large import large_photo
from plugins.panels.kit.views.longer import longer
from plugins.panels.kit.views.mistakes import answered, opened, shots, worst_mistakes
from plugins.panels.kit.views.saved import figure, saver
from plugins.panels.kit.views.suspects import suspects
from plugins.panels.kit.views.test_set import both_sets, show_set, shown_results, test_set

CELL, COMPARED = 24, 20  # shown: photos of a cell, other runs
ENOUGH = 50  # photos, below which an accuracy may be off by more than 10 %
# scrolls to the photos of a cell, which may be below a long table
SHOW = "watch('value', () => element.querySelector('[data-cell]')?.scrollIntoView({block: 'nearest'}));"


@panels.register("results")
class ResultsPanel:
    """The predictions of the selected run on its validation photos."""

    title, place, serves_models = "Results", 4, False

    def __init__(self, page: Page, /) -> None:
        with head(page, "results", _title, lambda project: project.run):
            finish = gr.Button("Finish now", elem_id="results-finish")
            use = gr.Button("Try it", variant="primary", elem_id="results-try")
        sets = view("results-sets", label="Which photos")
        body = view("results-body", label="How good it is")
        photos = gr.HTML("", elem_id="results-photos", js_on_load=DELEGATE + SHOW)
        longer(page, "results")
        labels = view("results-labels", label="Every label")
        more = view("results-more", label="Mistakes")
        confidence = view("results-confidence", label="Its confidence")
        test_set(page)
        compare = view("results-compare", label="Compare with another run")
        compared = gr.HTML("", elem_id="results-compared")
        large, saved = large_photo("results-large"), saver("results-saved")
        page.shows(sets, both_sets, "tick")
        page.shows(body, _body, "tick")
        page.shows(photos, _no_cell, "tick")
        page.shows(labels, lambda project: _shown(project, label_table), "tick")
        page.shows(more, lambda project: _shown(project, partial(worst_mistakes, project)), "tick")
        page.shows(confidence, _confidence, "tick")
        page.shows(compare, _others, "tick")
        page.shows(compared, _no_cell, "tick")
        suspects(page)
        corrections_bar(page)
        page.does(sets.click, lambda project, data: show_set(project, str(data.get("set"))))
        page.does(confidence.edit, _choose)
        page.does(confidence.click, _choose)
        page.answers(body.click, _photos, [], photos, busy="Opening the photos", trigger_mode="always_last")
        page.answers(compare.click, _compared, [], compared, busy="Comparing")
        explains = page.mode.explains
        for shows in (photos, more):
            page.answers(shows.open, partial(opened, explains=explains), [], large, busy="Opening the photo")
        page.answers(large.click, partial(answered, explains=explains), [], large, busy="Looking")
        page.does(large.changed, lambda project, data: None)
        page.does(large.again, train_again, busy="Starting the training", redraw="load")
        for shows in (body, labels, confidence):
            page.answers(shows.save, _saved, [], saved, busy="Drawing the figure", trigger_mode="multiple")
        page.does(finish.click, _finish, busy="Annealing the learning rate to its end")
        page.shows(finish, lambda project: gr.update(visible=_is_complete(project.run)), "tick")
        page.does(use.click, lambda project: "predict")
        page.shows(use, lambda project: gr.update(interactive=_has_model(project.run)), "tick")

    def status(self, project: Project) -> tuple[State, str]:
        """The accuracy of the run."""
        run = project.run
        if run is None:
            return "todo", "Nothing yet"
        try:
            found = results_of(run)
            if other := others(project, run):
                return "active", other
            return "done", f"{percent(found.accuracy)} on {photos_said(found.total)}"
        except BadInput:
            best = _best(run_view(run))
            return ("active", f"{percent(best[1])} so far") if best else ("todo", "Nothing yet")


def _has_model(run: Run | None) -> bool:
    return run is not None and run.has_model


def _results(project: Project) -> Results | None:
    """The results on the set that is shown, if the run has any."""
    try:
        return shown_results(project, project.run) if project.run else None
    except BadInput:
        return None


def _shown(project: Project, draw: Callable[[Results], Html]) -> Html:
    found = _results(project)
    return draw(found) if found else Html()


def _is_complete(run: Run | None) -> bool:
    """Whether a run that still trains is right on every validation photo already."""
    shown = run_view(run) if run else None
    if shown is None or shown.status not in ALIVE or shown.finishing:
        return False
    best = _best(shown)
    return best is not None and best[1] == 1


def _finish(project: Project) -> str:
    if project.run is None:
        raise BadInput("There is no run to finish; train one first.")
    project.run.finish()
    return "train"


def _best(shown: RunView) -> tuple[int, float] | None:
    """The number and the accuracy of the best epoch so far."""
    best = [(number, a) for number, _, e in shown.epochs if e.best and (a := accuracy_of(e)) is not None]
    return best[-1] if best else None


def _title(project: Project) -> tuple[str, str]:
    title, run = "How good is it?", project.run
    if run is None:
        return title, "Nothing has been trained yet; start on the Train page."
    shown = run_view(run)
    which = f" This is the run begun at {begun(run)}." if len(project.runs) > 1 else ""
    try:
        found = shown_results(project, run)
    except BadInput as error:
        if shown.status not in ALIVE:
            return title, f"{error}"
        best = _best(shown)
        if _is_complete(run):
            return title, f"Every validation photo is right since epoch {best and best[0]}: it can finish now.{which}"
        so_far = f"Best so far: {percent(best[1])} correct, in epoch {best[0]} of {shown.planned}." if best else ""
        return title, f"{so_far or 'The first epoch has not ended yet.'}{which}"
    if found.set == TEST:
        return title, f"Scored on {photos_said(found.total)} of your test set.{which}"
    checked = f"Checked on {photos_said(found.total)} the model never trained on"
    more = f" The best of {len(shown.epochs)} epochs was chosen by them." if _was_chosen(shown) else ""
    if found.total < ENOUGH:
        more += " So few leave the accuracy in doubt: look at its interval, which more photos make smaller."
    goes_on = " Training continues; this is the model saved before." if shown.status in ALIVE else ""
    return title, f"{checked}.{more}{goes_on}{which}"


def _was_chosen(shown: RunView) -> bool:
    try:
        return len(shown.epochs) > 1 and shown.recipe.training.best_by != "last"
    except BadInput:  # a model from elsewhere, without a recipe
        return False


def _body(project: Project) -> str:
    run = project.run
    if run is None:
        return card("", empty("Nothing yet", "The accuracy and the mistakes of a trained model are shown here."))
    try:
        found = shown_results(project, run)
    except BadInput as error:
        if run.status in ALIVE:
            return card("", empty("Still training", "The mistakes are shown here when training ends."))
        return card("", empty("No predictions", str(error)))
    side = "wide" if len(found.shown) > 8 else ""
    note = f"Rows: true labels; columns: predicted labels. Click a number to see the photos. {found.left_out}"
    matrix = card("Confusion matrix", found.matrix + saves(found, "confusion"), note)
    confused = Html('<div class="confusion {}">{}{}</div>').format(side, matrix, confused_pairs(found))
    return joined([figures(key_figures(found)), what_is_not_known(found), confused])


def _no_cell(project: Project) -> str:
    """An invisible element that differs for each model, so that photos of an earlier one disappear."""
    found = _results(project)
    return Html('<i hidden data-of="{}"></i>').format(found.key) if found else ""


def _photos(project: Project, data: Mapping[str, Any]) -> str:
    """The photos of the cell that was clicked."""
    found = results_of(project.find(str(data.get("run"))), str(data.get("set")))
    cell = found.cell(data)
    photos = found.cells[cell]
    some = f", the {CELL} with the largest losses shown" if len(photos) > CELL else ""
    shown = shots(project, found, ((seen, seen.file.name) for seen in photos[:CELL]))
    title = f"{found.said(cell)}: {photos_said(len(photos))}{some}"
    return Html('<div data-cell role="region" aria-label="Photos of this cell">{}</div>').format(card(title, shown))


def _saved(project: Project, data: Mapping[str, Any]) -> Html:
    """The download of a figure."""
    run = project.find(str(data.get("run")))
    return figure(run, results_of(run, str(data.get("set"))), str(data.get("figure")), str(data.get("kind")))


def _confidence(project: Project) -> str:
    try:  # always on validation, on which the threshold is chosen
        return confidence_card(project.run, results_of(project.run)) if project.run else ""
    except BadInput:  # no predictions, or its config.json is damaged, which the Predict page reports
        return ""


def _choose(project: Project, data: Mapping[str, Any]) -> None:
    """Keep the threshold that was clicked."""
    if project.run is None:
        return
    try:
        save_threshold(project.run.folder, threshold_of_click(data.get("x")))
    except ValueError:
        raise BadInput("That is not a confidence; click the chart or a button below it.") from None


def _others(project: Project) -> str:
    if not _results(project):
        return ""
    runs = [run for run in project.runs if run != project.run and run.has_model]
    if not runs:
        return ""
    titles = zip(titles_of(runs[:COMPARED]), runs, strict=False)
    buttons = joined(button(title, "compare", {"run": run.name}) for title, run in titles)
    note = "On the validation photos that both have, under this run's labels."
    return card("Compare with another run", Html('<p class="offers">{}</p>').format(buttons), note)


def _compared(project: Project, data: Mapping[str, Any]) -> str:
    """Whether the run is better than the one that was clicked."""
    from core.runs.compare import compare_runs  # imports torch, which takes seconds

    other = project.find(str(data.get("run")))
    if project.run is None:
        raise BadInput("No run is selected; choose one on the Train page.")
    return card("", notes([compare_runs(project.run, other).sentence("This run", other.name)], "note"))
