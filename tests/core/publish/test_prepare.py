"""A page prepares a photo in the browser as `core/data/photo.py` does, pixel by pixel."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data import photo
from core.data.photo import View
from core.publish.browser import serving
from core.publish.page import HERE
from core.publish.sample import odd_photos
from tests.core.data.test_colours import GREY, P3, SRGB, tagged
from tests.core.publish.chromium import chromium

ASKS = b"""<!doctype html><script type="module">
import {fit} from "./prepare.js";
window.fitted = async (photo, views) => {
  const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
  const {data} = await fit(new Blob([bytes]), views);
  return btoa(Array.from(data, (value) => String.fromCharCode(value)).join(""));
};
document.title = "ready";
</script>"""
VIEWS = {
    "crop": [View((40, 40))],
    "crop-smaller": [View((48, 64), crop_pct=0.9)],
    "pad-zeros": [View((40, 64), "pad")],
    "pad-border": [View((64, 40), "pad", "border")],
    "pad-reflection": [View((30, 90), "pad", "reflection")],
    "squish": [View((33, 47), "squish")],
    "two": [View((60, 60), "squish"), View((40, 40), crop_pct=0.8)],
    "larger": [View((300, 300))],
}
EXACT, CLOSE = 0, 2  # of 255; the browser rounds transparency, and Little CMS a profile
Fit = Callable[[bytes, list[View]], Any]


@pytest.fixture(scope="module")
def fit() -> Iterator[Fit]:
    """The browser's pixels [H, W, 3] of a photo after views; what it says where it cannot."""
    files = {file.name: file.read_bytes() for file in HERE.glob("*.js")} | {"index.html": ASKS}
    with chromium() as browser, serving(files) as (url, _):
        page = browser.new_page()
        page.goto(url)
        page.wait_for_function("document.title == 'ready'")

        def fitted(content: bytes, views: list[View]) -> Any:
            asked = [base64.b64encode(content).decode(), [asdict(view) for view in views]]
            found = page.evaluate("([photo, views]) => fitted(photo, views).catch((error) => [error.message])", asked)
            if isinstance(found, list):
                return found[0]
            return np.frombuffer(base64.b64decode(found), np.uint8).reshape(*views[-1].size, 3)

        yield fitted


def noise(height: int, width: int, mode: str = "RGB") -> Image.Image:
    """Smooth enough for a JPEG, and different everywhere."""
    values = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def difference(fit: Fit, content: bytes, views: list[View]) -> int:
    ours, theirs = photo.fit(photo.load(content), views), fit(content, views)
    assert not isinstance(theirs, str), theirs
    return int(np.abs(ours.astype(int) - theirs).max())


@pytest.mark.parametrize("views", VIEWS)
@pytest.mark.parametrize("shape", [(160, 240), (233, 71), (40, 40)])
def test_every_way_of_resizing_is_the_same_to_the_last_bit(fit: Fit, views: str, shape: tuple[int, int]) -> None:
    for suffix in ("JPEG", "PNG"):
        file = io.BytesIO()
        noise(*shape).save(file, suffix, quality=92)
        assert difference(fit, file.getvalue(), VIEWS[views]) == EXACT


def test_a_photo_larger_than_a_strip_is_read_in_parts(fit: Fit) -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(1600, 2400).save(file, "JPEG", exif=exif)
    assert difference(fit, file.getvalue(), VIEWS["crop"]) == EXACT


def test_what_browsers_show_otherwise(fit: Fit, photos: Path) -> None:
    """Turned, grey, deep, transparent and for a press, in each format that has it."""
    for name, content in odd_photos(next(photos.iterdir())):
        assert difference(fit, content, VIEWS["squish"]) <= CLOSE, name


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(fit: Fit, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in ("JPEG", "PNG", "WEBP"):
        file = io.BytesIO()
        noise(64, 96).save(file, suffix, exif=exif, **({"lossless": True} if suffix == "WEBP" else {}))
        assert difference(fit, file.getvalue(), VIEWS["squish"]) == EXACT, suffix


@pytest.mark.parametrize("suffix", ["JPEG", "PNG", "WEBP"])
def test_colour_profiles(fit: Fit, suffix: str) -> None:
    lossless = {"lossless": True} if suffix == "WEBP" else {}
    content = tagged(noise(64, 96), P3, suffix, **lossless)
    assert difference(fit, content, VIEWS["squish"]) == EXACT
    assert difference(fit, tagged(noise(64, 96), SRGB, suffix, **lossless), VIEWS["squish"]) == EXACT
    plain = photo.fit(photo.load(tagged(noise(64, 96), b"", suffix, **lossless)), VIEWS["squish"])
    assert np.abs(plain.astype(int) - fit(content, VIEWS["squish"])).max() > 10, "the profile does change it"


def test_a_grey_profile_and_one_of_another_kind(fit: Fit) -> None:
    for suffix in ("JPEG", "PNG"):
        assert difference(fit, tagged(noise(64, 96, "L"), GREY, suffix), VIEWS["squish"]) <= CLOSE
        assert difference(fit, tagged(noise(64, 96), GREY, suffix), VIEWS["squish"]) == EXACT, "it is of another kind"
        assert difference(fit, tagged(noise(64, 96), P3[:200], suffix), VIEWS["squish"]) == EXACT, "it is damaged"


def test_what_it_cannot_show_it_says(fit: Fit) -> None:
    file = io.BytesIO()
    noise(64, 96).save(file, "TIFF")
    assert fit(file.getvalue(), VIEWS["crop"]) == "This browser cannot show this TIFF file; save it as JPEG or PNG."
    assert fit(b"no photo at all", VIEWS["crop"]) == "This is not a photo."
