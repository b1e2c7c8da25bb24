"""The installed networks are compared on the photos, and one is taken into the recipe."""

from __future__ import annotations

from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.__main__ import main
from core.errors import BadInput
from core.events import drain
from plugins.panels.kit.insight import process, which_model
from plugins.panels.kit.insight.which_model import WhichModel
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views import which_model as view
from tests.plugins.panels.markup import Page


@pytest.fixture
def project(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path / "workspace")
    project.open({"name": "folder", "path": str(photos)})
    project.edit("item_tfms.0.size", 40)
    project.edit("batch_tfms.0.size", 32)
    drain(project.examine())
    monkeypatch.setattr(which_model, "installed", lambda: ["efficientnet_lite1"])
    return project


def at_once(command: list[str], stdout: Any, **_: Any) -> SimpleNamespace:
    """What the process does, before the next line of the test."""
    with redirect_stdout(open(stdout.fileno(), "w", encoding="utf-8", closefd=False)):
        code = main(["compare", *command[4:]])
    return SimpleNamespace(poll=lambda: code)


def test_a_network_is_compared_and_taken(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Which model?" in Page(view._draw(project)).texts
    monkeypatch.setattr(process, "subprocess", SimpleNamespace(PIPE=None, Popen=at_once))
    view._on_click(project, {"do": "compare"})
    (row,) = WhichModel(project).found
    assert row["architecture"] == {"name": "efficientnet_lite1"}
    texts = Page(view._draw(project)).texts
    assert {"efficientnet_lite1", "apache-2.0", "4.1 million", "Use it"} <= set(texts)
    view._on_click(project, {"do": "take", "network": "efficientnet_lite1"})
    assert project.require_recipe().architecture == {"name": "efficientnet_lite1"}
    assert "chosen" in Page(view._draw(project)).texts
    project.edit("batch_tfms.0.size", 48)
    assert not WhichModel(project).found, "it was about other sizes"


def test_strangers_do_not_start_it(project: Project) -> None:
    project.confined = True
    with pytest.raises(BadInput, match="your own computer"):
        WhichModel(project).look()
    assert not (project.folder / which_model.FOLDER).exists()
