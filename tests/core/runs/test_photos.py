"""A run goes on with the photos it began with: what became of them is said, and no validation photo is learnt."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.atomic import sha256
from core.data.check import Examined, examine
from core.errors import BadInput
from core.events import Event, Notice, PhotoSkipped, RunEnded, RunStarted, StepEnded, drain
from core.model.folder import load_model
from core.recipe import Recipe
from core.runs.photos import compare, recall
from core.runs.run import Run
from core.runs.train import RunOptions, train

TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}
COLOURS = ("blue", "green", "red")
Begin = Callable[[dict[str, Any]], Run]


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    """24 photos that a test may change, in a folder for each class: red/red_1.jpg."""
    folder = tmp_path / "photos"
    for photo in sorted(photos.iterdir()):
        target = folder / photo.stem.split("_")[0]
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, target)
    return folder


@pytest.fixture
def begin(recipe_dict: Callable[..., dict[str, Any]], folder: Path, tmp_path: Path) -> Begin:
    """A run on those photos that was stopped after three steps."""

    def make(labeller: dict[str, Any]) -> Run:
        document = recipe_dict(source={"name": "folder", "path": str(folder)}, labeller=labeller, architecture=TINY)
        run = Run.create(Recipe.from_dict(document), tmp_path / "w")
        steps = 0
        for event in train(run):
            steps += isinstance(event, StepEnded)
            if steps == 3:
                run.stop()
        assert run.status == "stopped"
        return run

    return make


def refused(run: Run) -> str:
    """The sentence with which it is refused to go on; nothing is trained."""
    before = len(run.events())
    with pytest.raises(BadInput) as caught:
        list(train(run))
    sentence = str(caught.value)
    assert sentence.startswith("The photos have changed since this run started: ")
    assert "--accept-changes" in sentence and "\n" not in sentence and sentence.endswith(".")
    new = run.events()[before:]
    assert run.status == "stopped", "a refusal changes nothing"
    assert Notice(f"not resumed: {sentence}") in new
    assert not any(isinstance(e, StepEnded) for e in new)
    return sentence.removeprefix("The photos have changed since this run started: ").split(". Continue with")[0]


def accepted(run: Run, said: str) -> list[Event]:
    """The events of going on nevertheless, to the end; the split is what it was, and the changes are said."""
    splits = (run.folder / "splits.json").read_bytes()
    vocab = sorted({label for label, _ in json.loads((run.folder / "photos.json").read_text()).values()})
    events = list(train(run, options=RunOptions(accept_changes=True)))
    assert isinstance(events[-1], RunEnded) and events[-1].status == "completed" and run.status == "completed"
    assert any(isinstance(e, Notice) and e.message.endswith(said) and "warning" in e.message for e in events)
    assert (run.folder / "splits.json").read_bytes() == splits
    assert load_model(run.folder).vocab == vocab
    (started,) = (e for e in events if isinstance(e, RunStarted))
    assert (started.classes, started.train, started.valid) == (3, 20, 4)
    return events


def goes_on(run: Run) -> None:
    """Without a word about photos, to the end."""
    events = list(train(run))
    assert run.status == "completed"
    assert not any(isinstance(e, Notice) and "changed" in e.message for e in events)


def contents(files: Iterator[Path] | list[Path]) -> set[str]:
    return {sha256(f) for f in files if f.exists()}


def sides(run: Run, folder: Path) -> dict[str, list[Path]]:
    return {side: [folder / n for n in names] for side, names in json.loads(run.read("splits.json")).items()}


def examined_now(run: Run) -> Examined:
    return drain(examine(run.recipe, run.workspace))


def test_photos_that_are_as_they_were_go_on(begin: Begin) -> None:
    goes_on(begin({"name": "folder"}))


def test_photos_that_were_touched_or_copied_without_a_change_are_the_same(begin: Begin, folder: Path) -> None:
    run = begin({"name": "folder"})
    for i, photo in enumerate(sorted(folder.rglob("*.jpg"))):
        os.utime(photo, (1_000_000_000 + i, 1_000_000_000 + i))
    copy = shutil.copytree(folder / "red", folder.parent / "copy")  # other inodes, other times
    shutil.rmtree(folder / "red")
    copy.rename(folder / "red")
    goes_on(run)


def test_an_added_photo_is_named_and_not_trained_on(begin: Begin, folder: Path, data_photo: Path) -> None:
    run = begin({"name": "folder"})
    shutil.copy(data_photo, folder / "red" / "new.jpg")
    said = refused(run)
    assert said == "1 added ('red/new.jpg')"
    accepted(run, said)  # counts as before, so it is on neither side


def test_several_added_photos_are_counted_and_the_first_is_named(
    begin: Begin, folder: Path, draw_photos: Callable[..., Path]
) -> None:
    run = begin({"name": "folder"})
    for colour in COLOURS:
        draw_photos(folder / colour / "more", count=2, seed=9, colours=(colour,))
        for photo in (folder / colour / "more").iterdir():
            photo.rename(folder / colour / f"more_{photo.name}")
        (folder / colour / "more").rmdir()
    said = refused(run)
    assert said == "6 added (such as 'blue/more_blue_1.jpg')"
    accepted(run, said)


def test_a_photo_that_is_gone_is_named_and_left_out(begin: Begin, folder: Path) -> None:
    run = begin({"name": "folder"})
    gone = sides(run, folder)["train"][0]
    gone.unlink()
    said = refused(run)
    assert said == f"1 gone ('{gone.relative_to(folder).as_posix()}')"
    events = accepted(run, said)
    assert {e.path for e in events if isinstance(e, PhotoSkipped)} == {str(gone)}


def test_a_validation_photo_that_is_gone_is_not_replaced(begin: Begin, folder: Path) -> None:
    run = begin({"name": "folder"})
    gone = sides(run, folder)["valid"][0]
    gone.unlink()
    said = refused(run)
    assert said == f"1 gone ('{gone.relative_to(folder).as_posix()}')"
    events = accepted(run, said)
    assert {e.path for e in events if isinstance(e, PhotoSkipped)} == {str(gone)}


def test_an_edited_photo_is_named(begin: Begin, folder: Path, data_photo: Path) -> None:
    run = begin({"name": "folder"})
    shutil.copy(data_photo, folder / "green" / "green_3.jpg")
    said = refused(run)
    assert said == "1 edited ('green/green_3.jpg')"
    accepted(run, said)


def test_a_photo_that_can_no_longer_be_read_is_named(begin: Begin, folder: Path) -> None:
    run = begin({"name": "folder"})
    broken = sides(run, folder)["train"][0]
    broken.write_bytes(broken.read_bytes()[:200])
    said = refused(run)
    assert broken.relative_to(folder).as_posix() in said
    events = accepted(run, said)
    assert {e.path for e in events if isinstance(e, PhotoSkipped)} == {str(broken)}


def test_a_renamed_class_is_said_with_both_names(begin: Begin, folder: Path) -> None:
    run = begin({"name": "folder"})
    valid = contents(sides(run, folder)["valid"])
    (folder / "blue").rename(folder / "navy")
    said = refused(run)
    assert said.startswith("8 moved (such as 'blue/blue_") and said.count(",") == 1
    assert said.endswith("8 of the class 'blue' now of 'navy'")
    split, changes = recall(run, examined_now(run))
    assert contents([split.items[i] for i in split.valid]) == valid
    assert {name.split("/")[0] for name in changes.moved.values()} == {"navy"}
    events = accepted(run, said)
    assert not any(isinstance(e, PhotoSkipped) for e in events)  # they are found where they are now


def test_photos_that_moved_but_mean_the_same_are_said(begin: Begin, folder: Path) -> None:
    run = begin({"name": "regex"})  # by the name of the file, wherever it lies
    (folder / "red").rename(folder / "deep")
    said = refused(run)
    assert said.startswith("8 moved (such as 'red/") and "class" not in said
    events = accepted(run, said)
    assert not any(isinstance(e, PhotoSkipped) for e in events)


def test_a_new_label_for_the_same_photo_is_said(begin: Begin, folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = [f"{p.name},{p.parent.name}" for p in sorted(folder.rglob("*.jpg"))]
    table.write_text("\n".join(["name,label", *rows]))
    run = begin({"name": "csv", "path": str(table)})
    table.write_text(table.read_text().replace("red_2.jpg,red", "red_2.jpg,blue"))
    said = refused(run)
    assert said == "1 of the class 'red' now of 'blue'"
    accepted(run, said)


def test_all_that_changed_stands_in_one_sentence(begin: Begin, folder: Path, data_photo: Path) -> None:
    run = begin({"name": "folder"})
    shutil.copy(data_photo, folder / "red" / "new.jpg")
    (folder / "green" / "green_1.jpg").unlink()
    shutil.copy(data_photo, folder / "green" / "green_3.jpg")
    (folder / "blue" / "blue_1.jpg").rename(folder / "red" / "was_blue.jpg")
    said = refused(run)
    for part in (
        "1 added ('red/new.jpg')",
        "1 gone ('green/green_1.jpg')",
        "1 edited ('green/green_3.jpg')",
        "1 moved ('blue/blue_1.jpg')",
        "1 of the class 'blue' now of 'red'",
    ):
        assert part in said
    accepted(run, said)


def test_no_validation_photo_is_trained_on_wherever_it_went(begin: Begin, folder: Path) -> None:
    """Every photo is given another name and folder, so that the splitter alone would divide them anew."""
    run = begin({"name": "regex"})
    before = {side: contents(files) for side, files in sides(run, folder).items()}
    photos = sorted(folder.rglob("*.jpg"))
    for i, photo in enumerate(photos):
        colour = photo.stem.split("_")[0]
        (folder / "all").mkdir(exist_ok=True)
        photo.rename(folder / "all" / f"{colour}_{100 + len(photos) - i}.jpg")
    found = examined_now(run)
    split, changes = recall(run, found)
    assert (len(changes.moved), changes.added, changes.gone, changes.edited) == (24, [], [], [])
    assert contents([split.items[i] for i in split.valid]) == before["valid"]
    assert contents([split.items[i] for i in split.train]) == before["train"]
    anew = {sha256(found.split.items[i]) for i in found.split.valid}
    assert anew != before["valid"]  # the test could fail
    accepted(run, refused(run))


def test_no_validation_photo_is_trained_on_after_photos_were_numbered_anew(begin: Begin, folder: Path) -> None:
    """The first photo of a class is deleted and the others move up by one, so that every name means another photo."""
    run = begin({"name": "folder"})
    valid = sides(run, folder)["valid"]
    before = contents(valid)
    colour = next(f.parent.name for f in valid if f.stem[-1] != "1")
    (folder / colour / f"{colour}_1.jpg").unlink()
    for i in range(2, 9):
        (folder / colour / f"{colour}_{i}.jpg").rename(folder / colour / f"{colour}_{i - 1}.jpg")
    split, _ = recall(run, examined_now(run))
    assert not contents([split.items[i] for i in split.train]) & before


def test_of_photos_with_one_content_each_keeps_its_own_place() -> None:
    """Copies of a photo that were moved are matched one to one, and what is left over was added or is gone."""
    before = {"a/1.jpg": ("a", "same"), "a/2.jpg": ("a", "same"), "b/3.jpg": ("b", "other")}
    now = {"c/1.jpg": ("a", "same"), "c/2.jpg": ("a", "same"), "c/9.jpg": ("a", "same"), "b/3.jpg": ("b", "other")}
    changes = compare(before, now)
    assert sorted(changes.moved) == ["a/1.jpg", "a/2.jpg"]
    assert len({*changes.moved.values()}) == 2
    assert (len(changes.added), changes.gone, changes.edited, changes.labels) == (1, [], [], {})
    changes = compare(now, before)
    assert (len(changes.moved), len(changes.gone), changes.added) == (2, 1, [])


def test_a_copy_beside_a_photo_that_stayed_was_added_and_not_moved() -> None:
    before = {"a/1.jpg": ("a", "x")}
    changes = compare(before, {**before, "a/1 copy.jpg": ("a", "x")})
    assert changes.added == ["a/1 copy.jpg"] and not changes.moved
    assert not compare(before, dict(before))


@pytest.mark.parametrize("name", ["photos.json", "splits.json"])
def test_a_damaged_list_of_photos_is_one_sentence(name: str, begin: Begin) -> None:
    run = begin({"name": "folder"})
    (run.folder / name).write_text((run.folder / name).read_text()[:-20])
    with pytest.raises(BadInput, match=r"list of photos of .+ is damaged .+; train a new run\.$"):
        list(train(run))
    assert run.status == "stopped"


@pytest.fixture
def data_photo(tmp_path: Path, draw_photos: Callable[..., Path]) -> Path:
    """A photo that is not among the others."""
    return draw_photos(tmp_path / "other", count=1, seed=77, colours=("red",)) / "red_1.jpg"
