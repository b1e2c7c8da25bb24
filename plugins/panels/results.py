"""Results: accuracy with its interval, the confusion matrix, and the photos the model is wrong about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from core.errors import BadInput
from core.model.doubt import save_threshold
from core.registry import panels
from core.runs.run import ALIVE, Run
from plugins.panels.kit.page.head import head
from plugins.panels.kit.page.page import Page, State
from plugins.panels.kit.project.others import others
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import RunView, run_view
from plugins.panels.kit.views.confidence import confidence_card, threshold_of_click
from plugins.panels.kit.views.confusion import Results, results_of
from plugins.panels.kit.views.html import Html, button, card, empty, figures, joined, notes, percent, table, view
from plugins.panels.kit.views.mistakes import explained, photos_said, shots, worst_mistakes
from plugins.panels.kit.views.pictures import thumbnail
from plugins.panels.kit.views.run import accuracy_of
from plugins.panels.kit.views.suspects import suspects

CELL, PAIRS, COMPARED = 24, 8, 20  # shown: photos of a cell, confused pairs, other runs
CONFIDENT = 0.9
# scrolls to the photos of a cell, which may be below a long table
SHOW = "watch('value', () => element.querySelector('[data-cell]')?.scrollIntoView({block: 'nearest'}));"


@panels.register("results")
class ResultsPanel:
    """The predictions of the selected run on its validation photos."""

    title, place, serves_models = "Results", 4, False

    def __init__(self, page: Page, /) -> None:
        with head(page, "results", _title, lambda project: project.run):
            longer = gr.Button("Train longer", elem_id="results-longer")
            use = gr.Button("Try it", variant="primary", elem_id="results-try")
        body = view("results-body", label="How good it is")
        photos = gr.HTML("", elem_id="results-photos", js_on_load=SHOW)
        page.shows(body, _body, "tick")
        page.shows(photos, _no_cell, "tick")
        confidence = view("results-confidence", label="Its confidence")
        more = view("results-more", label="Mistakes, and every label")
        compare = view("results-compare", label="Compare with another run")
        compared = gr.HTML("", elem_id="results-compared")
        page.shows(confidence, _confidence, "tick")
        page.does(confidence.edit, _choose)
        page.does(confidence.click, _choose)
        page.shows(more, lambda project: _more(project, page.mode.local), "tick")
        page.shows(compare, _others, "tick")
        page.shows(compared, _no_cell, "tick")
        suspects(page)
        page.answers(body.click, _photos, [], photos, busy="Opening the photos", trigger_mode="always_last")
        page.answers(compare.click, _compared, [], compared, busy="Comparing")
        if page.mode.local:  # a shared machine should not explain itself to everyone
            page.answers(more.click, explained, [], photos, busy="Looking", trigger_mode="always_last")
        page.does(longer.click, lambda project: "train")
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


def _results(run: Run | None) -> Results | None:
    try:
        return results_of(run) if run else None
    except BadInput:
        return None


def _best(shown: RunView) -> tuple[int, float] | None:
    """The number and the accuracy of the best epoch so far."""
    best = [(number, a) for number, _, e in shown.epochs if e.best and (a := accuracy_of(e)) is not None]
    return best[-1] if best else None


def _title(project: Project) -> tuple[str, str]:
    title, run = "How good is it?", project.run
    if run is None:
        return title, "Nothing has been trained yet; start on the Train page."
    shown = run_view(run)
    which = f" This is {run.name}." if len(project.runs) > 1 else ""
    try:
        found = results_of(run)
    except BadInput as error:
        if shown.status not in ALIVE:
            return title, f"{error}"
        best = _best(shown)
        so_far = f"Best so far: {percent(best[1])} correct, in epoch {best[0]} of {shown.planned}." if best else ""
        return title, f"{so_far or 'The first epoch has not ended yet.'}{which}"
    more = f"; the best of {len(shown.epochs)} epochs was chosen on them" if _was_chosen(shown) else ""
    goes_on = " Training continues; this is the model saved before." if shown.status in ALIVE else ""
    return title, f"Checked on {photos_said(found.total)} the model never trained on{more}.{goes_on}{which}"


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
        found = results_of(run)
    except BadInput as error:
        if run.status in ALIVE:
            return card("", empty("Still training", "The mistakes are shown here when training ends."))
        return card("", empty("No predictions", str(error)))
    side = "wide" if len(found.shown) > 8 else ""
    note = f"Rows: true labels; columns: predicted labels. Click a number to see the photos. {found.left_out}"
    matrix = card("Confusion matrix", found.matrix, note)
    confused = Html('<div class="confusion {}">{}{}</div>').format(side, matrix, _pairs(found))
    return joined([figures(_figures(found)), _unknown(found), confused])


def _figures(found: Results) -> list[tuple[str, str, str]]:
    low, high = found.interval
    known = [(c["recall"], c["n"], name) for c, name in zip(found.classes, found.vocab, strict=True) if c["n"]]
    ends = [("Weakest", min(known, key=lambda c: (c[0], -c[1]))), ("Strongest", max(known, key=lambda c: c[:2]))]
    confident = sum(seen.confidence > CONFIDENT for seen in found.mistakes)
    right = f"{found.right:,} of {found.total:,} correct; 95 % interval {percent(low)} to {percent(high)}"
    return [
        ("Accuracy", percent(found.accuracy), right),
        *((f"{kind} label", name, _found_said(known, recall, n)) for kind, (recall, n, name) in ends),
        ("Confident mistakes", f"{confident:,}", f"with over 90 % confidence, of {_mistakes(len(found.mistakes))}"),
    ]


def _mistakes(n: int) -> str:
    return "1 mistake" if n == 1 else f"{n:,} mistakes"


def _found_said(known: list[tuple[float, int, str]], recall: float, n: int) -> str:
    others = sum(one == recall for one, _, _ in known) - 1
    more = f"; so are {others:,} others" if others > 1 else "; so is 1 other" if others else ""
    return f"{round(recall * n):,} of {n:,} found, {percent(recall)}{more}"


def _unknown(found: Results) -> str:
    none = [name for c, name in zip(found.classes, found.vocab, strict=True) if not c["n"]]
    if not none:
        return ""
    names = " and ".join(none) if len(none) < 3 else f"{none[0]} and {len(none) - 1} other labels"
    are = "it is" if len(none) == 1 else "they are"
    return notes([f"There are no validation photos of {names}, so nothing is known of how well {are} recognised."])


def _pairs(found: Results) -> str:
    if not found.pairs:
        return card("Most confused", empty("None", "No label was taken for another."))
    line = Html("<li><button {}>{}<span><b>{}</b> taken for <b>{}</b></span><i>{:,}</i></button></li>")
    lines = joined(
        line.format(found.cell_data(cell), _small(photos[0].file), *(found.vocab[label] for label in cell), len(photos))
        for cell in found.pairs[:PAIRS]
        if (photos := found.cells[cell])
    )
    more = f"The first {PAIRS} of {len(found.pairs):,} pairs." if len(found.pairs) > PAIRS else ""
    return card("Most confused", Html('<ul class="confused">{}</ul>').format(lines), more)


def _small(file: Path) -> Html:
    src = thumbnail(file)
    return Html('<img src="{}" alt="" loading="lazy">').format(src) if src else Html("<em></em>")


def _no_cell(project: Project) -> str:
    """An invisible element that differs for each model, so that photos of an earlier one disappear."""
    found = _results(project.run)
    return Html('<i hidden data-of="{}"></i>').format(found.key) if found else ""


def _photos(project: Project, data: Mapping[str, Any]) -> str:
    """The photos of the cell that was clicked."""
    found = results_of(project.find(str(data.get("run"))))
    cell = found.cell(data)
    photos = found.cells[cell]
    some = f", the {CELL} with the largest losses shown" if len(photos) > CELL else ""
    shown = shots((seen, f"{seen.file.name}") for seen in photos[:CELL])
    title = f"{found.said(cell)}: {photos_said(len(photos))}{some}"
    return Html('<div data-cell role="region" aria-label="Photos of this cell">{}</div>').format(card(title, shown))


def _confidence(project: Project) -> str:
    found = _results(project.run)
    try:
        return confidence_card(project.run, found) if project.run and found else ""
    except BadInput:  # its config.json is damaged, which the Predict page reports
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
    if not _results(project.run):
        return ""
    runs = [run for run in project.runs if run != project.run and run.has_model]
    if not runs:
        return ""
    buttons = joined(button(run.name, "compare", {"run": run.name}) for run in runs[:COMPARED])
    note = "On the validation photos that both have, under this run's labels, by McNemar's exact test."
    return card("Compare with another run", Html('<p class="offers">{}</p>').format(buttons), note)


def _compared(project: Project, data: Mapping[str, Any]) -> str:
    """Whether the run is better than the one that was clicked."""
    from core.runs.compare import compare_runs  # imports torch, which takes seconds

    other = project.find(str(data.get("run")))
    if project.run is None:
        raise BadInput("No run is selected; choose one on the Train page.")
    return card("", notes([compare_runs(project.run, other).sentence("This run", other.name)], "note"))


def _more(project: Project, explains: bool) -> str:
    found = _results(project.run)
    return worst_mistakes(found, explains) + card("", _labels(found)) if found else ""


def _labels(found: Results) -> str:
    rows = sorted(zip(found.classes, found.vocab, strict=True), key=lambda row: (row[0]["recall"] or 0, row[1]))
    cells = ([name, *map(_share, (c["recall"], c["precision"], c["f1"])), f"{c['n']:,}"] for c, name in rows)
    said = (
        "Recall: the share of a label's photos that are predicted as it. "
        "Precision: the share of photos predicted as a label that have it."
    )
    shown = table(["Label", "Recall", "Precision", "F1", "Photos"], cells) + notes([said], "note")
    return Html("<details><summary>Every label</summary>{}</details>").format(shown)


def _share(value: float | None) -> str:
    return "–" if value is None else percent(value)
