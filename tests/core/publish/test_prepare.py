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
from tests.core.publish.chromium import chromium, fetched_runtime

ASKS = b"""<!doctype html><script type="module">
import {fit} from "./prepare.js";
window.fitted = async (photo, views) => {
  const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
  const {data, caution} = await fit(new Blob([bytes]), views);
  window.caution = caution;
  return btoa(Array.from(data, (value) => String.fromCharCode(value)).join(""));
};
document.title = "ready";
</script>"""
UNTURNED = r"""const create = createImageBitmap;
window.createImageBitmap = async (photo, options) => {
  if (!(photo instanceof Blob)) return create(photo, options);
  const bytes = Array.from(new Uint8Array(await photo.arrayBuffer()), (byte) => String.fromCharCode(byte)).join("");
  const plain = bytes.replace(/\0\0\0\x09(irot|imir)[^]/g, "\0\0\0\x09irot\0");
  return create(new Blob([Uint8Array.from(plain, (letter) => letter.charCodeAt(0))]), options);
};"""
NOISY = """const read = OffscreenCanvasRenderingContext2D.prototype.getImageData;
OffscreenCanvasRenderingContext2D.prototype.getImageData = function (...box) {
  const found = read.apply(this, box);
  for (let i = 0; i < found.data.length; i += 64) found.data[i] += found.data[i] > 127 ? -AMOUNT : AMOUNT;
  return found;
};"""
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
EXACT, CLOSE = 0, 2  # of 255; the browser rounds transparency but of PNG, and Little CMS a profile


class Fit:
    """A browser's pixels [H, W, 3] of a photo after views, or what it says where it cannot."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def __call__(self, content: bytes, views: list[View]) -> Any:
        asked = [base64.b64encode(content).decode(), [asdict(view) for view in views]]
        script = "([photo, views]) => fitted(photo, views).catch((error) => [error.message])"
        found = self.page.evaluate(script, asked)
        if isinstance(found, list):
            return found[0]
        return np.frombuffer(base64.b64decode(found), np.uint8).reshape(*views[-1].size, 3)

    def caution(self) -> str:
        """What the page says of how it read the last photo."""
        return str(self.page.evaluate("caution"))


@pytest.fixture(scope="module")
def opened() -> Iterator[Callable[..., Fit]]:
    """The page in a new tab, with a script that is run before its own."""
    files = {file.name: file.read_bytes() for file in HERE.iterdir() if file.is_file()} | {"index.html": ASKS}
    files |= {f"runtime/{name}": content for name, content in fetched_runtime().items()}
    with chromium() as browser, serving(files) as (url, _):

        def tab(before: str = "") -> Fit:
            page = browser.new_page()
            page.add_init_script(before)
            page.goto(url)
            page.wait_for_function("document.title == 'ready'")
            return Fit(page)

        yield tab


@pytest.fixture(scope="module")
def fit(opened: Callable[..., Fit]) -> Fit:
    return opened()


@pytest.fixture(scope="module")
def unturned(opened: Callable[..., Fit]) -> Fit:
    """A browser that does not turn AVIF files, as WebKitGTK 2.50."""
    return opened(UNTURNED)


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


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def grey16(**options: Any) -> bytes:
    levels = np.random.default_rng(0).integers(0, 65536, (40, 60), np.uint16)
    levels[:20] = 1234
    return encoded(Image.fromarray(levels), "PNG", **options)


def transparent() -> Image.Image:
    image = noise(64, 96)
    image.putalpha(noise(64, 96, "L"))
    return image


def few_colours() -> bytes:
    """A palette of fewer colours than its pixels name."""
    image = noise(64, 96).quantize(256)
    image.putpalette(image.getpalette()[: 3 * 100])  # type: ignore[index]
    return encoded(image, "PNG")


@pytest.mark.parametrize(
    "content",
    [
        encoded(transparent(), "PNG"),
        encoded(transparent().convert("LA"), "PNG"),
        encoded(noise(64, 96), "PNG", transparency=(0, 0, 0)),
        grey16(),
        grey16(transparency=1234),
        few_colours(),
        encoded(noise(64, 96, "1"), "PNG"),
    ],
    ids=["alpha", "grey-alpha", "one-colour", "16-bit", "16-bit-one-level", "palette", "1-bit"],
)
def test_every_png_is_read_to_the_last_bit(fit: Fit, content: bytes) -> None:
    assert difference(fit, content, VIEWS["squish"]) == EXACT and not fit.caution()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_once_by_the_browser_or_the_page(fit: Fit, unturned: Fit, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(noise(64, 96), "AVIF", exif=exif, quality=90)
    for browser in (fit, unturned):
        assert difference(browser, content, VIEWS["squish"]) <= CLOSE


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (encoded(noise(64, 96, "CMYK"), "JPEG"), "JPEG files in CMYK"),
        (encoded(transparent(), "WEBP"), "transparent WebP files"),
        (encoded(transparent(), "WEBP", lossless=True), "transparent WebP files"),
        (encoded(noise(64, 96), "AVIF"), "AVIF files"),
        (encoded(transparent(), "BMP"), "BMP files of this kind"),
        (encoded(noise(64, 96), "GIF").replace(b"\x2c\0\0\0\0", b"\x2c\1\0\0\0"), "GIF files whose first frame"),
        *((encoded(noise(64, 96), kind), "") for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP")),
        (encoded(noise(64, 96, "L"), "BMP"), ""),
        (encoded(noise(64, 96, "L"), "JPEG"), ""),
    ],
)
def test_it_says_what_browsers_read_in_different_ways(fit: Fit, content: bytes, kind: str) -> None:
    fit(content, VIEWS["squish"])
    assert fit.caution().startswith(f"Browsers read {kind}") if kind else fit.caution() == ""


def test_a_browser_that_hides_pixels_from_pages_says_so(opened: Callable[..., Fit]) -> None:
    """As those do that resist fingerprinting."""
    content = encoded(noise(64, 96), "JPEG")
    assert "does not let pages read photos" in opened(NOISY.replace("AMOUNT", "200"))(content, VIEWS["crop"])
    little = opened(NOISY.replace("AMOUNT", "1"))
    assert not isinstance(little(content, VIEWS["crop"]), str)
    assert little.caution().startswith("This browser changes pixels a little")


def test_a_damaged_png_says_so(fit: Fit) -> None:
    content = encoded(noise(64, 96), "PNG")
    assert fit(content[: len(content) // 2], VIEWS["crop"]) == "This PNG file is damaged; save it anew."


def test_what_it_cannot_show_it_says(fit: Fit) -> None:
    file = io.BytesIO()
    noise(64, 96).save(file, "TIFF")
    assert fit(file.getvalue(), VIEWS["crop"]) == "This browser cannot show this TIFF file; save it as JPEG or PNG."
    assert fit(b"no photo at all", VIEWS["crop"]) == "This is not a photo."
