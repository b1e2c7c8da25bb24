"""Decoding of photos to model input, with only Pillow and NumPy.

Validation, the predictor and an exported app all use this module, so that they give the same results.
"""

from __future__ import annotations

import io
import math
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Condition
from typing import Any, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import jpeg_factory

from core.data import bounds, colours
from core.data.upright import upright

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM"]
try:
    import pillow_heif  # HEIC, which iPhones write; optional in an exported app

    pillow_heif.register_heif_opener()
    FORMATS.append("HEIF")
except ImportError:
    pass
# once for the process, since `catch_warnings` is not thread-safe
warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif\.")
MAX_PIXELS = 64_000_000  # 256 MB in Pillow's memory; enough for a 48-megapixel phone
UNTRUSTED_PIXELS = 50_000_000  # limit for untrusted photos; enough for a 50-megapixel phone
REDUCED_PASSES = 4  # cost per pixel of a JPEG decoded at reduced size; allows a 200-megapixel phone
COSTLY = {"WEBP": 2}  # its decoder takes 24 bytes per pixel, so half as many are allowed
MAX_PHOTO_BYTES = 500_000_000
MAX_WORK = 1_000_000_000  # pixels x passes, 3 seconds
LARGE_PIXELS = 13_000_000  # pixels; larger photos share the budget MAX_LARGE_PIXELS
MAX_LARGE_PIXELS = 2 * MAX_PIXELS  # pixels of large photos decoded at the same time
SHARP = 2  # pixels decoded, in each direction, per pixel of a thumbnail
Box = tuple[float, float, float, float]
Size = tuple[int, int]


class BadPhoto(ValueError):
    """The bytes cannot be decoded as a photo; the message says why."""


class NotNow(BadPhoto):
    """The photo could not be decoded now, but may be later."""


class TooMuchWork(BadPhoto):
    """Decoding the photo would take longer than allowed."""


class _Budget:
    """A semaphore for a number of pixels: callers wait until their pixels fit."""

    def __init__(self, total: int) -> None:
        self.left, self._changed = total, Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Wait for `pixels`, at most the total, and hold them."""
        with self._changed:
            self._changed.wait_for(lambda: self.left >= pixels)
            self.left -= pixels
        try:
            yield
        finally:
            with self._changed:
                self.left += pixels
                self._changed.notify_all()


_large = _Budget(MAX_LARGE_PIXELS)


@dataclass(frozen=True)
class View:
    """How a photo is resized to `size` (height, width) without randomness.

    "crop" takes the largest centred box of that aspect ratio, scaled by `crop_pct`; "pad" shows the whole photo and
    fills the rest by `pad_mode`; "squish" shows the whole photo and changes its aspect ratio.
    """

    size: Size
    method: Literal["crop", "pad", "squish"] = "crop"
    pad_mode: Literal["zeros", "border", "reflection"] = "zeros"
    crop_pct: float = 1.0

    def box(self, size: Size) -> Box:
        """The box (left, top, right, bottom) in pixels of an image of `size` (height, width) that is shown."""
        h, w = size
        if self.method == "squish":
            return 0.0, 0.0, float(w), float(h)
        fit = min if self.method == "crop" else max
        scale = fit(h / self.size[0], w / self.size[1]) * (self.crop_pct if self.method == "crop" else 1.0)
        half_h, half_w = scale * self.size[0] / 2, scale * self.size[1] / 2
        return w / 2 - half_w, h / 2 - half_h, w / 2 + half_w, h / 2 + half_h


def decode(source: bytes | str | Path, max_pixels: int = MAX_PIXELS, max_work: int = MAX_WORK) -> Image.Image:
    """The first frame of a photo in sRGB, upright, with transparency on white. Raises BadPhoto."""
    return colours.in_srgb(load(source, max_pixels, max_work))


def thumbnail(source: bytes | str | Path, side: int) -> Image.Image:
    """`decode`, reduced so that the longer side is at most `side`; faster for a JPEG. Raises BadPhoto."""
    image = load(source, side=side)
    image.thumbnail((side, side))
    return colours.in_srgb(image)


def load(
    source: bytes | str | Path, max_pixels: int = MAX_PIXELS, max_work: int = MAX_WORK, side: int | None = None
) -> Image.Image:
    """`decode` without the conversion to sRGB: `info` holds the colour profile, which `fit` applies after resizing.

    Before memory is allocated, the photo is limited to `max_pixels` and to `max_work`, in pixels x passes. A JPEG of
    over 50 megapixels is decoded at 1/2, 1/4 or 1/8 of its size if its decoder can, and so is any JPEG of which only
    `side` pixels are needed. Raises BadPhoto.
    """
    try:
        data, scans = bounds.checked(read(source))
        with _opened(data) as image:
            most = max_pixels // COSTLY.get(image.format or "", 1)
            width, height = bounds.unpacked(image)
            reduced = scans == 1 and _reduce(image, min(most, UNTRUSTED_PIXELS))  # the same result whatever the limit
            pixels = math.prod(bounds.unpacked(image))
            if pixels > most:
                raise BadPhoto(f"{width} x {height} pixels are more than {most:,}")
            work = width * height * (REDUCED_PASSES if reduced else bounds.passes(image, scans))
            if work > max_work:
                raise TooMuchWork(f"its {width} x {height} pixels take too many passes to decode")
            if side and not reduced:
                image.draft(None, (SHARP * side, SHARP * side))
            with _large.taken(pixels) if pixels > LARGE_PIXELS else nullcontext():
                image.load()
                return upright(image)
    except BadPhoto:
        raise
    except Exception as error:  # decoders raise any type, even SyntaxError
        raise BadPhoto(_reason(error)) from error


def as_seen(image: Image.Image) -> Image.Image:
    """`decode` for an image that is already open: sRGB, upright, with transparency on white."""
    return colours.in_srgb(upright(image))


def fit(image: Image.Image, views: Sequence[View]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The photo after all `views`, composed into one interpolation: uint8 [H, W, 3] in sRGB."""
    frame: Size = (image.height, image.width)
    box: Box = (0.0, 0.0, float(image.width), float(image.height))
    pad_mode = "zeros"
    for view in views:
        inner = view.box(frame)
        sx, sy = (box[2] - box[0]) / frame[1], (box[3] - box[1]) / frame[0]
        box = (box[0] + inner[0] * sx, box[1] + inner[1] * sy, box[0] + inner[2] * sx, box[1] + inner[3] * sy)
        frame = view.size
        pad_mode = view.pad_mode if view.method == "pad" else pad_mode
    return show_box(image, box, frame, pad_mode)


def show_box(image: Image.Image, box: Box, size: Size, pad_mode: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The `box` of a photo resized to `size` (height, width), uint8 [H, W, 3] in sRGB, padded outside the photo."""
    inside = max(0.0, box[0]), max(0.0, box[1]), min(float(image.width), box[2]), min(float(image.height), box[3])
    sx, sy = size[1] / (box[2] - box[0]), size[0] / (box[3] - box[1])
    left, top = round((inside[0] - box[0]) * sx), round((inside[1] - box[1]) * sy)
    right, bottom = round((box[2] - inside[2]) * sx), round((box[3] - inside[3]) * sy)
    width, height = max(1, size[1] - left - right), max(1, size[0] - top - bottom)
    small = np.asarray(colours.in_srgb(image.resize((width, height), Image.Resampling.BILINEAR, inside)))
    pads = ((top, size[0] - height - top), (left, size[1] - width - left), (0, 0))
    if pad_mode == "zeros":
        return np.pad(small, pads)
    return np.pad(small, pads, mode="edge" if pad_mode == "border" else "symmetric")


def normalise(
    pixels: np.ndarray[Any, np.dtype[np.uint8]], mean: Sequence[float], std: Sequence[float]
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """uint8 [H, W, 3] to float32 [3, H, W], minus `mean`, divided by `std` (both for values in 0..1)."""
    scaled = (pixels.astype(np.float32) / 255 - np.array(mean, np.float32)) / np.array(std, np.float32)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def read(source: bytes | str | Path) -> bytes:
    """The content of a photo's file; raises BadPhoto."""
    if isinstance(source, bytes):
        return source
    try:
        about = Path(source).stat()
        if not stat.S_ISREG(about.st_mode):  # reading a device or pipe might never end
            raise BadPhoto("it is not a file")
        if about.st_size > MAX_PHOTO_BYTES:
            raise BadPhoto(f"the file is larger than {MAX_PHOTO_BYTES // 1_000_000} MB")
        return Path(source).read_bytes()
    except (OSError, MemoryError) as error:
        raise BadPhoto(_reason(error)) from error


def _opened(data: bytes) -> ImageFile:
    try:
        return Image.open(bounds.stream(data), formats=FORMATS)
    except Image.DecompressionBombError:
        if not data.startswith(bounds.JPEG):
            raise
        return jpeg_factory(io.BytesIO(data))  # it may be decoded at a reduced size


def _reduce(image: ImageFile, most: int) -> bool:
    """Make the decoder reduce a photo of more than `most` pixels; returns whether it will."""
    width, height = image.size
    scales = (scale for scale in (2, 4, 8) if math.ceil(width / scale) * math.ceil(height / scale) <= most)
    scale = next(scales, 8)
    return width * height > most and image.draft(None, (width // scale, height // scale)) is not None


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split("<_io")[0].split()).strip(" '\"")
    if isinstance(error, MemoryError):
        return "it takes too much memory"
    if isinstance(error, UnidentifiedImageError):
        return "not an image in a known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return text or type(error).__name__
