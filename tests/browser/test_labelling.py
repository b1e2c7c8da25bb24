"""Photos without labels are labelled by keyboard, wrong labels are mended, and a run trains on the result."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from core.data.content import digest
from plugins.panels.kit.project.labels import photos_of
from tests.browser.conftest import App, Serve, Visit
from tests.browser.steps import TRAINS, expect, faults, go, until

SAID = '#data-grid [data-part="said"]'


def tile(page: Any, name: str) -> Any:
    """The tile of a photo."""
    return page.locator(f'#data-grid .shot[aria-label^="{name},"]')


def test_unlabelled_photos_are_labelled_by_keyboard(photos: Path, serve: Serve, visit: Visit, tmp_path: Path) -> None:
    folder = tmp_path / "camera"
    folder.mkdir()
    for number, file in enumerate(sorted(photos.glob("[br]*.jpg"))):
        shutil.copy(file, folder / f"IMG_{number:04}.jpg")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    app = serve()
    app.project.open({"name": "folder", "path": str(folder)})
    page = visit(app)
    expect(page.locator("#data-found")).to_contain_text("16 photos have no label")
    expect(page.locator("#data-train")).to_be_disabled()

    page.locator('#data-grid [data-part="box"]').focus()
    page.keyboard.press("Space")
    for _ in range(7):
        page.keyboard.press("Shift+ArrowRight")
    expect(page.locator('#data-grid .shot[aria-selected="true"]')).to_have_count(8)
    page.keyboard.type("blue")
    page.keyboard.press("Enter")
    expect(page.locator(SAID)).to_have_text("8 photos labelled blue.")
    tile(page, "IMG_0008.jpg").click()
    tile(page, "IMG_0015.jpg").click(modifiers=["Shift"])
    page.keyboard.type("sea")
    page.keyboard.press("Enter")
    expect(tile(page, "IMG_0015.jpg")).to_have_attribute("aria-label", "IMG_0015.jpg, label sea")

    page.keyboard.press("Control+z")
    expect(tile(page, "IMG_0015.jpg")).to_have_attribute("aria-label", "IMG_0015.jpg, no label")
    tile(page, "IMG_0009.jpg").click()
    expect(page.locator('#data-grid [data-part="more"]')).to_have_text("7 more like this?", timeout=1000 * TRAINS)
    page.keyboard.press("+")
    expect(page.locator('#data-grid .shot[aria-selected="true"]')).to_have_count(8)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Label group by group").click()
    expect(page.locator("#data-grid .shot")).to_have_count(8)
    tile(page, "IMG_0015.jpg").click()  # does not belong
    page.keyboard.type("sea")
    page.keyboard.press("Enter")
    expect(page.locator("#data-grid .shot")).to_have_count(1)
    page.keyboard.press("Enter")  # its neighbours' label
    expect(page.locator('#data-grid [data-part="next"]')).to_have_text("Start training")
    expect(tile(page, "IMG_0015.jpg")).to_have_attribute("aria-label", "IMG_0015.jpg, label sea")
    expect(page.locator("#data-train")).to_be_enabled()

    page.watch.cut_off = True
    page.reload()
    expect(tile(page, "IMG_0000.jpg")).to_have_attribute("aria-label", "IMG_0000.jpg, label blue")
    page.locator('#data-grid [data-filter="=sea"]').click()
    expect(page.locator("#data-grid .shot")).to_have_count(8)

    page.locator('#data-grid [data-part="view"]').click()  # the map
    drawn = page.locator('#data-grid [data-part="map"]')
    drawn.evaluate("map => map.scrollIntoView({block: 'center'})")
    frame = drawn.bounding_box()
    page.mouse.move(frame["x"] + 20, frame["y"] + 5)
    page.mouse.down()
    for x, y in ((0.99, 0.01), (0.99, 0.99), (0.01, 0.99)):
        page.mouse.move(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"], steps=3)
    page.mouse.up()
    expect(page.locator('#data-grid [data-part="count"]')).to_have_text("8 selected")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_the_camera_takes_photos_into_labels(serve: Serve, visit: Visit) -> None:
    app = serve()
    page = visit(app)
    camera, said = page.locator("#data-camera"), page.locator('#data-camera [data-camera="said"]')
    camera.get_by_role("button", name="Take photos with the camera").click()
    expect(camera.locator("input")).to_be_focused()
    page.keyboard.type("ball")
    page.keyboard.press("Enter")
    taking = camera.get_by_role("button", name="Hold to take photos")
    expect(taking).to_be_focused()
    taking.hover()
    page.mouse.down()
    expect(said).to_have_text(re.compile(r"[3-9] taken for ball"))
    page.mouse.up()
    expect(said).to_contain_text("labelled ball. Hold again")
    expect(page.locator("#data-grid .shot").nth(2)).to_have_attribute("aria-label", re.compile("label ball"))

    camera.locator("input").fill("clock")
    page.keyboard.press("Enter")
    page.keyboard.down(" ")
    expect(said).to_have_text(re.compile(r"[2-9] taken for clock"))
    page.keyboard.up(" ")
    expect(page.locator("#data-train")).to_be_enabled()
    project = app.project
    counts = Counter(project.corrections.labels[content] for content in photos_of(project).contents)
    assert counts.keys() == {"ball", "clock"} and counts["ball"] >= 3 and counts["clock"] >= 2
    camera.get_by_role("button", name="Done").click()
    expect(camera.locator("video")).to_be_hidden()


def test_a_wrong_label_is_mended_and_the_model_trained_again(
    drawn: Path, serve: Serve, visit: Visit, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(drawn / "sources" / "sample-12-0", tmp_path / "photos"))
    wrong = (folder / "boat_003.jpg").rename(folder / "fish_099.jpg")
    app = serve()
    project = app.project
    project.open({"name": "folder", "path": str(folder)})
    for option, value in {"training.epochs": 0, "training.freeze_epochs": 1, "training.batch_size": 8}.items():
        project.edit(option, value)
    page = visit(app, page="results")
    page.locator('#results-suspects [data-do="look"]').click()
    suspect = page.locator("#results-suspects li", has_text=wrong.name)
    expect(suspect.first).to_contain_text("boat", timeout=1000 * TRAINS)
    suspect.first.get_by_text("It is boat").click()
    expect(suspect).to_have_count(0)
    assert project.corrections.labels == {digest(wrong): "boat"}
    bar = page.locator("#results-corrections")
    expect(bar).to_contain_text("1 correction")
    expect(bar.get_by_role("button", name="Train")).to_be_in_viewport()
    bar.get_by_text("Undo the last").click()
    expect(suspect.first).to_be_attached()
    expect(bar).to_be_hidden()
    suspect.first.get_by_text("It is boat").click()

    bar.get_by_role("button", name="Train").click()
    expect(page.locator("#page-train")).to_be_visible()
    run = until(lambda: project.run)
    until(lambda: run.status == "completed", TRAINS)
    assert run.corrections.labels == {digest(wrong): "boat"}
    go(page, "results")
    expect(page.locator("#results-suspects")).to_contain_text("1 correction in this run")


def test_a_mistake_is_corrected_taken_back_and_trained_where_it_is_large(trained: App, visit: Visit) -> None:
    page = visit(trained, "phone", "results")
    page.locator("#results-more figure button").first.click()
    large, bar = page.locator("#results-large dialog[open]"), page.locator("#results-corrections")
    expect(large).to_contain_text("but its label is")
    large.get_by_text("It is ").click()
    expect(large).to_contain_text(re.compile("Its label is [a-z]+ now"))
    expect(bar).to_contain_text("1 correction not in this model yet")
    assert not faults(page)
    large.get_by_text("Undo").click()
    expect(large).to_contain_text("but its label is")
    expect(bar).to_be_hidden()
    large.get_by_text("Leave it out").click()
    expect(large).to_contain_text("It is left out now")
    page.keyboard.press("Escape")
    expect(bar.get_by_role("button", name="Train again")).to_be_in_viewport()
    expect(page.locator("#results-more")).to_contain_text("left out now")
    assert not faults(page)

    page.locator("#results-more figure button").first.click()
    large.get_by_text("Train again with 1 correction").click()
    expect(page.locator("#page-train")).to_be_visible()
    assert len(trained.project.runs) == 2
