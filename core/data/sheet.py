"""fastai's options of a picture: rows and columns of photos, and its size in inches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
import torch
from PIL.Image import Image

from core.data.pictures import contact_sheet
from core.data.pil_image import PILImage

DPI = 100  # pixels an inch, as matplotlib has it

Figsize = tuple[float, float]  # inches: width, height


class Layout(TypedDict, total=False):
    """How photos are laid out: rows, columns, and inches (width, height) into which all of them fit."""

    nrows: int | None
    ncols: int | None
    figsize: Figsize | None


def sheet(
    images: Any,
    captions: Sequence[str],
    nrows: int | None = None,
    ncols: int | None = None,
    figsize: Figsize | None = None,
) -> Image:
    """`images` [N, 3, H, W] in 0..1 above their captions; where rows and columns are given, no more than fit."""
    shown = min(len(images), nrows * ncols) if nrows and ncols else len(images)
    columns = ncols or (math.ceil(shown / nrows) if nrows else None)
    return contact_sheet(images[:shown], captions[:shown], columns, pixels(figsize))


def pixels(figsize: Figsize | None, dpi: float = DPI) -> tuple[int, int] | None:
    """Width and height of a picture of so many inches, if they are said."""
    return (round(figsize[0] * dpi), round(figsize[1] * dpi)) if figsize else None


def show_image(im: Any, title: str = "", figsize: Figsize | None = None) -> Image:
    """One photo above its title: values in 0..1, [3, H, W] or grey [H, W], or whatever `PILImage.create` takes."""
    if not (isinstance(im, torch.Tensor) and im.is_floating_point()):
        im = torch.from_numpy(np.array(PILImage.create(im))).permute(2, 0, 1) / 255
    return sheet(im.expand(3, *im.shape[-2:])[None], [title], figsize=figsize)
