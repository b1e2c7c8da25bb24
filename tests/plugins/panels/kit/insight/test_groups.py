"""Photos that look alike are grouped, offered together, and get the label of their neighbours suggested."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from core.errors import BadInput
from plugins.panels.kit.insight import groups
from plugins.panels.kit.insight.alike import next_group
from plugins.panels.kit.insight.groups import groups_of, ward
from plugins.panels.kit.insight.insight import FOLDER, Insight
from plugins.panels.kit.insight.look import RESULT
from plugins.panels.kit.project.labels import act, photos_of
from plugins.panels.kit.project.project import Project


@pytest.mark.parametrize("clusters", [1, 3, 7, 40])
def test_it_is_ward(clusters: int) -> None:
    points = torch.randn(40, 5, generator=torch.Generator().manual_seed(clusters))
    oracle = AgglomerativeClustering(clusters, linkage="ward").fit_predict(points.numpy())
    assert adjusted_rand_score(oracle, ward(points, clusters)) == 1


def test_groups_are_found_in_parts_of_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "AT_ONCE", 32)
    features = torch.eye(8).repeat_interleave(8, 0) + 0.01 * torch.rand(64, 8)
    assert adjusted_rand_score(groups_of(features, range(64)), torch.arange(64) // 8) == 1
    assert groups_of(features[:0], []) == []


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Project:
    """A project of 24 photos without labels: 8 blue, 8 green, 8 red, found to be four groups."""
    folder = tmp_path / "camera"
    folder.mkdir()
    for i, file in enumerate(sorted(photos.iterdir())):
        shutil.copy(file, folder / f"IMG_{i:04}.jpg")
    project = Project(tmp_path / "workspace")
    project.open({"name": "folder", "path": str(folder)})
    colours = [range(start, start + 8) for start in (0, 8, 16)]
    found = {
        "key": photos_of(project).key,
        "groups": [0] * 8 + [1] * 8 + [2] * 5 + [3] * 3,
        "near": [[j for j in colours[i // 8] if j != i] for i in range(24)],
    }
    (project.folder / FOLDER).mkdir(parents=True)
    (project.folder / FOLDER / RESULT).write_text(json.dumps(found))
    assert Insight(project).found == found
    return project


def label(project: Project, photos: list[int], name: str) -> None:
    """Label photos as the grid does."""
    act(project, {"do": "label", "label": name, "key": photos_of(project).key, "photos": photos})


def test_the_largest_group_comes_first_and_its_likely_label_with_it(project: Project) -> None:
    blue, green, red = list(range(8)), list(range(8, 16)), list(range(16, 24))
    assert next_group(project, set()) == (blue, "")
    label(project, blue[:-1], "blue")
    assert next_group(project, {7}) == (green, "")  # one label in all suggests nothing
    label(project, green, "green")
    assert next_group(project, {7}) == (red[:5], "")
    label(project, red[:5], "red")
    assert next_group(project, {7}) == (red[5:], "red")
    label(project, red[5:], "red")
    assert next_group(project, {7}) == ([7], "blue")  # declined before, and last
    act(project, {"do": "leave_out", "key": photos_of(project).key, "photos": [7]})
    assert next_group(project, {7}) == ([], "")


def test_numbers_of_other_photos_are_refused(project: Project) -> None:
    photos = photos_of(project)
    assert photos.numbered(photos.key, []) == []
    for key, numbers in ((photos.key, [24]), (photos.key, "0"), ("other", [])):
        with pytest.raises(BadInput, match="choose"):
            photos.numbered(key, numbers)
