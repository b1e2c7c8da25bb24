"""What holds for every panel; a new one is covered by being there."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from core.discovery import discover
from core.errors import BadInput
from core.events import (
    Checked,
    EpochEnded,
    FinishingEarly,
    LearningRateTried,
    Notice,
    PhotoSkipped,
    Queued,
    RunEnded,
    RunResumed,
    StageStarted,
    StepEnded,
    Suggestion,
    to_line,
)
from core.lock import ProcessLock
from core.recipe import Recipe
from core.registry import panels
from core.runs.events_file import EVENTS
from core.runs.run import LR_FINDS, RUNS, Run
from plugins.panels.kit.page.frame import frame
from plugins.panels.kit.page.page import Page as AppPage
from plugins.panels.kit.project import draft
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.mode import Mode
from plugins.panels.kit.views.html import Html
from tests.plugins.panels.markup import HOSTILE, Page

found = discover(panels=True)
NAMES = [entry.name for entry in panels]
LABEL = HOSTILE.replace("/", "")
OWN_TAG = re.compile(r"&lt;/?(?!img)[a-z]")
STEPS = [StepEnded(i, 4, 2.0 / i, 1e-3) for i in range(1, 5)]
EPOCHS = [EpochEnded(i, 1.0, 0.5, {"error_rate": 0.25}, 3.0, i == 0) for i in range(2)]
STARTED = [Checked(3, 24), StageStarted("frozen", 2, 4, [1e-3])]
TRIED = [LearningRateTried(i, 100, 1e-7 * 10 ** (i / 12), 2.0 - i / 50) for i in range(1, 90)]


def test_the_panels_of_the_app_are_there() -> None:
    assert found.failures == {}
    assert {"data", "learning_rate", "train", "results", "predict"} <= set(NAMES)


def with_photos(project: Project, photos: Path) -> None:
    folder = project.folder / "photos"
    for name in ("a", LABEL):
        shutil.copytree(photos, folder / name)
    project.open({"name": "folder", "path": str(folder)})
    list(project.examine())


def with_run(project: Project, photos: Path, *events: Any, kind: str = RUNS) -> Run:
    with_photos(project, photos)
    run = Run.create(project.require_recipe(), project.folder, kind)
    (run.folder / EVENTS).write_text("".join(f"{to_line(event)}\n" for event in events))
    return run


STATES: dict[str, Callable[[Project, Path], Any]] = {
    "nothing": lambda project, photos: None,
    "photos": with_photos,
    "not checked": lambda project, photos: project.open({"name": "folder", "path": str(photos)}),
    "bad pattern": lambda project, photos: (
        project.open({"name": "folder", "path": str(photos)}),
        project.edit("labeller.pattern", "("),
        list(project.examine()),
    ),
    "refused": lambda project, photos: (with_photos(project, photos), project.refuse(BadInput(HOSTILE))),
    "of others": lambda project, photos: (
        with_run(project, photos, *STARTED, *STEPS, *EPOCHS, RunEnded("completed")).write(
            "classes.json", json.dumps([HOSTILE, "b", "c"])
        ),
        project.open({"name": "folder", "path": str(photos)}),
    ),
    "created": lambda project, photos: with_run(project, photos),
    "queued": lambda project, photos: with_run(project, photos, Queued(1, HOSTILE)),
    "cut off": lambda project, photos: with_run(project, photos, *STARTED, *STEPS[:2]),
    "one epoch": lambda project, photos: with_run(project, photos, *STARTED, *STEPS, EPOCHS[0]),
    "failed": lambda project, photos: with_run(project, photos, Notice(HOSTILE), RunEnded("failed", HOSTILE)),
    "completed": lambda project, photos: with_run(
        project, photos, *STARTED, *STEPS, *EPOCHS, PhotoSkipped(f"/x/{LABEL}", HOSTILE),
        RunEnded("completed", metrics={"accuracy": 0.75, "low": 0.5, "high": 0.9}),
    ),
    "no number": lambda project, photos: with_run(
        project, photos, *STARTED, StepEnded(1, 4, float("nan"), 1e-3), StepEnded(2, 4, float("inf"), 1e-3)
    ),
    "damaged": lambda project, photos: (with_run(project, photos).folder / "recipe.json").write_text("{"),
    "rates tried": lambda project, photos: with_run(
        project, photos, *TRIED, Suggestion({"valley": 1e-3, "steep": None}), kind=LR_FINDS
    ),
    "no rate": lambda project, photos: with_run(
        project, photos, *TRIED[:3], Suggestion({"valley": None}, f"No suggestion: {HOSTILE}"), kind=LR_FINDS
    ),
    "resumed": lambda project, photos: with_run(
        project, photos, *STARTED, *STEPS, EPOCHS[0], RunEnded("stopped"), RunResumed(3, "frozen", 1, 4), STEPS[1]
    ),
    "finishing early": lambda project, photos: with_run(
        project, photos, *STARTED, *STEPS[:2], FinishingEarly(0, 2, 1), STEPS[2]
    ),
    "test cut off": lambda project, photos: with_run(project, photos, *TRIED[:30], kind=LR_FINDS),
    "test of others": lambda project, photos: (
        with_run(project, photos, *TRIED, Suggestion({"valley": 1e-3}), RunEnded("completed"), kind=LR_FINDS),
        project.edit("labeller.part", "path") if project.require_recipe().labeller["name"] == "regex"
        else project.edit("training.batch_size", 5),
    ),
    "test begun": lambda project, photos: with_run(project, photos, Checked(1, 24), kind=LR_FINDS),
}  # fmt: skip


@cache
def built(name: str) -> tuple[AppPage, Any]:
    """A page with that panel alone; all that it shows comes of the project that it draws."""
    page = AppPage(Mode("local", Path("nowhere")))
    with gr.Blocks():
        panel = panels.create(name, page)
    return page, panel


def drawn(page: AppPage, project: Project) -> Iterator[str]:
    """Every HTML of a page, and every text of its updates."""
    for each in page._drawn:
        value = each.draw(project)
        if isinstance(each.component, gr.HTML):
            assert isinstance(value, Html) or value == "", "what is no HTML by its type is shown as a text"
            assert not OWN_TAG.search(value), "HTML of ours was taken for a text"
            yield value
        else:
            assert value is None or isinstance(value, (str, dict))


@pytest.mark.parametrize("state", STATES)
def test_it_shows_every_state(state: str, tmp_path: Path, photos: Path) -> None:
    if os.name == "nt" and state not in ("nothing", "not checked"):
        pytest.skip("Windows has no folders of such names")
    project = Project(tmp_path / "workspace")
    STATES[state](project, photos)
    for name in NAMES:
        page, panel = built(name)
        for html in drawn(page, project):
            seen = Page(html)
            assert not [a for a in seen.all("img") if "onerror" in a], name
            assert not any(key.startswith("on") for _, attributes in seen.tags for key in attributes), name
            assert all("alt" in a for a in seen.all("img")), f"a picture of {name} says what it shows"
        level, line = panel.status(project)
        assert level in ("todo", "active", "done") and isinstance(line, str), name


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_a_run_under_way(name: str, tmp_path: Path, photos: Path, recipe: Recipe) -> None:
    project = Project(tmp_path)
    run = Run.create(recipe, tmp_path)
    (run.folder / EVENTS).write_text("".join(f"{to_line(e)}\n" for e in [*STARTED, *STEPS[:3]]))
    lock = ProcessLock(run.folder / "lock")
    assert lock.take()
    lock.announce()
    try:
        page, panel = built(name)
        shown = "".join(drawn(page, project))
        assert run.status == "running" and panel.status(project)
        assert name != "train" or ("Time left" in shown and '<polyline class="training"' in shown)
    finally:
        lock.release()


@pytest.fixture
def recipe(photos: Path, tmp_path: Path) -> Recipe:
    project = Project(tmp_path / "other")
    project.open({"name": "folder", "path": str(photos)})
    return project.require_recipe()


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    panel = panels[name].factory
    assert panels[name].help.endswith(".") and panel.title and isinstance(panel.serves_models, bool)
    assert sum(entry.factory.place == panel.place for entry in panels) == 1, "two have the same place in the rail"


@pytest.mark.parametrize("changed", [False, True])
def test_a_tick_reads_the_draft_once(
    changed: bool, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that every panel draws comes of one read of its file, of none where that is as it was, and of one recipe."""
    page, browser = AppPage(Mode("local", tmp_path)), SimpleNamespace(session_hash="anna", cookies={})
    with gr.Blocks() as demo:
        frame(page, {entry.name: entry.factory for entry in panels})
        page.wire(demo)
    STATES["completed"](Project(tmp_path), photos)
    for _ in page._loaded(browser), page._ticked(browser):
        list(_)
    if changed:
        Project(tmp_path).edit("training.epochs", 7)
    read, parsed = [], []
    read_bytes, from_dict = draft.read_bytes, Recipe.from_dict
    monkeypatch.setattr(draft, "read_bytes", lambda *given: read.append(given) or read_bytes(*given))
    monkeypatch.setattr(Recipe, "from_dict", lambda document: parsed.append(document) or from_dict(document))
    list(page._ticked(browser))
    assert (len(read), len(parsed)) == (int(changed), 1)
