"""Photos in the page: small JPEGs embedded in the HTML, so that no file has to be served."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from PIL import Image

from core.data import photo
from core.data.decoder import decoders
from core.data.photo import BadPhoto, NotNow
from plugins.panels.kit.views.html import Html, joined

THUMBNAIL, LARGE = 192, 900  # pixels

_decode: Callable[[Path, int], Image.Image] = photo.thumbnail


def decode_apart() -> None:
    """From now on decode photos in processes that can be killed, as they are those of strangers."""
    global _decode
    _decode = decoders().thumbnail


def embedded(image: Image.Image, quality: int = 82) -> str:
    """An image as a data URL for `src`."""
    with io.BytesIO() as stream:
        image.save(stream, "JPEG", quality=quality)
        return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def thumbnail(file: Path, side: int = THUMBNAIL) -> str:
    """A photo as a data URL for `src`, with a longer side of at most `side` pixels; empty if it cannot be read."""
    try:
        status = file.stat()
        return _thumbnail(file, side, status.st_size, status.st_mtime_ns)
    except (OSError, NotNow):
        return ""


def large(file: Path) -> str:
    """A photo as a data URL for `src`, large; empty if it cannot be read."""
    try:
        return embedded(_decode(file, LARGE), 88)
    except (OSError, NotNow, BadPhoto):
        return ""


@lru_cache(maxsize=2000)
def _thumbnail(file: Path, side: int, size: int, changed: int) -> str:
    try:
        return embedded(_decode(file, side))
    except NotNow:  # not to be remembered
        raise
    except BadPhoto:
        return ""


def grid(pictures: Iterable[tuple[str, str]]) -> Html:
    """A grid of (src, caption); a picture without `src` is shown as one that cannot be read."""
    tile = Html("<figure>{}<figcaption>{}</figcaption></figure>")
    return Html('<div class="tiles">{}</div>').format(
        joined(tile.format(_picture(src, caption), caption) for src, caption in pictures)
    )


def _picture(src: str, caption: str) -> Html:
    if not src:
        return Html("<i>cannot be read</i>")
    return Html('<img src="{}" alt="{}" loading="lazy">').format(src, caption)
