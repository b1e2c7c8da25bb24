"""What the grid of photos shows, and what a person says about them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.data import photo
from core.errors import BadInput
from core.events import drain
from plugins.panels.kit.project.labels import CHANGED, LEFT_OUT, act, listed, photos_of
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.project.thumbnails import KEPT, NAME, SIDE, thumbnails


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Project:
    """A project of 24 photos, checked."""
    project = Project(tmp_path / "workspace")
    project.open({"name": "folder", "path": str(photos)})
    drain(project.examine())
    return project


def labels(project: Project) -> Counter[str]:
    """How many photos have each label now, "" for none."""
    rows = listed(project)
    return Counter(rows["vocab"][n] if n >= 0 else "" for n in rows["labels"])


def test_what_a_person_says_is_shown_and_undone(project: Project, photos: Path) -> None:
    before = {file: file.read_bytes() for file in photos.iterdir()}
    rows = listed(project)
    assert rows["names"][0] == "blue_1.jpg" and Counter(rows["sets"]) == {1: 18, 2: 6}
    assert labels(project) == {"blue": 8, "green": 8, "red": 8}

    said = act(project, {"do": "label", "label": " sky ", "key": rows["key"], "photos": [0, 1, 1]})
    assert said == "2 photos labelled sky." and labels(project)["sky"] == 2
    assert listed(project)["flags"][:3] == [CHANGED, CHANGED, 0]
    assert project.examined is None  # the next check counts with the new labels
    assert listed(project)["sets"] == rows["sets"], "until then each photo stays in its set"
    act(project, {"do": "leave_out", "key": rows["key"], "photos": [5]})
    assert listed(project)["flags"][5] == LEFT_OUT
    act(project, {"do": "rename", "old": "red", "label": "sky"})  # merges the two
    assert labels(project) == {"blue": 6, "green": 8, "sky": 10}

    for _ in range(3):
        assert act(project, {"do": "undo"}).startswith("Undone: ")
    assert labels(project) == {"blue": 8, "green": 8, "red": 8} and not any(listed(project)["flags"])
    assert act(project, {"do": "undo"}) == "There is nothing to undo."
    assert act(project, {"do": "redo"}) == "Redone: 2 photos labelled sky."
    assert labels(Project(project.folder))["sky"] == 2  # another browser sees the same
    assert {file: file.read_bytes() for file in photos.iterdir()} == before


@pytest.mark.parametrize("numbers", [[24], [-1], [True], ["0"], [0.5], [], None, {"0": 1}])
def test_numbers_that_are_no_photos_are_refused(project: Project, numbers: Any) -> None:
    rows = listed(project)
    with pytest.raises(BadInput, match="choose at least one"):
        act(project, {"do": "label", "label": "sky", "key": rows["key"], "photos": numbers})
    assert labels(project)["sky"] == 0


def test_a_list_that_has_changed_is_refused(project: Project) -> None:
    with pytest.raises(BadInput, match="choose again"):
        act(project, {"do": "label", "label": "sky", "key": "of another list", "photos": [0]})
    with pytest.raises(BadInput, match="Type a label"):
        act(project, {"do": "label", "label": "  ", "key": listed(project)["key"], "photos": [0]})


def test_photos_are_read_only_for_the_thumbnails_that_are_asked_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(file: Path, side: int) -> Image.Image:
        read.append(file.name)
        return photo.thumbnail(file, side)

    shown = photos_of(project)
    wanted = [(shown.contents[i], shown.files[i]) for i in (3, 4)]
    folder = project.folder / "insight"
    jpegs = thumbnails(folder, wanted, counted)
    assert read == ["blue_4.jpg", "blue_5.jpg"] and all(jpeg[:2] == b"\xff\xd8" for jpeg in jpegs)
    assert thumbnails(folder, wanted, counted) == jpegs and len(read) == 2  # kept by content
    (folder / NAME).write_bytes(b"damaged" * 999)
    assert thumbnails(folder, wanted, counted) == jpegs and len(read) == 4
    assert thumbnails(folder, [("0" * 24, folder / "absent.jpg")]) == [b""]
    assert SIDE <= 160 and KEPT < 100_000

    listing = photos_of(project)
    monkeypatch.setattr(project, "build", lambda *_: pytest.fail("the photos are listed again"))
    act(project, {"do": "label", "label": "sky", "key": listing.key, "photos": list(range(24))})
    assert photos_of(project) is listing and listed(project)["names"] is listing.names


def test_labels_of_a_table_are_undone_at_once(project: Project) -> None:
    first, second, *_, last = photos_of(project).contents
    project.journal.labels({first: "sky", second: "sea"}, left_out=[last])
    assert {"sky", "sea"} <= labels(project).keys()
    assert act(project, {"do": "undo"}) == "Undone: labels of 3 photos from a table."
    assert labels(project) == {"blue": 8, "green": 8, "red": 8}
