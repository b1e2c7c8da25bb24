"""What one has in the end: a model to take away, and a page for others that only predicts."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import App, Serve, Shoot, Visit, core
from tests.browser.steps import drop, expect


def test_download_and_use_on_the_command_line(trained: App, visit: Visit, held_out: Path, tmp_path: Path) -> None:
    page = visit(trained, page="predict")
    label, probability = predict(page, held_out)

    with page.expect_download() as waiting:
        page.locator("#predict-download").click()
    expect(page.locator("#predict-download")).to_be_enabled()
    waiting.value.save_as(tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        archive.extractall(tmp_path / "elsewhere")
    (folder,) = (tmp_path / "elsewhere").iterdir()
    assert waiting.value.suggested_filename == f"{folder.name}.zip"

    found = json.loads(core("predict", folder, held_out, folder=tmp_path))
    assert found["label"] == label
    assert found["probabilities"][label] == pytest.approx(probability, abs=1e-3)


def test_a_photo_dropped_while_another_is_predicted_is_answered(
    trained: App, visit: Visit, held_out: Path, tmp_path: Path
) -> None:
    page = visit(trained, page="predict")
    for name in ("first.png", "last.png"):
        drop(page, "#predict-drop", [Path(shutil.copy(held_out, tmp_path / name))])
    page.locator('#predict-answer img[alt="last.png"]').wait_for()


def test_the_prediction_page_alone(
    drawn: Path, serve: Serve, visit: Visit, held_out: Path, shoot: Shoot, tmp_path: Path
) -> None:
    run = App(drawn, 0, tmp_path).project.runs[0]
    app = serve(tmp_path / "nothing", "--model", run.folder)
    page = visit(app, page="train")  # where there is no such page
    expect(page.locator("h1")).to_have_text("What is on your photo?")
    expect(page.locator("#page-predict")).to_be_visible()
    expect(page.locator('[id^="page-"]')).to_have_count(1)
    for absent in ("#rail", "#drawer", "#predict-download"):
        expect(page.locator(absent)).to_have_count(0)
    shoot(page, "alone-light")

    label, probability = predict(page, held_out)
    assert label in found_labels(drawn) and 0 < probability <= 1
    phone = visit(app, "phone")
    shoot(phone, "alone-phone")


def predict(page: Any, photo: Path) -> tuple[str, float]:
    """Drop a photo: the label that it is given, and its probability as the table of numbers has it."""
    drop(page, "#predict-drop", [photo])
    page.locator(f'#predict-answer img[alt="{photo.name}"]').wait_for()
    label = str(page.locator("#predict-answer .guess").text_content())
    page.locator("#predict-answer .numbers summary").click()
    cells = page.locator("#predict-answer .numbers tr", has=page.get_by_role("cell", name=label, exact=True))
    return label, float(cells.locator("td").nth(3).text_content())


def found_labels(workspace: Path) -> list[str]:
    """The labels of its newest model."""
    run = App(workspace, 0, workspace).project.runs[0]
    return list(json.loads((run.folder / "classes.json").read_text(encoding="utf-8")))
