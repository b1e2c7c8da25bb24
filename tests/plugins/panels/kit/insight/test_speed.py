"""A network without a run here is timed on a few steps, and Train says what it will take."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.events import drain
from plugins.panels.kit.insight import measure, process
from plugins.panels.kit.insight.process import ASKED
from plugins.panels.kit.insight.speed import FOLDER, MeasuredSpeed
from plugins.panels.kit.project.estimate import speed_file, speed_for
from plugins.panels.kit.project.expected import Speed, expected
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.recipe_form import presets
from tests.plugins.panels.markup import Page

TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Project:
    project = Project(tmp_path / "workspace")
    project.open({"name": "folder", "path": str(photos)})
    project.edit("item_tfms.0.size", 40)
    project.edit("batch_tfms.0.size", 32)
    project.use(replace(project.require_recipe(), architecture=TINY))
    drain(project.examine())
    return project


def started(monkeypatch: pytest.MonkeyPatch, code: int | None, said: bytes = b"") -> list[Any]:
    """The commands of processes that do nothing but have this exit code; None: they are at work."""
    commands = []

    def begin(command: list[str], stdout: Any, **_: Any) -> SimpleNamespace:
        commands.append(command)
        stdout.write(said)
        return SimpleNamespace(poll=lambda: code, pid=0)

    monkeypatch.setattr(process, "subprocess", SimpleNamespace(PIPE=None, Popen=begin))
    return commands


def asks(project: Project) -> bool:
    """Whether the page asks for it once a person looks."""
    return any("data-ask" in attributes for _, attributes in Page(presets(project)).tags)


def said(project: Project) -> str:
    return " ".join(Page(presets(project)).texts)


def test_a_few_steps_say_what_a_run_will_take(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = started(monkeypatch, None)
    assert asks(project)
    MeasuredSpeed(project).look()
    assert len(commands) == 1 and not asks(project) and "Timing" in said(project)
    MeasuredSpeed(project).look()
    assert len(commands) == 1, "one at a time"

    assert measure.main(Path(commands[0][4])) == 0
    speed = speed_for(project.folder, project.require_recipe())
    assert speed and speed.run is None and min(speed.frozen, speed.unfrozen, speed.memory) > 0
    assert "measured on a few steps" in said(project) and "about" in said(project)
    project.edit("batch_tfms.0.max_rotate", 30)
    assert speed_for(project.folder, project.require_recipe()) == speed, "other augmentation takes as long"
    project.edit("batch_tfms.0.size", 48)
    assert speed_for(project.folder, project.require_recipe()) is None, "other sizes take another time"


def test_it_takes_the_photos_of_both_sets(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, None)
    project.edit("training.batch_size", 2)
    MeasuredSpeed(project).look()
    asked = json.loads((project.folder / FOLDER / ASKED).read_text())
    files, n = [Path(file) for file, _ in asked["photos"]], asked["train"]
    split = project.examined.split  # type: ignore[union-attr]
    assert n == 4 and set(files[:n]) <= {split.items[i] for i in split.train}
    assert files[n:] and set(files[n:]) <= {split.items[i] for i in split.valid}


def test_weights_are_not_downloaded_to_time_a_network(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    project.use(replace(project.require_recipe(), architecture={"name": "timm", "model": "test_vit"}))
    MeasuredSpeed(project).look()
    assert measure.main(project.folder / FOLDER) == 0
    assert speed_for(project.folder, project.require_recipe())


def test_a_failure_is_said_and_not_tried_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = started(monkeypatch, 2, b"error: There is no memory.\n")
    MeasuredSpeed(project).look()
    assert "There is no memory." in said(project) and not asks(project)
    MeasuredSpeed(project).look()
    assert len(commands) == 1
    project.edit("batch_tfms.0.size", 48)
    assert asks(project), "this was not tried yet"


def test_nothing_is_timed_for_strangers(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = started(monkeypatch, None)
    project.confined = True
    assert not asks(project) and "after its first run" in said(project)
    MeasuredSpeed(project).look()
    assert not commands


def test_a_run_is_told_what_was_measured(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = project.require_recipe()
    file = speed_file(project.folder, recipe)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"frozen": 1.0, "unfrozen": 2.0, "memory": 500.0}))
    monkeypatch.setattr("plugins.panels.kit.project.project.start", lambda *_, **__: None)
    run = project.start()
    photos = len(project.examined.split.train)  # type: ignore[union-attr]
    hoped = expected(run)
    assert hoped and (hoped.seconds, hoped.memory) == (Speed(1.0, 2.0, 500.0).seconds(recipe, photos), 500.0)
