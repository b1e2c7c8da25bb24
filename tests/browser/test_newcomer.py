"""Photos in, model out: the whole way, as a newcomer goes it."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browser.conftest import Serve, Visit
from tests.browser.steps import TRAINS, drop, edit, expect, figure, shows_labels, titled, until

HELD_OUT, RIGHT = 2, 6  # photos of each breed that the model never sees; how many of the eight it must know
CLICKS = 4
COLOURS = {"Große Hunde": (190, 60, 40), 'it\'s a "cat"': (40, 90, 190)}


def test_from_a_zip_to_a_prediction(data_folder: Path, serve: Serve, visit: Visit, tmp_path: Path) -> None:
    photos = sorted((data_folder / "tiny_pets").glob("*.jpg"))
    breeds: dict[str, list[Path]] = {}
    for photo in photos:
        breeds.setdefault(photo.stem.rpartition("_")[0], []).append(photo)
    unseen = [photo for found in breeds.values() for photo in found[:HELD_OUT]]
    archive = tmp_path / "pets.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for photo in set(photos) - set(unseen):
            zipped.write(photo, photo.name)

    page = visit(app := serve())
    drop(page, "#data-drop", [archive])
    train = page.locator("#data-train")
    expect(train).to_be_enabled()
    shows_labels(page, {breed: len(found) - HELD_OUT for breed, found in breeds.items()})
    assert figure(page, "Photos", "#data-found") == str(len(photos) - len(unseen))
    assert figure(page, "Labels", "#data-found") == str(len(breeds))

    page.evaluate("presize.go('train')")  # not a newcomer's way, but 16 epochs would take too long here
    page.locator("#train-advanced").get_by_role("button", name="Advanced").click()
    edit(page, "training.freeze_epochs", 2)
    edit(page, "training.epochs", 0)
    until(lambda: app.project.recipe and (training := app.project.recipe.training).freeze_epochs + training.epochs == 2)
    assert app.project.recipe and app.project.recipe.architecture["name"] == "efficientnet_lite0"
    page.evaluate("presize.go('data')")

    clicks = 0
    for press in (train, page.locator('#rail [data-go="results"]'), page.locator("#results-try")):
        press.click()
        clicks += 1
        if press is train:
            expect(page.locator("#page-train")).to_be_visible()
            titled(page, "train", "Trained", TRAINS)
            expect(page.locator("#train-run tbody tr")).to_have_count(2)
        elif clicks == 2:
            assert figure(page, "Accuracy", "#results-body").endswith("%")
    assert clicks <= CLICKS
    expect(page.locator("#page-predict")).to_be_visible()

    said = Counter(predicted(page, photo) == photo.stem.rpartition("_")[0] for photo in unseen)
    assert said[True] >= RIGHT, said


def predicted(page: Any, photo: Path) -> str:
    """Drop a photo on the page Predict; what it is said to be."""
    drop(page, "#predict-drop", [photo])
    page.locator(f'#predict-answer img[alt="{photo.name}"]').wait_for()
    return str(page.locator("#predict-answer .guess").text_content())


@pytest.mark.slow
def test_class_folders_are_kept(serve: Serve, visit: Visit, tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "my pets")
    kept = {name.replace('"', "_"): 4 for name in COLOURS}

    chosen = visit(serve(tmp_path / "chosen"))
    chosen.locator("#data-drop input[data-kind=folder]").set_input_files(folder)
    expect(chosen.locator("#data-train")).to_be_enabled()
    shows_labels(chosen, kept)

    dragged = visit(serve(tmp_path / "dragged"))
    drop(dragged, "#data-drop", [folder])
    expect(dragged.locator("#data-train")).to_be_enabled()
    shows_labels(dragged, kept)


def class_folders(folder: Path) -> Path:
    """Four photos of each class; the first of one is the same, to the last bit, as the first of the other."""
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (60, 60), "white").save(folder / name / "same one.jpg")
        for i in range(3):
            Image.new("RGB", (60 + i, 60), colour).save(folder / name / f"photo für {i}.jpg")
    return folder
