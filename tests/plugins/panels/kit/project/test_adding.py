"""Photos that are added to those that were uploaded before."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image

from core.errors import BadInput
from plugins.panels.kit.project import adding
from plugins.panels.kit.project.adding import MOST_NUMBERED, add, adds_to, take
from plugins.panels.kit.project.labels import listed
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.views.drop import Uploaded


def uploads(tmp_path: Path, *names: str) -> Sequence[Uploaded]:
    """Uploaded photos of these relative names, all different."""
    files = []
    for number, name in enumerate(names):
        file = tmp_path / f"upload-{name.replace('/', '-')}"
        Image.new("RGB", (40, 40), (9 * len(name), 90 * number, 90)).save(file)
        files.append(Uploaded(file, PurePosixPath(name)))
    return files


def labels(project: Project) -> Counter[str]:
    """How many photos have each label now, "" for none."""
    rows = listed(project)
    return Counter(rows["vocab"][n] if n >= 0 else "" for n in rows["labels"])


@pytest.mark.parametrize(
    ("names", "label", "more"),
    [
        (("green/1.jpg", "green/2.jpg"), "", {"green": 2}),  # a folder of one label
        (("more/blue/blue_1.jpg", "more/pink/1.jpg"), "", {"blue": 1, "pink": 1}),  # folders of labels
        (("IMG_1.jpg", "IMG_2.jpg"), "", {"": 2}),  # no label
        (("camera-1.jpg",), "x" * 300, {"x" * 300: 1}),  # longer than a name may be
        (("camera-1.jpg",), "a\0b", {"a\0b": 1}),
        (("camera-1.jpg",), "a/../b", {"a/../b": 1}),  # taken for a label that is no name of a folder
    ],
)
def test_added_photos_get_the_labels_that_they_come_with(
    project: Project, tmp_path: Path, names: Sequence[str], label: str, more: dict[str, int]
) -> None:
    root = adds_to(project)
    assert root is not None and labels(project) == {"blue": 8, "red": 8}
    add(project, list(uploads(tmp_path, *names)), label)
    assert labels(project) == Counter({"blue": 8, "red": 8}) + Counter(more)
    assert len(list(root.rglob("*.jpg"))) == 16 + len(names)
    assert all(file.resolve().is_relative_to(root) for file in root.rglob("*"))


def test_the_same_photo_is_not_added_twice(project: Project, tmp_path: Path) -> None:
    files = list(uploads(tmp_path, "1.jpg"))
    add(project, files)
    with pytest.raises(BadInput, match="here already"):
        add(project, files)


def test_photos_of_one_name_are_kept_without_counting_them_each_time(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []
    link = os.link
    monkeypatch.setattr(os, "link", lambda *paths: (tried.append(paths), link(*paths)))
    (tmp_path / "up").mkdir()
    files = []
    for number in range(60):
        (file := tmp_path / "up" / f"{number}.jpg").write_bytes(b"photo %d" % number)
        files.append(Uploaded(file, PurePosixPath("green", "same.jpg")))
    add(project, files)
    assert labels(project)["green"] == 60 and len(tried) < 60 * (MOST_NUMBERED + 3)


def test_what_the_camera_did_not_take_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path / "workspace")
    (tmp_path / "table.csv").write_text("x")
    monkeypatch.setattr(adding, "received", lambda data: [Uploaded(tmp_path / "table.csv", PurePosixPath("table.csv"))])
    with pytest.raises(BadInput, match="not a photo"):
        take(project, {"label": "a"})
    assert not project.folder.exists() or not any(project.folder.rglob("*.csv"))


def test_nothing_is_added_to_photos_that_were_not_uploaded(tmp_path: Path, photos: Path) -> None:
    project = Project(tmp_path / "workspace")
    project.open({"name": "folder", "path": str(photos)})
    assert adds_to(project) is None
    with pytest.raises(BadInput, match="not changed"):
        add(project, list(uploads(tmp_path, "1.jpg")))
