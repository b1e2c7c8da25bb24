"""Photos that cannot be used: that stands in their place, nothing trains, and the earlier ones can be had again."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput
from tests.browser.conftest import Prepare, Serve, Shoot, Visit
from tests.browser.steps import drop, expect, go, shows_labels

STARTS = {"data": "#data-train", "learning_rate": "#rate-train", "train": "#train-start"}
FOUND = {"blue": 8, "green": 8, "red": 8}


def broken_zip(folder: Path, photos: Path) -> Path:
    (folder / "rubbish.zip").write_bytes(b"no zip")
    return folder / "rubbish.zip"


def no_photos(folder: Path, photos: Path) -> Path:
    with zipfile.ZipFile(folder / "notes.zip", "w") as archive:
        archive.writestr("notes.txt", "nothing to see")
    return folder / "notes.zip"


@pytest.mark.parametrize(
    ("rubbish", "said"),
    [
        (broken_zip, "damaged or not a zip file"),
        pytest.param(no_photos, "No photos", marks=pytest.mark.slow),
    ],
)
def test_it_stands_in_their_place(
    rubbish: Callable[[Path, Path], Path],
    said: str,
    prepared: Prepare,
    serve: Serve,
    visit: Visit,
    shoot: Shoot,
    photos: Path,
    tmp_path: Path,
) -> None:
    project = prepared(epochs=7)
    page = visit(app := serve(project.folder))
    expect(page.locator("#data-train")).to_be_enabled()
    drop(page, "#data-drop", [rubbish(tmp_path, photos)])
    found, back = page.locator("#data-found"), page.locator("#data-found").get_by_role("button", name="Go back")
    expect(found.locator(".bad")).to_contain_text(said)
    expect(page.locator("#data-photos img")).to_have_count(0)
    for look in (page, visit(app, "phone")):  # also for who comes later
        expect(look.locator("#data-found .bad")).to_contain_text(said)
        refuses_to_train(look)
    shoot(look, f"refused-{rubbish.__name__}-phone")
    shoot(page, f"refused-{rubbish.__name__}-light")
    with pytest.raises(BadInput, match=said):
        project.start()

    expect(back).to_have_text(f"Go back to {photos.name}")
    back.click()
    expect(found.locator(".bad")).to_have_count(0)
    expect(page.locator("#data-train")).to_be_enabled()
    shows_labels(page, FOUND)
    assert project.require_recipe().training.epochs == 7


def refuses_to_train(page: Any) -> None:
    for name, button in STARTS.items():
        go(page, name)
        expect(page.locator(button)).to_be_disabled()
    go(page, "learning_rate")
    expect(page.locator("#rate-test")).to_be_disabled()
    go(page, "data")


def test_good_photos_come_in_its_place(
    prepared: Prepare, serve: Serve, visit: Visit, photos: Path, tmp_path: Path
) -> None:
    page = visit(serve(prepared().folder))
    drop(page, "#data-drop", [broken_zip(tmp_path, photos)])
    expect(page.locator("#data-found .bad")).to_be_visible()
    page.locator("#message [data-close]").click()
    drop(page, "#data-drop", [*photos.glob("red_*"), *photos.glob("blue_*")])
    expect(page.locator("#data-train")).to_be_enabled()
    expect(page.locator("#data-found .bad")).to_have_count(0)
    shows_labels(page, {"blue": 8, "red": 8})


def test_results_of_other_photos_say_so(
    workspace: Path, serve: Serve, visit: Visit, shoot: Shoot, photos: Path
) -> None:
    page = visit(serve(workspace))
    others = page.locator(".others")
    expect(page.locator('#rail [data-go="results"] small')).to_contain_text("%")
    expect(others).to_have_count(0)
    drop(page, "#data-drop", [*photos.glob("red_*"), *photos.glob("blue_*")])
    expect(page.locator("#data-train")).to_be_enabled()
    for name in ("train", "results", "predict", "publish"):
        go(page, name)
        expect(page.locator(f"#page-{name} .others")).to_contain_text("from other photos: balloon, boat and 3 more")
        expect(page.locator(f'#rail [data-go="{name}"] small')).to_contain_text("from other photos: balloon")
        shoot(page, f"others-{name}-light")
