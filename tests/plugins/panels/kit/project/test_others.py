"""A run of other photos, or of other labels, is said to be one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import BadInput
from core.runs.run import Run
from plugins.panels.kit.project.others import others
from plugins.panels.kit.project.project import Project


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Project:
    project = Project(tmp_path / "workspace")
    project.open({"name": "folder", "path": str(photos)})
    return project


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (None, "from other photos"),
        (["a", "b"], "from other photos: a and b"),
        (["a", "b", "c"], "from other photos: a, b and 1 more"),
        ([], "from other photos"),
        (3, "from other photos"),
    ],
)
def test_other_photos(
    project: Project, draw_photos: Callable[..., Path], tmp_path: Path, classes: object, said: str
) -> None:
    run = Run.create(project.require_recipe(), project.folder)
    if classes is not None:
        run.write("classes.json", json.dumps(classes))
    assert others(project, run) == "" == others(project, None)
    project.open({"name": "folder", "path": str(draw_photos(tmp_path / "more", 4))})
    assert others(project, run) == said


def test_other_labels_and_refused_photos(project: Project) -> None:
    run = Run.create(project.require_recipe(), project.folder)
    project.edit("training.epochs", 7)
    assert others(project, run) == "", "the same photos, trained on differently"
    project.edit("labeller.pattern", "^(.)")
    assert others(project, run) == "with other labels"
    project.refuse(BadInput("These photos cannot be used; bring others."))
    assert others(project, run) == "from other photos"


def test_without_photos_there_are_no_others(project: Project, tmp_path: Path) -> None:
    """As where runs were made by the command line."""
    run = Run.create(project.require_recipe(), tmp_path / "other")
    assert others(Project(tmp_path / "other"), run) == ""
