"""Take the README's pictures of the app, on photos that the program draws itself: python -m tests.pictures.pages

Needs tests/requirements.txt and a chromium; takes about five minutes, as it trains.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
SIZE = {"width": 1240, "height": 760}


def shoot(page: Page, name: str) -> None:
    """Write the window as a small PNG."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(600)
    file = FOLDER / f"{name}.png"
    page.screenshot(path=file)
    Image.open(file).convert("RGB").quantize(192, dither=Image.Dither.NONE).save(file, optimize=True)


def main() -> None:
    """Write data.png, train.png and predict.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default=shutil.which("chromium") or "/usr/bin/chromium")
    options = parser.parse_args()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "app.py", "--workspace", folder]
        app = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert app.stdout
            address = next(line for line in app.stdout if "http" in line).split()[3]
            browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport=SIZE)
            page.goto(address)
            page.get_by_role("tab", name="Sample").click()
            page.locator("#data-sample").click()
            page.locator("#data-found .figure").first.wait_for(timeout=120_000)
            page.get_by_role("tab", name="Upload").click()
            shoot(page, "data")
            page.locator("#data-train").click()
            page.locator("#train-run tbody tr").nth(4).wait_for(timeout=600_000)
            shoot(page, "train")
            page.locator("#train-use").wait_for(timeout=900_000)
            page.locator("#train-use").click()
            photo = next(Path(folder, "sources").rglob("boat_007.jpg"))
            page.locator("#predict-drop input[data-kind=files]").set_input_files(photo)
            page.locator("#predict-answer .guess").wait_for(timeout=60_000)
            shoot(page, "predict")
            browser.close()
        finally:
            app.kill()
            app.wait()


if __name__ == "__main__":
    main()
