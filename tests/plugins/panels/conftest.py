"""What tests of several panels share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from plugins.panels.kit.project.project import Project


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Project:
    """A project of uploaded photos in a folder for each of two colours."""
    project = Project(tmp_path / "workspace")
    root = project.folder / "photos" / "2026-01-01_00-00-00-ab" / "colours"
    for file in photos.glob("[br]*.jpg"):
        target = root / file.name.split("_")[0] / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    project.open({"name": "folder", "path": str(root)})
    return project
