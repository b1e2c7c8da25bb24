"""Conversion from a photo's colour profile to sRGB with Little CMS, which is part of Pillow.

Most phones write Display P3; read as sRGB, its colours would be too pale.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE = 2_000_000  # bytes, for profiles of printing presses; cameras write a few thousand at most
SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}  # name in a profile's header -> Pillow's mode
PROGRAM = b"mpet"  # tag of arbitrary calculations, which could take minutes
PROFILE_TOLERANCE = 2  # of 255; sRGB profiles differ from each other by up to this


def in_srgb(image: Image.Image) -> Image.Image:
    """The image converted to sRGB; the image itself if it already is sRGB or has no usable profile."""
    transform = to_srgb(image)
    return transform.apply(image) if transform else image


def to_srgb(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """The transform of an image's colours to sRGB; None if they are sRGB or the profile is unusable."""
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
    return int(np.abs(np.asarray(after, int) - np.asarray(before.convert("RGB"), int)).max()) > PROFILE_TOLERANCE
