"""Labels that may be wrong, as Results shows them at each tick."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.events import drain
from plugins.panels.kit.insight.insight import FOLDER
from plugins.panels.kit.insight.look import RESULT
from plugins.panels.kit.project.labels import act, photos_of
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views import suspects
from plugins.panels.kit.views.suspects import _drawn


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Project:
    """A project in which the first photo, blue, looks red."""
    project = Project(tmp_path / "workspace")
    project.open({"name": "folder", "path": str(photos)})
    suspect = {"photo": 0, "label": "blue", "better": "red", "own": 0.1, "copy": False, "near": [16]}
    about = {"key": photos_of(project).key, "labels": project.said}
    (project.folder / FOLDER).mkdir()
    (project.folder / FOLDER / RESULT).write_text(
        json.dumps({**about, "suspects": [suspect], "twins": [], "strangers": []})
    )
    return project


def test_photos_are_not_listed_before_they_are_checked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.forget()
    monkeypatch.setattr(project, "build", lambda *_: pytest.fail("the photos are listed"))
    assert _drawn(project) == ""


def test_it_is_drawn_anew_only_after_a_change(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    drain(project.examine())
    first = _drawn(project)
    assert "It is red" in first
    with monkeypatch.context() as patched:
        patched.setattr(suspects, "Now", lambda _: pytest.fail("every photo is looked at again"))
        assert _drawn(project) == first
    act(project, {"do": "leave_out_of_training", "key": photos_of(project).key, "photos": [0]})
    assert "None left" in _drawn(project), "the list stays while the photos are checked again"
    drain(project.examine())
    second = _drawn(project)
    assert "It is red" not in second and "undo" not in second, "the bar has it"
    assert "look again, as that may show others" in second and "Nothing of this kind was found" not in second
    assert "Nothing of this kind was found" in first, "there are no copies, and no decision since"
