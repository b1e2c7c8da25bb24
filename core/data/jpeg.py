"""The pixels of `photo.decode`, less the copies it makes of a JPEG in colour."""

from __future__ import annotations

import io
import stat
from pathlib import Path

from PIL import Image, ImageOps
from PIL.ExifTags import Base

from core.data import photo


def decode(source: bytes | str | Path) -> Image.Image:
    """The very picture that `photo.decode` gives, sooner; raises its BadPhoto."""
    try:
        image = _decoded(source)
    except Exception:  # what is wrong is for `photo.decode` to say
        image = None
    return photo.decode(source) if image is None else image


def _decoded(source: bytes | str | Path) -> Image.Image | None:
    """The picture, or None where `photo.decode` refuses the file unopened or for its size."""
    if not isinstance(source, bytes):
        about = Path(source).stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > photo.MAX_BYTES:
            return None
        source = Path(source).read_bytes()
    with Image.open(io.BytesIO(source), formats=photo.FORMATS) as image:
        if image.width * image.height > photo.MAX_PIXELS:
            return None
        image.load()
        if image.format != "JPEG" or image.mode != "RGB":
            return photo.as_seen(image)
        if image.getexif().get(Base.Orientation, 1) == 1:
            return image
        return ImageOps.exif_transpose(image)
