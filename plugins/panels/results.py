"""Results: accuracy with its interval, the confusion matrix, and the photos the model is wrong about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from core.errors import BadInput
from core.registry import panels
from core.runs.run import ALIVE, Run
from plugins.panels.kit.page.head import head
from plugins.panels.kit.page.page import Page, State
from plugins.panels.kit.project.others import others
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.run_view import RunView, run_view
from plugins.panels.kit.views.confusion import Results, Seen, results_of
from plugins.panels.kit.views.html import Html, card, empty, figures, joined, notes, percent, table, view
from plugins.panels.kit.views.pictures import thumbnail
from plugins.panels.kit.views.run import accuracy_of

CELL, WORST, PAIRS = 24, 12, 8  # shown: photos of a cell, worst mistakes, confused pairs
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
        page.shows(view("results-more", label="Mistakes, and every label"), _more, "tick")
        page.answers(body.click, _photos, [], photos, busy="Opening the photos", trigger_mode="always_last")
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
            return "done", f"{percent(found.accuracy)} on {_photos_said(found.total)}"
        except BadInput:
            best = _best(run_view(run))
            return ("active", f"{percent(best[1])} so far") if best else ("todo", "Nothing yet")


def _has_model(run: Run | None) -> bool:
    return run is not None and run.has_model


def _photos_said(n: int) -> str:
    return f"{n:,} photo{'s' * (n != 1)}"


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
    return title, f"Checked on {_photos_said(found.total)} the model never trained on{more}.{goes_on}{which}"


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
    shown = _shots((seen, f"{seen.file.name}") for seen in photos[:CELL])
    title = f"{found.said(cell)}: {_photos_said(len(photos))}{some}"
    return Html('<div data-cell role="region" aria-label="Photos of this cell">{}</div>').format(card(title, shown))


def _shots(photos: Iterable[tuple[Seen, str]]) -> Html:
    return Html('<div class="shots">{}</div>').format(joined(_shot(seen, caption) for seen, caption in photos))


def _shot(seen: Seen, caption: str) -> Html:
    src = thumbnail(seen.file)
    lost = "cannot be read" if seen.file.is_file() else "gone or moved"
    picture = Html('<img src="{}" alt="{}" loading="lazy">').format(src, caption) if src else Html(f"<em>{lost}</em>")
    confidence = f"{seen.confidence:.0%}" if seen.confidence < 0.995 else "over 99%"
    return Html(
        '<figure>{picture}<figcaption><b title="{caption}">{caption}</b>'
        "<span>loss {loss:.2f} · confidence {confidence}</span></figcaption></figure>"
    ).format(picture=picture, caption=caption, loss=seen.loss, confidence=confidence)


def _more(project: Project) -> str:
    found = _results(project.run)
    return _worst(found) + card("", _labels(found)) if found else ""


def _worst(found: Results) -> str:
    if not found.mistakes:
        return card("Worst mistakes", empty("None", f"It is correct on {_photos_said(found.total)}."))
    worst = [(s, f"{found.vocab[s.true]} → {found.vocab[s.predicted]}") for s in found.mistakes[:WORST]]
    n = len(found.mistakes)
    few = "All of its mistakes" if n <= WORST else f"{WORST} of its {n:,} mistakes"
    note = f"{few}, largest loss first, as true → predicted. Often the label in the data is the one that is wrong."
    return card("Worst mistakes", _shots(worst), note)


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
