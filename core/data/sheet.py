"""fastai's options for showing images: rows, columns and figure size in inches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
import torch
from PIL.Image import Image

from core.data.pictures import contact_sheet
from core.data.pil_image import PILImage

DPI = 100  # pixels per inch, matplotlib's default

Figsize = tuple[float, float]  # width and height in inches


class Layout(TypedDict, total=False):
    """The layout of a contact sheet: rows, columns and its size (width, height) in inches."""

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
    """A contact sheet of `images` [N, 3, H, W] in 0..1; at most `nrows` x `ncols` if both are given."""
    shown = min(len(images), nrows * ncols) if nrows and ncols else len(images)
    columns = ncols or (math.ceil(shown / nrows) if nrows else None)
    return contact_sheet(images[:shown], captions[:shown], columns, pixels(figsize))


def pixels(figsize: Figsize | None, dpi: float = DPI) -> tuple[int, int] | None:
    """The size in pixels of a figure of `figsize` inches, or None."""
    return (round(figsize[0] * dpi), round(figsize[1] * dpi)) if figsize else None


def show_image(im: Any, title: str = "", figsize: Figsize | None = None) -> Image:
    """One photo with its title: a float tensor [3, H, W] or [H, W] in 0..1, or anything `PILImage.create` accepts."""
    if not (isinstance(im, torch.Tensor) and im.is_floating_point()):
        im = torch.from_numpy(np.array(PILImage.create(im))).permute(2, 0, 1) / 255
    return sheet(im.expand(3, *im.shape[-2:])[None], [title], figsize=figsize)
