"""A run that failed for want of weights offers a network that needs no download."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import BadInput
from core.events import RunEnded, to_line
from core.model.timm_network import no_weights
from core.runs.run import Run
from plugins.panels.kit.project.cure import cure
from plugins.panels.kit.project.project import Project
from tests.plugins.panels.test_train import train_page


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Project:
    project = Project(tmp_path / "workspace")
    project.open({"name": "folder", "path": str(photos)})
    return project


def failed(project: Project, error: BadInput, network: str = "resnet18") -> Run:
    """A run that ended with this error."""
    run = Run.create(replace(project.require_recipe(), architecture={"name": network}), project.folder)
    run.write("events.jsonl", to_line(RunEnded("failed", str(error))) + "\n")
    return run


def test_a_network_without_a_download_is_offered(project: Project) -> None:
    run = failed(project, no_weights("resnet18", OSError("offline")))
    found = cure(run)
    assert found and found.architecture["name"] == "efficientnet_lite0"
    assert replace(found, architecture=run.recipe.architecture) == run.recipe
    assert "Train with efficientnet_lite0" in train_page(project).texts


@pytest.mark.parametrize(
    ("error", "network"),
    [
        (BadInput("Out of memory with one photo."), "resnet18"),
        (no_weights("efficientnet_lite0", OSError("offline")), "efficientnet_lite0"),
    ],
)
def test_nothing_is_offered_where_it_would_not_help(project: Project, error: BadInput, network: str) -> None:
    assert cure(failed(project, error, network)) is None
    assert not any(text.startswith("Train with") for text in train_page(project).texts)
