"""fastai's `aug_transforms`: the random part of presizing, composed so that each photo is interpolated once."""

from __future__ import annotations

from typing import Annotated

from core.data.transforms import Geometric, PadMode, Pixel
from core.registry import Range, transforms
from plugins.transforms.lighting import Lighting
from plugins.transforms.random_resized_crop import RandomResizedCrop
from plugins.transforms.warps import MAX_WARP, Flip, Rotate, Warp, Zoom


@transforms.register("aug_transforms", default={"batch_tfms": {"size": 192, "min_scale": 0.75}})
def aug_transforms(
    mult: Annotated[float, "Multiplier for rotation, lighting and warp", Range(0, 4)] = 1.0,
    do_flip: Annotated[bool, "Mirror half of the photos horizontally"] = True,
    flip_vert: Annotated[bool, "Also flip vertically and rotate by 90 degrees"] = False,
    max_rotate: Annotated[float, "Largest rotation in degrees", Range(0, 180)] = 10.0,
    min_zoom: Annotated[float, "Smallest zoom factor", Range(0.1, 10)] = 1.0,
    max_zoom: Annotated[float, "Largest zoom factor", Range(0.1, 10)] = 1.1,
    max_lighting: Annotated[float, "Largest change of brightness and contrast", Range(0, 0.9)] = 0.2,
    max_warp: Annotated[float, "Largest perspective shift of a corner, in half image sides", Range(0, MAX_WARP)] = 0.2,
    p_affine: Annotated[float, "Probability of each of rotation, zoom and warp", Range(0, 1)] = 0.75,
    p_lighting: Annotated[float, "Probability of each of brightness and contrast", Range(0, 1)] = 0.75,
    size: Annotated[int | tuple[int, int] | None, "Output size in pixels; null keeps the input size"] = None,
    min_scale: Annotated[float, "Smallest share of the area that a crop keeps", Range(0.01, 1)] = 1.0,
    pad_mode: Annotated[PadMode, "How to fill the area outside the photo"] = "reflection",
) -> list[Geometric | Pixel]:
    """Random flip, rotation, zoom, warp, crop and lighting, with fastai's parameters and defaults."""
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
