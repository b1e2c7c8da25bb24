"""From the colour profile of a photo to sRGB, by Little CMS, which is part of Pillow.

Most phones write Display P3; read as sRGB, its colours would be paler than they are.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE = 2_000_000  # bytes, as some printing presses have; cameras write a few thousand at most
SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}  # as a profile's header says them, and as Pillow does
PROGRAM = b"mpet"  # calculations, as many as a profile says, which would take minutes
SAME = 2  # of 255; profiles that are all called sRGB differ by so much


def in_srgb(image: Image.Image) -> Image.Image:
    """An image in sRGB by its profile; the image itself where it is that already, or has none that fits."""
    transform = to_srgb(image)
    return transform.apply(image) if transform else image


def to_srgb(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """What makes sRGB of an image's colours; None where they are that, or its profile is none that Little CMS reads."""
    profile = image.info.get("icc_profile")
    if not profile or len(profile) > MAX_PROFILE:
        return None
    space = SPACES.get(profile[16:20])
    return _transform(profile, space) if space == _space(image.mode) else None


def _space(mode: str) -> str:
    if mode == "CMYK":
        return mode
    return "L" if Image.getmodebase(mode) == "L" else "RGB"


@lru_cache(maxsize=16)  # a phone writes one profile into all of its photos
def _transform(profile: bytes, space: str) -> ImageCms.ImageCmsTransform | None:
    if PROGRAM in profile:
        return None
    try:
        made = ImageCms.ImageCmsTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            space,
            "RGB",
        )
    except (OSError, ValueError):  # it is damaged
        return None
    return made if space == "CMYK" or _changes(made, space) else None


def _changes(transform: ImageCms.ImageCmsTransform, space: str) -> bool:
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    every = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    before = Image.fromarray(every if space == "RGB" else levels[None])
    after = transform.apply(before)
    return int(np.abs(np.asarray(after, int) - np.asarray(before.convert("RGB"), int)).max()) > SAME
