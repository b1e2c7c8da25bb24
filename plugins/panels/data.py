"""Data: add photos, see which labels were found, and see the photos as the model will."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gradio as gr

from core.data.check import Examined
from core.data.labelling import label_all
from core.data.photo import BadPhoto
from core.errors import BadInput
from core.recipe import Recipe
from core.registry import labellers, panels, splitters
from plugins.panels.kit.page.head import head
from plugins.panels.kit.page.page import Page, State
from plugins.panels.kit.page.sources import tabs, text_tab
from plugins.panels.kit.project.bring import ACCEPT, upload
from plugins.panels.kit.project.edits import choose, edit, typed
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.drop import drop
from plugins.panels.kit.views.form import chooser
from plugins.panels.kit.views.html import (
    Html,
    bars,
    button,
    card,
    empty,
    figures,
    joined,
    notes,
    percent,
    table,
    view,
)
from plugins.panels.kit.views.pictures import embedded, grid, thumbnail

EXAMPLES, TILES, BATCH, LABELLED = 6, 12, 8, 20_000
MOST_SKIPPED = 200  # shown
DRAWN = 1_024  # pixels of a side


@panels.register("data")
class DataPanel:
    """Add photos, label them, and set a part aside for validation."""

    title, place, serves_models = "Data", 1, False

    def __init__(self, page: Page, /) -> None:
        self.page = page
        with head(page, "data", lambda _: ("Bring your photos", f"One folder per label is enough. {page.mode.place}")):
            tune = gr.Button("Tune learning rate", elem_id="data-tune")
            train = gr.Button("Train", variant="primary", elem_id="data-train", elem_classes="starts")
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=4, elem_classes="card"):
                self._bring()
                forms = view("data-forms", label="How photos are labelled and split")
                preview = view("data-preview", label="Labels of some photos")
            with gr.Column(scale=3):
                found = view("data-found", label="What was found")
                page.shows(found, _found)
                page.does(found.click, _on_found, redraw="load", busy="Looking at the photos")
                page.shows(view("data-photos", label="Some of the photos"), _tiles)
        with gr.Accordion("As the model sees them", open=False, elem_id="data-seen-box") as box:
            seen = view("data-seen", label="Photos as the model sees them")
            page.shows(seen, _not_seen)
            for trigger in (box.expand, seen.click):
                page.answers(trigger, _seen, [], seen, busy="Presizing some photos", concurrency_limit=1)
        page.shows(forms, _forms, "load")
        page.shows(preview, _preview)
        page.does(forms.select, choose, redraw="load")
        page.does(forms.edit, edit)
        page.answers(forms.typed, _typed, [], preview, trigger_mode="always_last")
        page.does(train.click, _train, busy="Starting the training", redraw="load")
        page.does(tune.click, lambda project: "learning_rate")
        for control in (tune, train):
            page.shows(control, lambda project: gr.update(interactive=isinstance(project.examined, Examined)))

    def status(self, project: Project) -> tuple[State, str]:
        """The number of photos and labels."""
        found = project.examined
        if isinstance(found, BadInput) or project.refused:
            return "active", "Needs a look"
        if found is None:
            return ("active", "Reading photos") if project.recipe else ("todo", "Add photos to begin")
        counts = found.report.counts
        return "done", f"{sum(counts.values()):,} photos · {len(counts)} labels"

    def _bring(self) -> None:
        page = self.page
        with gr.Tabs(elem_id="data-sources"):
            with gr.Tab("Upload"):
                zone = drop("data-drop", "Drop a zip, a folder or photos here", ACCEPT, folders=True)
                page.does(zone.upload, upload, redraw="load", busy="Looking at the photos")
            if page.mode.local:
                text_tab(page)
            tabs(page)


def _on_found(project: Project, data: Mapping[str, Any]) -> None:
    if data.get("do") == "back":
        project.go_back()
    else:
        project.forget()


def _train(project: Project) -> str:
    project.start()
    return "train"


def _forms(project: Project) -> str:
    recipe = project.shown_recipe
    if recipe is None:
        return ""
    return Html('<div class="pair">{}{}</div>').format(
        chooser(labellers, recipe.labeller, "labeller", "Label comes from", short=True),
        chooser(splitters, recipe.splitter, "splitter", "Validation photos", short=True),
    )


def _preview(project: Project) -> str:
    return _labels(project, project.recipe) if project.recipe else ""


def _typed(project: Project, data: Mapping[str, Any]) -> str:
    """The labels that a labeller's pattern gives while it is being typed."""
    try:
        return _labels(project, project.changed(*typed(project, data)))
    except BadInput as error:
        return notes([project.plain(error)], "bad")


def _labels(project: Project, recipe: Recipe) -> str:
    try:
        labeller = project.build("labeller", recipe)
        names = project.names()
        labels, unlabelled = label_all(names[:LABELLED], labeller, Path)
    except BadInput as error:
        return notes([project.plain(error)], "bad")
    rows = [_example(labeller, name, labels.get(name)) for name in _spread(names)]
    said = (
        f"{len(labels):,} of {len(labels) + len(unlabelled):,} names give a label · {len(set(labels.values()))} labels"
    )
    if unlabelled:
        said += f". The first without a label: {next(iter(unlabelled.values()))}."
    return table(["File", "Label"], rows) + notes([said], "bad" if unlabelled else "good")


def _example(labeller: Any, name: Path, label: str | None) -> tuple[str, str]:
    code = Html("<code>{}</code>").format
    try:
        shown, start, end = labeller.span(name)
    except (AttributeError, BadInput):  # not every labeller takes its label from the name
        return code(name.name), label or Html("<em>none</em>")
    marked = Html("{}<mark>{}</mark>{}").format(shown[:start], shown[start:end], shown[end:])
    return code(marked), label or ""


def _spread(names: list[Path]) -> list[Path]:
    return [names[i * len(names) // EXAMPLES] for i in range(EXAMPLES)] if len(names) > EXAMPLES else names


def _found(project: Project) -> str:
    found = project.examined
    if refused := project.refused:
        return card("What we found", notes([refused], "bad") + _acts(_back(project)))
    if isinstance(found, BadInput):
        again = button("Look again", "again")
        return card("What we found", notes([project.plain(found)], "bad") + _acts(again, _back(project)))
    if found is None:
        if project.recipe:
            return card("What we found", empty("Reading", "Every photo is opened once to check that it can be read."))
        return card("What we found", empty("No photos yet", "Labels and counts appear here as soon as you add some."))
    report = found.report
    counts, most = report.counts, max(report.counts.values())
    photos, least = sum(counts.values()), min(counts.values())
    cells = [
        ("Photos", f"{photos:,}", f"{len(report.skipped):,} left out"),
        ("Labels", f"{len(counts):,}", "well balanced" if least * 2 >= most else f"{least:,} to {most:,} photos each"),
        ("Validation", f"{report.valid:,}", percent(report.valid / photos)),
    ]
    reasons = notes(project.reasons, "note")
    body = (
        figures(cells)
        + reasons
        + bars((name, n / most, f"{n:,}") for name, n in counts.items())
        + notes(report.warnings)
    )
    return card("What we found", body + _skipped(found) + _acts(button("Look again", "again")))


def _back(project: Project) -> str:
    """A button that returns to the previous photos."""
    earlier, recipe = project.earlier, project.recipe
    if earlier is None or (recipe and recipe.source == earlier.source):
        return ""
    place = earlier.source.get("path") or earlier.source.get("repo") or earlier.source["name"]
    return button(f"Go back to {Path(str(place)).name}", "back")


def _acts(*buttons: str) -> Html:
    return Html('<p class="acts">{}</p>').format(joined(buttons)) if any(buttons) else Html()


def _skipped(found: Examined) -> str:
    skipped = found.report.skipped
    if not skipped:
        return ""
    code = Html("<code>{}</code>").format
    rows = [(code(_relative(path, found.root)), why) for path, why in skipped.items()]
    more = f", the first {MOST_SKIPPED} of them" if len(rows) > MOST_SKIPPED else ""
    return Html("<details><summary>{:,} left out{}</summary>{}</details>").format(
        len(rows), more, table(["File", "Why"], rows[:MOST_SKIPPED])
    )


def _relative(path: str, root: Path) -> str:
    return os.path.relpath(path, root) if os.path.isabs(path) else path


def _tiles(project: Project) -> str:
    found = project.examined
    if not isinstance(found, Examined):
        return ""
    return card("Photos", grid((thumbnail(file), label) for file, label in _some(found)))


def _not_seen(project: Project) -> str:
    """A button that shows the photos; it differs for each recipe, so that photos of an earlier one disappear."""
    recipe = project.recipe
    of = recipe and (recipe.source, recipe.splitter, recipe.item_tfms, recipe.batch_tfms)
    return Html('<p class="acts" data-of="{}">{}</p>').format(hash(str(of)), button("Show", "seen")) if recipe else ""


def _seen(project: Project, data: Mapping[str, Any] = MappingProxyType({})) -> str:
    """A training batch (number `draw`), and one photo (number `photo`) step by step."""
    from plugins.panels.kit.presizing.walk import augmented, walk  # imports torch, which takes seconds

    found = project.examined
    if not isinstance(found, Examined):
        return empty("No photos yet", "Add some to see what presizing does to them.")
    try:
        draw, number = (int(str(data.get(name) or 0)) for name in ("draw", "photo"))
    except ValueError:
        raise BadInput("A batch and a photo are chosen by their numbers; press Draw again.") from None
    split, recipe = found.split, project.require_recipe()
    largest = max((side for size in _sizes(recipe) for side in size), default=0)
    if largest > DRAWN:
        return notes([f"Photos of {largest:,} pixels take too long to draw here; up to {DRAWN:,} pixels are shown."])
    files = [split.items[i] for i in split.train]
    labels = {split.items[i]: split.labels[i] for i in split.train}
    batch = grid((embedded(image), labels[file]) for file, image in augmented(files[:BATCH], recipe, draw))
    again = button("Draw again", "seen", {"draw": draw + 1, "photo": number})
    other = button("Another photo", "seen", {"draw": draw, "photo": number + 1})
    try:
        steps = walk(files[number % len(files)], recipe, draw)
    except BadPhoto as error:
        return batch + notes([f"{files[number % len(files)].name} cannot be read: {error}."], "bad") + other
    item = Html('<li><img src="{src}" alt="{name}"><b>{name}</b><p>{sentence}</p></li>')
    shown = joined(item.format(src=embedded(s.image), name=s.name, sentence=s.sentence) for s in steps)
    return Html(
        '<p class="note">A training batch, as the network sees it.</p>{}{}'
        '<h3>One photo, step by step</h3>{}<ol class="walk">{}</ol>'
    ).format(batch, _acts(again), _acts(other), shown)


def _sizes(recipe: Recipe) -> Iterator[tuple[int, ...]]:
    for choice in (*recipe.item_tfms, *recipe.batch_tfms):
        size = choice.get("size")
        yield (size,) if isinstance(size, int) else tuple(size or ())


def _some(found: Examined) -> Iterator[tuple[Path, str]]:
    """Photos from each class in turn."""
    split = found.split
    classes: dict[str, list[Path]] = defaultdict(list)
    for item, label in zip(split.items, split.labels, strict=True):
        classes[label].append(item)
    rounds = range(max(map(len, classes.values())))
    ordered = ((files[i], label) for i in rounds for label, files in sorted(classes.items()) if i < len(files))
    for _, found_one in zip(range(TILES), ordered):
        yield found_one
