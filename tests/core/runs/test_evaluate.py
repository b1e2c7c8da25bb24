"""A run is scored on its own photos, wherever they lie now, or on others; what cannot be scored is said with why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.data.content import digest
from core.data.journal import Journal
from core.errors import BadInput
from core.events import RunEnded
from core.model.folder import load_model
from core.recipe import Recipe
from core.registry import sources
from core.runs.evaluate import evaluate
from core.runs.predictions import predictions_of
from core.runs.run import Run
from core.runs.train import train
from core.training.metrics import wilson_interval

MakeRecipe = Callable[..., dict[str, Any]]
DrawPhotos = Callable[..., Path]
BREEDS = {"american_bulldog": "red", "saint_bernard": "blue"}


@pytest.fixture(scope="module")
def trained_once(recipe_dict: MakeRecipe, draw_photos: DrawPhotos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run on the photos beside it, which lie in a folder a class."""
    folder = tmp_path_factory.mktemp("breeds")
    for breed, colour in BREEDS.items():
        draw_photos(folder / "photos" / breed, count=8, colours=(colour,))
    tiny = {"name": "timm", "model": "test_resnet", "pretrained": False}
    source = {"name": "folder", "path": str(folder / "photos")}
    document = recipe_dict(source=source, labeller={"name": "folder"}, architecture=tiny)
    for _ in train(Run.create(Recipe.from_dict(document), folder)):
        pass
    return folder


@pytest.fixture
def mine(trained_once: Path, tmp_path: Path) -> Run:
    """A run and its photos, `photos` in its workspace, with which a test may do what it likes."""
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    (folder,) = (tmp_path / "runs").iterdir()
    recipe = folder / "recipe.json"
    recipe.write_text(recipe.read_text().replace(str(trained_once), str(tmp_path)))
    return Run(folder)


def validation(run: Run) -> list[Path]:
    """Where its validation photos were."""
    return [run.workspace / "photos" / name for name in json.loads(run.read("splits.json"))["valid"]]


def test_evaluate_on_the_own_validation_photos_repeats_the_end(trained: Run, workspace: Path) -> None:
    result = evaluate(trained, workspace)
    end = trained.events()[-1]
    assert isinstance(end, RunEnded)
    assert (result["accuracy"], result["n"]) == (end.metrics["accuracy"], 4)
    assert result["skipped"] == {}
    validated = predictions_of(trained)
    for (_, logits), before in zip(
        load_model(trained.folder).predict_many(validated.items), validated.logits, strict=True
    ):
        assert torch.allclose(logits, before, atol=1e-3), "the saved model predicts as it was validated"


def test_evaluate_on_another_folder(
    trained: Run, workspace: Path, draw_photos: Callable[..., Path], tmp_path: Path
) -> None:
    other = draw_photos(tmp_path / "other", count=6, seed=5)
    shutil.copy(other / "red_1.jpg", other / "violet_1.jpg")  # a class that the model does not know
    (other / "red_77.jpg").write_bytes(b"no photo")
    shutil.copy(other / "red_1.jpg", other / "nameless.jpg")
    result = evaluate(trained, workspace, str(other))
    assert result["n"] == 18
    model = load_model(trained.folder)
    files = [f for f in sorted(other.glob("*_*.jpg")) if f.stem not in ("violet_1", "red_77")]
    right = sum(model.predict(f)[0] == f.name.split("_")[0] for f in files)
    assert result["accuracy"] == pytest.approx(right / 18)
    assert result["interval"] == pytest.approx(wilson_interval(right / 18, 18))
    assert [row["n"] for row in result["per_class"]] == [6, 6, 6]
    skipped = {Path(path).name: reason for path, reason in result["skipped"].items()}
    assert skipped.keys() == {"violet_1.jpg", "red_77.jpg", "nameless.jpg"}
    assert "'violet'" in skipped["violet_1.jpg"]
    json.dumps(result)


def test_evaluate_with_another_labeller(
    trained: Run, workspace: Path, draw_photos: Callable[..., Path], tmp_path: Path
) -> None:
    for colour in ("blue", "red"):
        draw_photos(tmp_path / "by_folder" / colour, count=2, colours=(colour,))
    result = evaluate(trained, workspace, str(tmp_path / "by_folder"), "folder")
    assert [row["n"] for row in result["per_class"]] == [2, 0, 2]
    assert result["per_class"][1]["recall"] is None
    again = evaluate(
        trained, workspace, str(tmp_path / "by_folder"), '{"name": "regex", "pattern": "(.+)_[0-9]+.jpg$"}'
    )
    assert again["accuracy"] == result["accuracy"]


def test_a_table_of_the_photos_that_are_scored_goes_before_that_of_the_training_photos(
    mine: Run, draw_photos: DrawPhotos
) -> None:
    """Both list photos of the same names, as tables of numbered photos do."""
    for folder, breed in (("photos", "saint_bernard"), ("others", "american_bulldog")):
        photos = draw_photos(mine.workspace / folder, count=2, colours=("red",))
        names = [file.name for file in photos.glob("*.jpg")]
        (mine.workspace / folder / "labels.csv").write_text("".join(f"{name},{breed}\n" for name in ["name", *names]))
    recipe = json.loads((mine.folder / "recipe.json").read_text())
    recipe["labeller"] = {"name": "csv", "path": str(mine.workspace / "photos/labels.csv")}
    (mine.folder / "recipe.json").write_text(json.dumps(recipe))
    result = evaluate(mine, mine.workspace, str(mine.workspace / "others"))
    assert [row["n"] for row in result["per_class"]] == [2, 0]


def with_table(run: Run, folder: Path, breed: str) -> None:
    """A table of the photos in a folder becomes the run's labeller."""
    rows = [f"{file.name},{breed}\n" for file in sorted(folder.rglob("*.jpg"))]
    (folder / "labels.csv").write_text("".join(["name,breed\n", *rows]))
    recipe = json.loads((run.folder / "recipe.json").read_text())
    recipe["labeller"] = {"name": "csv", "path": str(folder / "labels.csv")}
    (run.folder / "recipe.json").write_text(json.dumps(recipe))


def test_photos_of_others_do_not_get_the_labels_of_the_training_table(
    mine: Run, draw_photos: DrawPhotos, tmp_path: Path
) -> None:
    """Numbers are the names of all sorts of photos."""
    with_table(mine, draw_photos(mine.workspace / "photos/new", count=4, colours=("red",)), "saint_bernard")
    for breed in BREEDS:
        draw_photos(tmp_path / "strange" / breed, count=4, colours=("red",))
    result = evaluate(mine, mine.workspace, str(tmp_path / "strange"))
    assert [row["n"] for row in result["per_class"]] == [4, 4]
    assert "labels from the folders" in result["labels"]
    unlabelled = draw_photos(tmp_path / "unlabelled", count=4, colours=("red",))
    with pytest.raises(BadInput, match=r"labels\.csv' lists other photos.*--labeller"):
        evaluate(mine, mine.workspace, str(unlabelled))


def test_a_zip_with_its_table_in_another_workspace(mine: Run, draw_photos: DrawPhotos, tmp_path: Path) -> None:
    packed = draw_photos(tmp_path / "packed", count=4, colours=("red",))
    with_table(mine, packed, "saint_bernard")
    archive = shutil.make_archive(str(tmp_path / "all"), "zip", packed)
    recipe = json.loads((mine.folder / "recipe.json").read_text())
    root = sources.build({"name": "zip", "path": archive}, tmp_path / "first").root
    recipe |= {
        "source": {"name": "zip", "path": archive},
        "labeller": {"name": "csv", "path": str(root / "labels.csv")},
    }
    (mine.folder / "recipe.json").write_text(json.dumps(recipe))
    shutil.rmtree(tmp_path / "first")
    result = evaluate(mine, tmp_path / "second", archive)
    assert ([row["n"] for row in result["per_class"]], result["labels"]) == ([0, 4], "")


def test_a_part_of_the_runs_own_photos_gets_the_labels_of_its_table(mine: Run, draw_photos: DrawPhotos) -> None:
    draw_photos(mine.workspace / "photos/new", count=4, colours=("red",))
    with_table(mine, mine.workspace / "photos", "saint_bernard")
    result = evaluate(mine, mine.workspace, str(mine.workspace / "photos/new"))
    assert ([row["n"] for row in result["per_class"]], result["labels"]) == ([0, 4], "")


def test_evaluate_on_nothing_it_knows(trained: Run, workspace: Path, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "strange"
    folder.mkdir()
    shutil.copy(photos / "red_1.jpg", folder / "violet_1.jpg")
    with pytest.raises(BadInput, match="None of these photos can be scored"):
        evaluate(trained, workspace, str(folder))
    with pytest.raises(BadInput, match="no folder"):
        evaluate(trained, workspace, str(tmp_path / "nowhere"))
    with pytest.raises(BadInput, match="neither a name nor JSON"):
        evaluate(trained, workspace, str(folder), "{name: regex}")
    with pytest.raises(BadInput, match="'rgx'"):
        evaluate(trained, workspace, str(folder), "rgx")


def test_photos_that_were_moved_are_scored_as_they_were(mine: Run) -> None:
    before = evaluate(mine, mine.workspace)
    first, second, *_ = validation(mine)
    (mine.workspace / "photos/sorted later/deep").mkdir(parents=True)
    shutil.move(first, mine.workspace / "photos/sorted later/deep/0001.jpg")
    shutil.move(second, second.with_name("another name.jpg"))
    assert evaluate(mine, mine.workspace) == before
    assert (before["n"], before["skipped"], before["trained_on"]) == (3, {}, 0)


def test_two_photos_that_have_changed_places_are_known_by_their_content(mine: Run) -> None:
    before = evaluate(mine, mine.workspace)
    names = json.loads(mine.read("splits.json"))
    one, other = (mine.workspace / "photos" / names[side][0] for side in ("train", "valid"))
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0]), one.write_bytes(contents[1])
    assert evaluate(mine, mine.workspace) == before


def test_photos_that_are_gone_are_said_to_be(mine: Run) -> None:
    first, *rest = validation(mine)
    first.unlink()
    result = evaluate(mine, mine.workspace)
    assert result["n"] == len(rest)
    assert result["skipped"].keys() == {str(first)} and "gone" in result["skipped"][str(first)]
    for file in rest:
        file.unlink()
    with pytest.raises(BadInput, match=r"None of these photos can be scored; the first is .* gone"):
        evaluate(mine, mine.workspace)


def test_a_photo_that_was_changed_in_its_place_is_scored(mine: Run) -> None:
    file = validation(mine)[0]
    file.write_bytes(file.read_bytes() + b"a comment")
    assert evaluate(mine, mine.workspace)["n"] == 3


def test_photos_that_were_trained_on_are_counted_by_their_content(mine: Run, draw_photos: DrawPhotos) -> None:
    photos = mine.workspace / "photos"
    assert evaluate(mine, mine.workspace, str(photos))["trained_on"] == 13  # of the 16
    shutil.copytree(photos / "saint_bernard", mine.workspace / "copies/saint_bernard")
    for i, file in enumerate(sorted((mine.workspace / "copies/saint_bernard").iterdir())):
        file.rename(file.with_name(f"{i:04}.jpg"))
    here = sum("saint_bernard" in name for name in json.loads(mine.read("splits.json"))["train"])
    assert evaluate(mine, mine.workspace, str(mine.workspace / "copies"))["trained_on"] == here
    draw_photos(mine.workspace / "new/saint_bernard", count=3, colours=("green",), seed=9)
    assert evaluate(mine, mine.workspace, str(mine.workspace / "new"))["trained_on"] == 0


@pytest.mark.parametrize("damage", ["{}", "[]", "", '{"a": 1}', None])
def test_who_trained_on_what_need_not_be_known(mine: Run, damage: str | None) -> None:
    list_of_photos = mine.folder / "photos.json"
    list_of_photos.unlink() if damage is None else list_of_photos.write_text(damage)
    assert evaluate(mine, mine.workspace, str(mine.workspace / "photos"))["trained_on"] is None
    with pytest.raises(BadInput, match=r"photos.*(damaged|cannot be read)"):
        evaluate(mine, mine.workspace)


@pytest.fixture
def others(mine: Run, draw_photos: DrawPhotos) -> Callable[..., str]:
    """Photos in folders of these names."""

    def make(*names: str) -> str:
        for name in names:
            draw_photos(mine.workspace / "others" / name, count=2, colours=("red",), seed=3)
        return str(mine.workspace / "others")

    return make


@pytest.mark.parametrize(
    "name", ["American Bulldog", "american-bulldogs", "AmericanBulldog", "am\u00e9rican_bulldog", "americn_bulldog"]
)
def test_a_class_by_another_spelling_is_suggested(name: str, mine: Run, others: Callable[..., str]) -> None:
    result = evaluate(mine, mine.workspace, others(name, "saint_bernard", "cat"))
    assert result["n"] == 2 and len(result["skipped"]) == 4
    for path, reason in result["skipped"].items():
        assert repr(Path(path).parent.name) in reason
        assert ("did you mean 'american_bulldog'?" in reason) == ("cat" not in path)


def test_where_all_classes_have_another_spelling_it_is_said_how_to_go_on(mine: Run, others: Callable[..., str]) -> None:
    with pytest.raises(BadInput, match=r"all 2 classes.*'american_bulldog' for 'American Bulldog'.*--labeller"):
        evaluate(mine, mine.workspace, others("American Bulldog", "SAINT-BERNARD"))
    with pytest.raises(BadInput, match="None of these photos can be scored"):  # two of them would be one
        evaluate(mine, mine.workspace, others("american bulldog"))


def test_a_class_of_a_long_name_is_not_quoted_whole(mine: Run, others: Callable[..., str]) -> None:
    result = evaluate(mine, mine.workspace, others("x" * 250, "saint_bernard"))
    assert all(len(reason) < 260 for reason in result["skipped"].values())


def test_other_photos_are_labelled_by_what_people_said(mine: Run, tmp_path: Path, draw_photos: DrawPhotos) -> None:
    photos = sorted(draw_photos(tmp_path / "new" / "unknown", count=3, colours=("red",)).iterdir())
    said = Journal(tmp_path)
    said.label([digest(photos[0])], "american_bulldog")
    said.leave_out([digest(photos[1])])
    result = evaluate(mine, tmp_path, str(tmp_path / "new"))
    assert result["n"] == 1 and [row["n"] for row in result["per_class"]] == [1, 0]
    assert "left out by you" in result["skipped"][str(photos[1])]
