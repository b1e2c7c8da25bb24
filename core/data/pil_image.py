"""fastai's PILImage: opens a photo from a file, bytes, an image or an array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.data import photo
from core.data.colours import in_srgb
from core.data.photo import BadPhoto
from core.data.upright import upright


def opened(item: Any) -> Image.Image:
    """The photo in a file, bytes, a Pillow image or a uint8 array [H, W], [H, W, 3] or [H, W, 4], as `photo.load`.

    Raises BadPhoto.
    """
    if isinstance(item, Image.Image):
        return upright(item)
    if isinstance(item, (str, Path, bytes)):
        return photo.load(item)
    array = np.asarray(item)
    grey = array.ndim == 2
    if array.dtype != np.uint8 or not array.size or not (grey or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise BadPhoto(
            f"an array {list(array.shape)} of {array.dtype} is not a photo; give uint8 [H, W], [H, W, 3] or [H, W, 4]"
        )
    return upright(Image.fromarray(np.ascontiguousarray(array)))


class PILImage(Image.Image):
    """A Pillow image with fastai's methods: `PILImage.create(file)`, `shape` (height, width), `to_thumb(192)`."""

    @classmethod
    def create(cls, fn: Any) -> PILImage:
        """The photo in sRGB, upright, from anything that `opened` accepts; raises BadPhoto."""
        image = in_srgb(opened(fn))
        return cls._of(image.copy() if image is fn else image)  # drawing on it must not change `fn`

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def to_thumb(self, h: int, w: int | None = None) -> PILImage:
        """A copy that fits into `h` x `w` pixels, or into a square of `h`; never larger than the photo."""
        small = self.copy()
        small.thumbnail((w or h, h))
        return self._of(small)

    @classmethod
    def _of(cls, image: Image.Image) -> PILImage:
        made = cls()
        vars(made).update(vars(image))
        return made
