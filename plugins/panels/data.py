"""Data: add photos, see which labels were found, and see the photos as the model will."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import gradio as gr

from core.errors import BadInput
from core.events import Checked
from core.registry import labellers, panels, splitters
from plugins.panels.kit.insight.insight import Insight
from plugins.panels.kit.page.head import head
from plugins.panels.kit.page.page import Page, State
from plugins.panels.kit.page.sources import tabs, text_tab
from plugins.panels.kit.project.adding import adds_to, take
from plugins.panels.kit.project.bring import ACCEPT, upload
from plugins.panels.kit.project.edits import choose, edit
from plugins.panels.kit.project.naming import source_name
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.camera import camera
from plugins.panels.kit.views.drop import drop
from plugins.panels.kit.views.form import chooser
from plugins.panels.kit.views.found import back, found_card
from plugins.panels.kit.views.html import Html, notes, view
from plugins.panels.kit.views.label_preview import label_preview, typed_preview
from plugins.panels.kit.views.photo_grid import photo_grid
from plugins.panels.kit.views.seen import not_seen, seen
from plugins.panels.kit.views.takes import takes

LOOKING = "Looking at the photos"
NEWS = "watch('value', () => presize.photosChanged?.());"


@panels.register("data")
class DataPanel:
    """Add photos, label them, and set a part aside for validation."""

    title, place, serves_models = "Data", 1, False

    def __init__(self, page: Page, /) -> None:
        self.page = page
        with head(page, "data", lambda _: ("Bring your photos", f"One folder per label is enough. {page.mode.place}")):
            tune = gr.Button("Tune learning rate", elem_id="data-tune")
            train = gr.Button("Train", variant="primary", elem_id="data-train", elem_classes="starts")
            takes(page, "data")
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=4, elem_classes="card"):
                self._bring()
                forms = view("data-forms", label="How photos are labelled and split")
                preview = view("data-preview", label="Labels of some photos")
            with gr.Column(scale=3):
                found = view("data-found", label="What was found")
                page.shows(found, found_card)
                page.does(found.click, _on_found, redraw="load", busy=LOOKING)
        grid = photo_grid(page)
        page.does(grid.changed, lambda project, data: None, busy="Counting the labels", trigger_mode="always_last")
        page.does(grid.train, _train_labelled, busy="Starting the training", redraw="load")
        news = gr.HTML("", elem_id="data-photos", js_on_load=NEWS, visible="hidden")
        page.shows(news, _version, "tick")
        with gr.Accordion("As the model sees them", open=False, elem_id="data-seen-box"):
            batch = view("data-seen", label="Photos as the model sees them")
            page.shows(batch, not_seen)
            for trigger in (batch.ask, batch.click):
                page.answers(trigger, seen, [], batch, busy="Presizing some photos", concurrency_limit=1)
        page.shows(forms, _forms, "load")
        page.shows(preview, label_preview)
        page.does(forms.select, choose, redraw="load")
        page.does(forms.edit, edit)
        page.answers(forms.typed, typed_preview, [], preview, trigger_mode="always_last")
        page.does(train.click, _train, busy="Starting the training", redraw="load")
        page.does(tune.click, lambda project: "learning_rate")
        for control in (tune, train):
            page.shows(control, lambda project: gr.update(interactive=project.ready))

    def status(self, project: Project) -> tuple[State, str]:
        """The number of photos and labels."""
        found = project.examined
        if isinstance(found, BadInput) or project.refused:
            return "active", "Needs a look"
        if found is None:
            return ("active", "Reading photos") if project.recipe else ("todo", "Add photos to begin")
        counts = found.report.counts
        to_label = f" · {len(found.unlabelled):,} to label" if found.unlabelled else ""
        photos = sum(counts.values()) + len(found.unlabelled)
        return "active" if found.unready else "done", f"{photos:,} photos · {len(counts)} labels{to_label}"

    def _bring(self) -> None:
        page = self.page
        with gr.Tabs(elem_id="data-sources"):
            with gr.Tab("Upload"):
                how = view("data-how", label="What a drop does")
                page.shows(how, _how)
                page.does(how.click, lambda project, data: project.go_back(), redraw="load", busy=LOOKING)
                zone = drop("data-drop", "Drop a zip, a folder or photos here", ACCEPT, folders=True)
                page.does(zone.upload, upload, redraw="load", busy=LOOKING, trigger_mode="multiple")
                taking = camera("data-camera")
                adding = "Adding the photos"  # the next are taken while these are being added
                page.does(taking.taken, take, redraw="load", busy=adding, trigger_mode="multiple")
            if page.mode.local:
                text_tab(page)
            tabs(page)


def _how(project: Project) -> Html:
    """What becomes of these photos if others are dropped, and the way back to those that they replaced."""
    recipe = project.recipe
    if recipe is None:
        return Html()
    returns = "" if isinstance(project.examined, BadInput) else back(project)  # else it stands beside the reason
    shown = Html('<p class="now"><span>Your photos: <b>{}</b></span>{}</p>').format(source_name(recipe), returns)
    if adds_to(project) is None:
        return shown + notes(["Photos dropped here replace them; you can go back."], "note")
    return shown + Html(
        '<fieldset class="how"><legend>Dropped photos</legend>'
        '<label><input type="radio" name="how" value="add" checked> join them, a folder as a label</label>'
        '<label><input type="radio" name="how" value="replace"> replace them</label></fieldset>'
    )


def _on_found(project: Project, data: Mapping[str, Any]) -> None:
    if data.get("do") == "back":
        project.go_back()
    else:
        project.forget()


def _train(project: Project) -> str:
    project.start()
    return "train"


def _train_labelled(project: Project, data: Mapping[str, Any]) -> Generator[Checked, None, str]:
    if project.examined is None:
        yield from project.examine()
    return _train(project)


def _forms(project: Project) -> str:
    recipe = project.shown_recipe
    if recipe is None:
        return ""
    return Html('<div class="pair">{}{}</div>').format(
        chooser(labellers, recipe.labeller, "labeller", "Label from", short=True),
        chooser(splitters, recipe.splitter, "splitter", "Validation photos", short=True),
    )


def _version(project: Project) -> str:
    """An invisible element that differs whenever the grid is out of date."""
    return Html('<i data-of="{}"></i>').format(hash((project.version, Insight(project).version)))
