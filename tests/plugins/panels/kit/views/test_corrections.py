"""The corrections that the selected run lacks, as a bar counts them."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from core.runs.run import Run
from plugins.panels.kit.page.page import Page
from plugins.panels.kit.project.labels import act, photos_of
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.mode import Mode
from plugins.panels.kit.views import corrections
from plugins.panels.kit.views.corrections import corrections_bar


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Project:
    """A project whose photos are listed."""
    project = Project(tmp_path / "workspace")
    project.open({"name": "folder", "path": str(photos)})
    photos_of(project)
    return project


def shown(project: Project) -> str:
    """What the bar shows."""
    with gr.Blocks():
        corrections_bar(page := Page(Mode("local", project.folder)))
    return str(page._drawn[0].draw(project))


def say(project: Project, **what: object) -> None:
    """Say something of the first photo."""
    act(project, {"key": photos_of(project).key, "photos": [0], **what})


def test_what_a_run_lacks_is_counted_until_one_has_it(project: Project) -> None:
    assert shown(project) == ""
    say(project, do="right")
    assert shown(project) == "", "nothing to train on"
    say(project, do="label", label="red")
    assert "<b>1 correction</b>" in shown(project) and ">Train<" in shown(project)
    Run.create(project.require_recipe(), project.folder)
    assert shown(project) == ""
    say(project, do="leave_out")
    assert "<b>1 correction</b> not in this model yet" in shown(project) and ">Train again<" in shown(project)
    act(project, {"do": "undo"})
    assert shown(project) == ""


def test_the_photos_are_neither_listed_nor_counted_at_each_tick(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(project, do="leave_out")
    first = shown(project)
    monkeypatch.setattr(corrections, "made_and_new", lambda _: pytest.fail("every photo is looked at again"))
    assert shown(project) == first != ""
    project.forget()
    monkeypatch.setattr(project, "build", lambda *_: pytest.fail("the photos are listed"))
    assert shown(project) == ""
