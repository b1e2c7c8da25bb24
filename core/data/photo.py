"""From the bytes of a photo to the input of a model, with Pillow and NumPy alone.

Validation, the predictor and an exported app all go through this file and those that it imports, so they answer the
same.
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
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import jpeg_factory

from core.data import bounds, colours

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM"]
try:
    import pillow_heif  # what phones of one maker write; an exported app may go without

    pillow_heif.register_heif_opener()
    FORMATS.append("HEIF")
except ImportError:
    pass
# for the process, once: `catch_warnings` around a decode would leak between the threads that decode
warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif\.")
MAX_PIXELS = 64_000_000  # 256 MB as Pillow keeps them; a 48-megapixel phone passes
STRANGERS_PIXELS = 50_000_000  # a 50-megapixel phone passes
REDUCED_PASSES = 4  # so long takes each pixel of a JPEG that is decoded smaller; a 200-megapixel phone passes
COSTLY = {"WEBP": 2}  # its decoder takes 24 bytes a pixel, so it may have half as many
MAX_BYTES = 500_000_000
MAX_WORK = 1_000_000_000  # pixels x passes, 3 seconds
LARGE = 13_000_000  # pixels; photos that have more wait for each other,
AT_ONCE = 2 * MAX_PIXELS  # so that no more pixels than these are decoded at once
STRIP = 2**20  # pixels
SHARP = 2  # pixels decoded, in each direction, for one of a thumbnail
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

Box = tuple[float, float, float, float]
Size = tuple[int, int]


class BadPhoto(ValueError):
    """These bytes cannot be shown as a photo; the message says why."""


class NotNow(BadPhoto):
    """This photo could not be decoded just now; another time it may be."""


class TooMuchWork(BadPhoto):
    """To decode this photo takes longer than was allowed."""


class _Budget:
    """So many pixels may be in memory at once; who wants more waits."""

    def __init__(self, total: int) -> None:
        self.left, self._changed = total, Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for `pixels`, no more than the total, and hold it."""
        with self._changed:
            self._changed.wait_for(lambda: self.left >= pixels)
            self.left -= pixels
        try:
            yield
        finally:
            with self._changed:
                self.left += pixels
                self._changed.notify_all()


_large = _Budget(AT_ONCE)


@dataclass(frozen=True)
class View:
    """How a photo is fitted to `size` (height, width) when nothing is random.

    "crop" takes the largest centred box of that aspect, `crop_pct` of it; "pad" shows the whole photo and fills the
    rest by `pad_mode`; "squish" shows the whole photo and changes its aspect.
    """

    size: Size
    method: Literal["crop", "pad", "squish"] = "crop"
    pad_mode: Literal["zeros", "border", "reflection"] = "zeros"
    crop_pct: float = 1.0

    def box(self, size: Size) -> Box:
        """The part (left, top, right, bottom) of a frame of `size` (height, width) that is shown, in its pixels."""
        h, w = size
        if self.method == "squish":
            return 0.0, 0.0, float(w), float(h)
        fit = min if self.method == "crop" else max
        scale = fit(h / self.size[0], w / self.size[1]) * (self.crop_pct if self.method == "crop" else 1.0)
        half_h, half_w = scale * self.size[0] / 2, scale * self.size[1] / 2
        return w / 2 - half_w, h / 2 - half_h, w / 2 + half_w, h / 2 + half_h


def decode(source: bytes | str | Path, max_pixels: int = MAX_PIXELS, max_work: int = MAX_WORK) -> Image.Image:
    """The sRGB image a person sees: first frame, upright, on white where transparent. Raises BadPhoto."""
    return colours.in_srgb(load(source, max_pixels, max_work))


def thumbnail(source: bytes | str | Path, side: int) -> Image.Image:
    """The sRGB image a person sees, its longer side at most `side`; a JPEG is decoded no larger than that needs.

    Raises BadPhoto.
    """
    image = load(source, side=side)
    image.thumbnail((side, side))
    return colours.in_srgb(image)


def load(
    source: bytes | str | Path, max_pixels: int = MAX_PIXELS, max_work: int = MAX_WORK, side: int | None = None
) -> Image.Image:
    """`decode` in the photo's own colours: `info` holds their profile, and `fit` applies it to what is left to show.

    What it costs is known before memory is taken: no more than `max_pixels`, nor than `max_work` pixels x passes. A
    JPEG of over 50 megapixels comes at a half, a quarter or an eighth of its sides, unless its decoder must keep all of
    it; so does any JPEG of which only `side` pixels will be shown. Raises BadPhoto.
    """
    try:
        data, scans = bounds.checked(read(source))
        with _opened(data) as image:
            most = max_pixels // COSTLY.get(image.format or "", 1)
            width, height = bounds.unpacked(image)
            reduced = scans == 1 and _reduce(image, min(most, STRANGERS_PIXELS))  # the same for strangers and others
            pixels = math.prod(bounds.unpacked(image))
            if pixels > most:
                raise BadPhoto(f"{width} x {height} pixels are more than {most:,}")
            work = width * height * (REDUCED_PASSES if reduced else bounds.passes(image, scans))
            if work > max_work:
                raise TooMuchWork(f"its {width} x {height} pixels take too many passes to decode")
            if side and not reduced:
                image.draft(None, (SHARP * side, SHARP * side))
            with _large.taken(pixels) if pixels > LARGE else nullcontext():
                image.load()
                return upright(image)
    except BadPhoto:
        raise
    except Exception as error:  # decoders raise anything, SyntaxError included
        raise BadPhoto(_reason(error)) from error


def as_seen(image: Image.Image) -> Image.Image:
    """An image that is already open, as a person sees it: sRGB, upright, on white where transparent."""
    return colours.in_srgb(upright(image))


def upright(image: Image.Image) -> Image.Image:
    """`as_seen` in the image's own colours, as `load` gives them: RGB, and where they are not sRGB, with a profile."""
    transform = colours.to_srgb(image)
    turned = _turned(image)
    if transform and transform.input_mode == "CMYK":
        return transform.apply(turned)
    shown = _rgb(turned, deep=image.format == "PPM")
    if transform and transform.input_mode == "L":
        return transform.apply(shown.getchannel(0))
    if transform:
        shown.info["icc_profile"] = image.info["icc_profile"]  # which is lost with transparency
    elif shown.mode != image.mode:
        shown.info.pop("icc_profile", None)  # one that did not fit before must not fit now
    return shown


def fit(image: Image.Image, views: Sequence[View]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The photo as `views`, one after the other, show it: uint8 [H, W, 3] in sRGB, sampled once."""
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
    """The part `box` of a photo at `size` (height, width), uint8 [H, W, 3] in sRGB; what lies outside is padded."""
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
    """uint8 [H, W, 3] to float32 [3, H, W], less `mean`, over `std` (both of pixels in 0..1)."""
    scaled = (pixels.astype(np.float32) / 255 - np.array(mean, np.float32)) / np.array(std, np.float32)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def read(source: bytes | str | Path) -> bytes:
    """The content of a photo's file; raises BadPhoto."""
    if isinstance(source, bytes):
        return source
    try:
        about = Path(source).stat()
        if not stat.S_ISREG(about.st_mode):  # a device, a pipe: it might never end
            raise BadPhoto("it is not a file")
        if about.st_size > MAX_BYTES:
            raise BadPhoto(f"the file is larger than {MAX_BYTES // 1_000_000} MB")
        return Path(source).read_bytes()
    except (OSError, MemoryError) as error:
        raise BadPhoto(_reason(error)) from error


def _opened(data: bytes) -> ImageFile:
    try:
        return Image.open(bounds.stream(data), formats=FORMATS)
    except Image.DecompressionBombError:
        if not data.startswith(bounds.JPEG):
            raise
        return jpeg_factory(io.BytesIO(data))  # which may become smaller yet


def _reduce(image: ImageFile, most: int) -> bool:
    """Whether the photo has more than `most` pixels and a decoder that makes fewer of them, as it will."""
    width, height = image.size
    scales = (scale for scale in (2, 4, 8) if math.ceil(width / scale) * math.ceil(height / scale) <= most)
    scale = next(scales, 8)
    return width * height > most and image.draft(None, (width // scale, height // scale)) is not None


def _turned(image: Image.Image) -> Image.Image:
    try:
        turn = TURNS.get(_orientation(image))
    except Exception:  # a broken EXIF block does not make the pixels unreadable
        return image
    if turn is None:
        return image
    turned = image.transpose(turn)
    for name in ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"):  # or whoever looks turns it again
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
    """Grey of 16 bits (`deep`: in a mode for 32) by its range; of 32 bits or floats by what the photo uses of it."""
    low, high = 0.0, 65535.0
    if not deep and not image.mode.startswith("I;16"):
        ends = [f(np.nan_to_num(np.asarray(image.crop(box)))) for box in _strips(image) for f in (np.min, np.max)]
        low, high = float(min(ends)), float(max(ends))
    shown = Image.new("L", image.size)
    for box in _strips(image):
        values = np.nan_to_num(np.asarray(image.crop(box)).astype(np.float64))
        scaled = (values - low) * (255 / max(high - low, 1e-9))
        shown.paste(Image.fromarray(scaled.clip(0, 255).round().astype(np.uint8)), box)
    shown.info = image.info.copy()
    return shown


def _strips(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of some rows each, from top to bottom."""
    rows = max(1, STRIP // max(1, image.width))
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(image.height, top + rows)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split("<_io")[0].split()).strip(" '\"")
    if isinstance(error, MemoryError):
        return "it takes too much memory"
    if isinstance(error, UnidentifiedImageError):
        return "not an image in a known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return text or type(error).__name__
