"""The second step of presizing: everything random about a photo, composed so that it is sampled once."""

from __future__ import annotations

from typing import Annotated

from core.data.transforms import Geometric, PadMode, Pixel
from core.registry import Range, transforms
from plugins.transforms.lighting import Lighting
from plugins.transforms.random_resized_crop import RandomResizedCrop
from plugins.transforms.warps import MAX_WARP, Flip, Rotate, Warp, Zoom


@transforms.register("aug_transforms", default={"batch_tfms": {"size": 192, "min_scale": 0.75}})
def aug_transforms(
    mult: Annotated[float, "Factor of rotation, lighting and warp", Range(0, 4)] = 1.0,
    do_flip: Annotated[bool, "Left and right exchanged in half of the photos"] = True,
    flip_vert: Annotated[bool, "Upside down and turned by 90 degrees too"] = False,
    max_rotate: Annotated[float, "Degrees", Range(0, 180)] = 10.0,
    min_zoom: Annotated[float, "Smallest enlargement", Range(0.1, 10)] = 1.0,
    max_zoom: Annotated[float, "Largest enlargement", Range(0.1, 10)] = 1.1,
    max_lighting: Annotated[float, "Largest change of brightness and contrast", Range(0, 0.9)] = 0.2,
    max_warp: Annotated[float, "Largest tilt, in half frames", Range(0, MAX_WARP)] = 0.2,
    p_affine: Annotated[float, "Share of the photos for each of rotation, zoom and warp", Range(0, 1)] = 0.75,
    p_lighting: Annotated[float, "Share of the photos for each of brightness and contrast", Range(0, 1)] = 0.75,
    size: Annotated[int | tuple[int, int] | None, "Pixels of the result; null keeps the size"] = None,
    min_scale: Annotated[float, "Smallest share of the area that is shown", Range(0.01, 1)] = 1.0,
    pad_mode: Annotated[PadMode, "What lies outside the photo"] = "reflection",
) -> list[Geometric | Pixel]:
    """Flip, rotate, zoom, warp, crop and light, with fastai's parameters and probabilities."""
    tfms: list[Geometric | Pixel] = []
    if max_warp * mult:
        tfms.append(Warp(min(max_warp * mult, MAX_WARP), p_affine, pad_mode))
    if do_flip or flip_vert:
        tfms.append(Flip(0.5, flip_vert, pad_mode))
    if max_rotate * mult:
        tfms.append(Rotate(max_rotate * mult, p_affine, pad_mode))
    if (min_zoom, max_zoom) != (1, 1):
        tfms.append(Zoom(min_zoom, max_zoom, p_affine, pad_mode))
    if size is not None:
        tfms.append(RandomResizedCrop(size, min_scale, ratio=(1.0, 1.0), val_xtra=0.0))
    if max_lighting * mult:
        tfms.append(Lighting(min(max_lighting * mult, 0.9), p_lighting))
    return tfms
