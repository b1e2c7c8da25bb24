"""The installed networks are compared on the photos, and one is taken into the recipe."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import BadInput
from core.events import drain
from plugins.panels.kit.insight import compare, process, which_model
from plugins.panels.kit.insight.which_model import WhichModel, network_named
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


def at_once(command: list[str], **_: Any) -> SimpleNamespace:
    """What the process does, before the next line of the test."""
    code = compare.main(Path(command[4]))
    return SimpleNamespace(poll=lambda: code, pid=0)


def test_a_network_is_compared_and_taken(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Which model?" in Page(view._draw(project)).texts
    monkeypatch.setattr(process, "subprocess", SimpleNamespace(PIPE=None, Popen=at_once))
    view._on_click(project, {"do": "compare", "value": ""})
    (row,) = WhichModel(project).found
    assert row["architecture"] == {"name": "efficientnet_lite1"}
    texts = Page(view._draw(project)).texts
    assert {"efficientnet_lite1", "apache-2.0", "4.1 million", "Use it"} <= set(texts)
    view._on_click(project, {"do": "take", "network": "efficientnet_lite1"})
    assert project.require_recipe().architecture == {"name": "efficientnet_lite1"}
    assert "chosen" in Page(view._draw(project)).texts
    assert WhichModel(project).current
    project.edit("batch_tfms.0.size", 48)
    assert not WhichModel(project).current, "it was about other sizes"
    assert any("compare again" in text for text in Page(view._draw(project)).texts)


def test_more_networks_are_compared_and_remembered(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "subprocess", SimpleNamespace(PIPE=None, Popen=at_once))
    view._on_click(project, {"do": "compare", "value": "efficientnet_lite0, efficientnet_lite1"})
    assert {row["architecture"]["name"] for row in WhichModel(project).found} == {
        "efficientnet_lite0",
        "efficientnet_lite1",
    }
    fields = Page(view._draw(project)).all("input")
    assert [field["value"] for field in fields] == ["efficientnet_lite0"], "the installed one is compared anyway"
    with pytest.raises(BadInput, match="'resnet35'"):
        view._on_click(project, {"do": "compare", "value": "resnet35"})
    assert network_named("test_resnet") == {"name": "timm", "model": "test_resnet"}


def test_a_failure_keeps_the_figures_before_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "subprocess", SimpleNamespace(PIPE=None, Popen=at_once))
    WhichModel(project).look()
    before = WhichModel(project).found

    def fail(command: list[str], stdout: Any, **_: Any) -> SimpleNamespace:
        stdout.write(b"error: There are no weights.\n")
        return SimpleNamespace(poll=lambda: 2, pid=0)

    monkeypatch.setattr(process, "subprocess", SimpleNamespace(PIPE=None, Popen=fail))
    WhichModel(project).look()
    assert WhichModel(project).found == before
    assert "There are no weights." in Page(view._draw(project)).texts


def test_strangers_do_not_start_it(project: Project) -> None:
    project.confined = True
    with pytest.raises(BadInput, match="your own computer"):
        WhichModel(project).look()
    assert not (project.folder / which_model.FOLDER).exists()
