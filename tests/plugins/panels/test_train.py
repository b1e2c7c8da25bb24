"""The forms of the page Train: everything of a recipe that is not the photos has its field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from core.events import EpochEnded, RunEnded, StageStarted, to_line
from core.lock import ProcessLock
from core.model.file_names import HASHES
from core.recipe import TRAINING
from core.registry import registries
from core.runs.events_file import EVENTS
from core.runs.run import LOCK, Run
from plugins.panels.kit.page.page import Page as AppPage
from plugins.panels.kit.project.edits import choose, edit
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.mode import Mode
from plugins.panels.train import TrainPanel
from tests.plugins.panels.markup import Page


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Project:
    project = Project(tmp_path)
    project.open({"name": "folder", "path": str(photos)})
    return project


def train_page(project: Project) -> Page:
    """What the page Train shows."""
    page = AppPage(Mode("local", project.folder))
    with gr.Blocks():
        TrainPanel(page)
    return Page("".join(str(d.draw(project)) for d in page._drawn if isinstance(d.component, gr.HTML)))


def fields(page: Page) -> dict[str, dict[str, Any]]:
    """The fields of a page by their places."""
    return {str(a["data-path"]): a for _, a in page.tags if "data-path" in a}


def test_everything_has_a_field_and_nothing_is_typed_as_json(project: Project) -> None:
    choose(project, {"do": "add", "option": "training.metrics", "value": "top_k_accuracy"})
    document = project.require_recipe().to_dict()
    training = document["training"]
    chosen = [
        ("architecture", "architectures", document["architecture"]),
        ("training.loss", "losses", training["loss"]),
        ("training.optimizer", "optimizers", training["optimizer"]),
        *((f"training.metrics.{i}", "metrics", choice) for i, choice in enumerate(training["metrics"])),
        *((f"{k}.{i}", "transforms", c) for k in ("item_tfms", "batch_tfms") for i, c in enumerate(document[k])),
    ]
    expected = {f"training.{p.name}" for p in TRAINING if p.registry is None}
    for path, kind, choice in chosen:
        expected |= {path, *(f"{path}.{p.name}" for p in registries[kind][choice["name"]].params)}
    shown = fields(train_page(project))
    assert set(shown) == expected
    assert not any(str(a.get("value", "")).startswith(("{", '["', "[{")) for a in shown.values())


def test_a_run_whose_process_is_being_started_is_not_said_to_stand_still(project: Project) -> None:
    run = Run.create(project.require_recipe(), project.folder)
    assert "Not started" in train_page(project).texts
    run.write("log.txt", "")
    assert "Starting" in train_page(project).texts


def added(page: Page, place: str) -> set[str]:
    """The names that a list offers."""
    buttons = page.all("button")
    return {str(b["data-value"]) for b in buttons if b.get("data-do") == "add" and b["data-option"] == place}


def test_a_list_offers_what_fits(project: Project) -> None:
    page = train_page(project)
    every = {entry.name for entry in registries["transforms"]}
    assert added(page, "batch_tfms") == every
    assert every - added(page, "item_tfms") == {"mixup", "cutmix"}, "which need a batch"
    assert "error_rate" not in added(page, "training.metrics") and "accuracy" in added(page, "training.metrics")


def test_the_best_epoch_is_chosen_among_the_metrics(project: Project) -> None:
    choose(project, {"do": "add", "option": "training.metrics", "value": "f1_macro"})
    edit(project, {"option": "training.best_by", "value": "valid_loss"})
    page = train_page(project)
    place = page.tags.index(("select", fields(page)["training.best_by"]))
    options = []
    for tag, attributes in page.tags[place + 1 :]:
        if tag != "option":
            break
        options.append((attributes["value"], "selected" in attributes))
    assert options == [("error_rate", False), ("f1_macro", False), ("valid_loss", True), ("last", False)]


def test_more_epochs_are_advised_against_once_a_run_has_ended(project: Project) -> None:
    page, run = AppPage(Mode("local", project.folder)), Run.create(project.require_recipe(), project.folder)
    with gr.Blocks():
        TrainPanel(page)
    number = next(drawn for drawn in page._drawn if isinstance(drawn.component, gr.Number))
    said = [StageStarted("frozen", 2, 2, [0.1]), *(EpochEnded(i, 1.0, 1.0 + i, {}, 1.0) for i in range(2))]
    events = run.folder / EVENTS
    events.write_text("".join(f"{to_line(event)}\n" for event in said))
    (run.folder / HASHES).touch()
    lock = ProcessLock(run.folder / LOCK)
    assert lock.take()
    lock.announce()
    assert not number.draw(project)["info"], "showing it takes an event of gradio, and nobody sees it yet"
    with events.open("a") as file:
        file.write(f"{to_line(RunEnded('completed'))}\n")
    lock.release()
    assert "since epoch 1" in number.draw(project)["info"]
