"""Labels of people in the check and the split: photos without labels are welcome, and validation photos stay."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.data.check import Examined, examine
from core.data.content import digest
from core.data.journal import Journal
from core.data.propose import proposal
from core.events import drain
from core.recipe import Recipe
from core.registry import sources

SPLITTERS = {"stratified": {"seed": 42}, "random": {"seed": 42}}


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Iterator[Path]:
    """24 photos as a camera names them, blue ones before green ones before red ones, of which no file may change."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, file in enumerate(sorted(photos.iterdir())):
        shutil.copy(file, folder / f"IMG_{i:04}.jpg")
    before = sorted(digest(file) for file in folder.rglob("*.jpg"))
    yield folder
    assert sorted(digest(file) for file in folder.rglob("*.jpg")) == before


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """The journal of the workspace."""
    return Journal(tmp_path / "workspace")


def check(folder: Path, journal: Journal, **keys: object) -> Examined:
    source = sources.create("folder", journal.path.parent, path=str(folder))
    recipe, _ = proposal(source(), folder, {"name": "folder", "path": str(folder)})
    document = recipe.to_dict() | keys
    return drain(examine(Recipe.from_dict(document), journal.path.parent))


def sides(found: Examined) -> tuple[set[str], set[str]]:
    """The names of the training and of the validation photos."""
    split = found.split
    train, valid = ({split.items[i].name for i in side} for side in (split.train, split.valid))
    return train, valid


def contents(folder: Path, first: int, last: int) -> list[str]:
    return [digest(folder / f"IMG_{i:04}.jpg") for i in range(first, last)]


def test_photos_of_a_camera_are_labelled_by_hand(folder: Path, journal: Journal) -> None:
    found = check(folder, journal)
    assert len(found.unlabelled) == found.report.unlabelled == 24 and "label more photos" in found.report.warnings[0]
    assert found.unready and found.split.items == [] and "24 photos have no label" in found.report.lines()

    journal.label(contents(folder, 0, 8), "blue")
    assert "only one class" in check(folder, journal).unready
    journal.label(contents(folder, 8, 16), "green")
    found = check(folder, journal)
    assert not found.unready and found.report.counts == {"blue": 8, "green": 8} and found.report.unlabelled == 8
    assert found.report.valid == 4, "a fifth of each class"
    assert found.report.corrected.sentences() == ["16 photos were labelled by hand."]
    train, valid = sides(found)

    journal.label(contents(folder, 16, 24), "red")
    journal.label(contents(folder, 0, 1), "red")
    journal.leave_out(contents(folder, 9, 10))
    journal.rename("green", "blue")
    found = check(folder, journal)
    assert found.report.counts == {"blue": 14, "red": 9}
    assert found.report.skipped[str(folder / "IMG_0009.jpg")] == "left out by you"
    now = sides(found)
    assert now[0] >= train - {"IMG_0009.jpg"} and now[1] >= valid - {"IMG_0009.jpg"}, "each has stayed on its side"


def test_labels_follow_moved_and_renamed_files(folder: Path, journal: Journal) -> None:
    journal.labels(dict.fromkeys(contents(folder, 0, 12), "a") | dict.fromkeys(contents(folder, 12, 24), "b"))
    before = check(folder, journal)
    (folder / "below").mkdir()
    for file in sorted(folder.glob("*.jpg"))[::2]:
        file.rename(folder / "below" / f"moved_{file.name}")
    after = check(folder, journal)
    assert after.report.counts == before.report.counts == {"a": 12, "b": 12}
    assert {name.removeprefix("moved_") for name in sides(after)[1]} == sides(before)[1]
    for file in (folder / "below").iterdir():
        file.rename(folder / file.name)


@pytest.mark.parametrize("name", SPLITTERS)
def test_validation_photos_stay_when_labels_change(
    photos: Path, tmp_path: Path, name: str, recipe_dict: Callable[..., dict[str, object]]
) -> None:
    journal = Journal(tmp_path)
    recipe = Recipe.from_dict(recipe_dict(splitter={"name": name, **SPLITTERS[name]}))
    before = drain(examine(recipe, tmp_path))
    train, valid = sides(before)

    files = sorted(photos.iterdir())
    journal.label([digest(files[0])], "red")
    journal.leave_out([digest(files[9])])
    journal.label([digest(files[10])], None)
    journal.rename("green", "verde")
    found = drain(examine(recipe, tmp_path))
    gone = {files[9].name, files[10].name}
    assert sides(found) == (train - gone, valid - gone)
    assert found.report.counts == {"blue": 7, "red": 9, "verde": 6} and len(found.digests) == 22
    assert found.report.corrected.sentences() == [
        "1 label was changed by a person.",
        "1 photo was left out by a person.",
    ]
    assert found.report.skipped[str(files[10])] == "you took its label away"

    while journal.undo():
        pass
    again = drain(examine(recipe, tmp_path))
    assert again == before and again.split.train == before.split.train


def test_a_splitter_by_folder_takes_photos_labelled_by_hand(folder: Path, journal: Journal) -> None:
    for i, file in enumerate(sorted(folder.iterdir())):
        side = folder / ("train" if i % 4 else "valid")
        side.mkdir(exist_ok=True)
        file.rename(side / file.name)
    files = sorted(folder.rglob("*.jpg"), key=lambda file: file.name)
    choices = {"splitter": {"name": "folder"}, "labeller": {"name": "by_hand"}}
    journal.labels({digest(file): "ab"[i > 3] for i, file in enumerate(files) if i % 4})
    assert "for validation" in check(folder, journal, **choices).unready
    journal.labels({digest(file): "ab"[i > 3] for i, file in enumerate(files) if not i % 4})
    assert sides(check(folder, journal, **choices))[1] == {file.name for file in files[::4]}


@pytest.mark.parametrize("by", ["name", "twins"])
def test_photos_that_a_person_called_the_same_are_not_parted(folder: Path, journal: Journal, by: str) -> None:
    for first, label in ((0, "blue"), (8, "green"), (16, "red")):
        journal.label(contents(folder, first, first + 8), label)
    for pair in zip(contents(folder, 0, 8), contents(folder, 8, 16), strict=True):
        journal.same(*pair)
    train, valid = sides(check(folder, journal, splitter={"name": "group", "by": by, "pattern": r"(.+)\.jpg"}))
    assert len(train) + len(valid) == 24 and any(f"IMG_{n:04}.jpg" in valid for n in range(16))
    assert all((f"IMG_{n:04}.jpg" in valid) == (f"IMG_{n + 8:04}.jpg" in valid) for n in range(8))
