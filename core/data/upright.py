"""The pixels of an opened photo, whatever its mode and orientation, as upright RGB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from PIL.ExifTags import Base

from core.data import bounds, colours

STRIP = 2**20  # pixels converted at a time
BACKGROUND = (255, 255, 255)
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image) -> Image.Image:
    """The pixels of an opened image, upright and RGB, transparency on white; a profile in `info` if not in sRGB."""
    transform = colours.to_srgb(image)
    turned = _turned(image)
    if transform and transform.input_mode == "CMYK":
        return transform.apply(turned)
    shown = _rgb(turned, deep=image.format == "PPM")
    if transform and transform.input_mode == "L":
        return transform.apply(shown.getchannel(0))
    if transform:
        shown.info["icc_profile"] = image.info["icc_profile"]  # converting transparency loses it
    elif shown.mode != image.mode:
        shown.info.pop("icc_profile", None)  # it did not match the original mode
    return shown


def _turned(image: Image.Image) -> Image.Image:
    try:
        turn = TURNS.get(_orientation(image))
    except Exception:  # a broken EXIF block does not make the pixels unreadable
        return image
    if turn is None:
        return image
    turned = image.transpose(turn)
    for name in ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"):  # or viewers would turn it again
        turned.info.pop(name, None)
    return turned


def _orientation(image: Image.Image) -> Any:
    exif = image.info.get("exif") or b""
    if raw := image.info.get("Raw profile type exif"):
        exif = exif or bytes.fromhex("".join(raw.split("\n")[3:]))
    return 1 if bounds.is_bomb(exif) else image.getexif().get(Base.Orientation, 1)


def _rgb(image: Image.Image, deep: bool) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        image = _eight_bits(image, deep)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    shown = Image.new("RGB", image.size)
    for box in _strips(image):
        strip = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", strip.size, (*BACKGROUND, 255))
        shown.paste(Image.alpha_composite(white, strip).convert("RGB"), box)
    return shown


def _eight_bits(image: Image.Image, deep: bool) -> Image.Image:
    """Grey as 8 bits: 16 bits (also in a 32-bit mode if `deep`) by full range, others by the range of the photo."""
    low, high = 0.0, 65535.0
    if not deep and not image.mode.startswith("I;16"):
        ends = [f(np.nan_to_num(np.asarray(image.crop(box)))) for box in _strips(image) for f in (np.min, np.max)]
        low, high = float(min(ends)), float(max(ends))
    shown, alpha = Image.new("L", image.size), Image.new("L", image.size)
    transparent = image.info.get("transparency")  # a level of more than 8 bits
    for box in _strips(image):
        values = np.nan_to_num(np.asarray(image.crop(box)).astype(np.float64))
        scaled = (values - low) * (255 / max(high - low, 1e-9))
        shown.paste(Image.fromarray(scaled.clip(0, 255).round().astype(np.uint8)), box)
        alpha.paste(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)), box)
    shown.info = {name: value for name, value in image.info.items() if name != "transparency"}
    if transparent is not None:
        shown.putalpha(alpha)
    return shown


def _strips(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of full rows, about STRIP pixels each, from top to bottom."""
    rows = max(1, STRIP // max(1, image.width))
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(image.height, top + rows)
