"""Two walks of a new user: python -m tests.benchmarks.walks PHOTOS (needs tests/requirements.txt and a chromium).

PHOTOS is a folder of photos named like Bengal_12.jpg. The walks print clicks, keys and seconds; a click takes a second
to be thought of, a key 0.15 seconds.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from core.events import drain
from plugins.panels.kit.project.project import Project
from tests.benchmarks.app import FLAGS, app
from tests.browser.steps import drop, expect, go

CHROMIUM, PORT = "/usr/bin/chromium", 7871
CLICK, KEY, WAITS = 1.0, 0.15, 600  # seconds
EACH, DOGS, CATS = 5, ("american_bulldog",), ("Abyssinian", "Bengal", "Sphynx")
PLANTED = 4


@dataclass
class Person:
    """Somebody at a page, whose clicks and keys are counted."""

    page: Any
    pictures: Path | None
    clicks: int = 0
    keys: int = 0
    began: float = field(default_factory=time.perf_counter)

    def reached(self, what: str) -> None:
        """Print what has been done so far, and keep a picture of the page."""
        self.see(what.partition(":")[0])
        print(f"  {what}: {self.clicks} clicks, {self.keys} keys, {time.perf_counter() - self.began:.0f} s", flush=True)

    def click(self, place: Any) -> None:
        """Find something, and click it."""
        time.sleep(CLICK)
        place.click()
        self.clicks += 1

    def type(self, text: str) -> None:
        """Type a text and Enter."""
        time.sleep(CLICK)
        for key in [*text, "Enter"]:
            time.sleep(KEY)
            self.page.keyboard.press(key)
            self.keys += 1

    def see(self, name: str) -> None:
        """Keep a picture of the page."""
        if self.pictures:
            self.page.screenshot(path=self.pictures / f"{name}.png")


def unlabelled(person: Person, photos: Path) -> None:
    """Thirty photos without labels are dropped, labelled as cats and dogs, and a model is trained."""
    truth: dict[str, str] = {}
    folder = Path(tempfile.mkdtemp(prefix="camera-"))
    named = [(file, "dog") for breed in DOGS for file in sorted(photos.glob(f"{breed}_*"))[: EACH * len(CATS)]]
    named += [(file, "cat") for breed in CATS for file in sorted(photos.glob(f"{breed}_*"))[:EACH]]
    for number, (file, label) in enumerate(sorted(named, key=lambda each: each[0].stat().st_size)):
        truth[f"IMG_{number:04}.jpg"] = label
        shutil.copy(file, folder / f"IMG_{number:04}.jpg")
    page, grid = person.page, person.page.locator("#data-grid")
    drop(page, "#data-drop", [folder])
    person.clicks += 1
    following = grid.get_by_role("button", name="Label group by group")
    following.wait_for(timeout=1000 * WAITS)
    person.reached("dropped and compared")
    person.click(following)
    shown = None
    while grid.locator('[data-filter="none"]').count():
        chosen = grid.locator('.shot[aria-selected="true"]')
        names = chosen.evaluate_all("tiles => tiles.map(tile => tile.title)")
        if not names or names == shown:
            time.sleep(0.1)
            continue
        shown = names
        person.see(f"group of {names[0]}")
        label = Counter(truth[name] for name in names).most_common(1)[0][0]
        for name in names:
            if truth[name] != label:
                person.click(grid.get_by_title(name))
        hint = grid.locator('[data-part="label"]').get_attribute("placeholder") or ""
        person.type("" if hint == f"{label}?" else label)
    person.reached("labelled")
    train = grid.get_by_role("button", name="Start training", exact=True)
    person.click(train)
    expect(page.locator("#train-head h1")).to_have_text("Trained", timeout=1000 * WAITS)
    person.reached("trained")
    shutil.rmtree(folder)


def planted(person: Person, workspace: Path) -> None:
    """Four wrong labels among sixty are found, mended, and the model is trained and measured again."""
    page, suspects = person.page, person.page.locator("#results-suspects")
    person.click(suspects.get_by_role("button", name="Look for them"))
    wrong = suspects.locator("li", has_text="wrong-")
    expect(wrong).to_have_count(PLANTED, timeout=1000 * WAITS)
    person.reached("found")
    for left in range(PLANTED, 0, -1):
        said = wrong.first.text_content() or ""
        name = re.search(r"wrong-(\w+?)_\d+_", said)
        assert name
        person.click(wrong.first.get_by_role("button", name=f"It is {name[1]}"))
        expect(wrong).to_have_count(left - 1)
    person.reached("mended")
    expect(page.locator("#results-corrections")).to_contain_text("4 corrections")
    person.click(page.locator("#results-corrections").get_by_role("button", name="Train again"))
    expect(page.locator("#train-head h1")).to_have_text("Training", timeout=1000 * WAITS)
    expect(page.locator("#train-head h1")).to_have_text("Trained", timeout=1000 * WAITS)
    go(page, "results")
    person.clicks += 1
    person.click(page.locator("#results-compare [data-do=compare]").first)
    said = page.locator("#results-compared section").text_content(timeout=1000 * WAITS)
    person.reached(f"trained and measured again: {(said or '').strip()}")


def with_wrong_labels(photos: Path, folder: Path) -> None:
    """Copy the photos; four names get another label, and keep the right one as `wrong-LABEL_N`."""
    breeds = sorted({file.name.rsplit("_", 1)[0] for file in photos.glob("*.jpg")})
    folder.mkdir(parents=True)
    for i, breed in enumerate(breeds):
        for n, file in enumerate(sorted(photos.glob(f"{breed}_*.jpg"))):
            other = breeds[(i + 1) % len(breeds)]
            target = f"{other}/wrong-{breed}_{n}_.jpg" if n == i and i < PLANTED else f"{breed}/{file.name}"
            (folder / target).parent.mkdir(exist_ok=True)
            shutil.copy(file, folder / target)


def walk(browser: Browser, name: str, workspace: Path, at: str, do: Any, given: Path, pictures: Path | None) -> None:
    """Walk, and print what it took."""
    with app("--workspace", str(workspace), "--port", str(PORT)) as (address, _, _):
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.goto(f"{address}#{at}")
        page.locator("h1:visible").first.wait_for()
        print(name, flush=True)
        do(Person(page, pictures), given)
        page.close()


def main() -> None:
    """Walk both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pictures", type=Path, help="a folder for screenshots")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        folder = Path(made)
        name = "thirty photos without labels to a trained model"
        walk(browser, name, folder / "one", "data", unlabelled, given.photos, given.pictures)
        with_wrong_labels(given.photos, folder / "photos")
        project = Project(folder / "two")
        project.open({"name": "folder", "path": str(folder / "photos")})
        drain(project.examine())
        drain(project.start().follow())
        name = "four wrong labels found, mended and measured again"
        walk(browser, name, folder / "two", "results", planted, folder / "two", given.pictures)
        browser.close()


if __name__ == "__main__":
    main()
