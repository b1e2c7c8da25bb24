"""Resize photos of any shape to one size: the first step of presizing."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import numpy as np

from core.data.draws import Array, Draws
from core.data.photo import View
from core.data.transforms import Geometric, PadMode, box_matrices, pair, view_boxes
from core.registry import transforms

__all__ = ["PadModes", "ResizeMethod"]


class ResizeMethod(StrEnum):
    """fastai's names for the three resize methods."""

    Crop = "crop"
    Pad = "pad"
    Squish = "squish"


class PadModes(StrEnum):
    """How the area outside a photo is filled: black, its edge repeated, or its mirror image."""

    Zeros = "zeros"
    Border = "border"
    Reflection = "reflection"


@transforms.register("resize", default={"item_tfms": {"size": 256}})
class Resize(Geometric):
    """Resizes to one size by cropping (at random in training, the centre in validation), padding or squishing."""

    view: View

    def __init__(
        self,
        size: Annotated[int | tuple[int, int], "Side in pixels, or height and width"] = 460,
        method: Annotated[Literal["crop", "pad", "squish"], "How to fit a photo with another aspect ratio"] = "crop",
        pad_mode: Annotated[PadMode, "How to fill the padding, if method is pad"] = "reflection",
    ) -> None:
        self.view = View(pair(size), method, pad_mode)
        self.max_useful_size = self.view.size
        self.pad_mode = pad_mode if method == "pad" else None

    def draw(self, sizes: Array, draws: Draws, training: bool) -> Array:
        """The boxes [N, 4] of the photos that are shown; in training, a crop is placed at random."""
        boxes = view_boxes(self.view, sizes)
        if training and self.view.method == "crop":
            boxes += np.tile(boxes[:, :2] * draws.uniform(-1, 1, times=2), 2)
        return boxes

    def matrices(self, drawn: Array, sizes: Array) -> Array:
        """The matrices that resize the drawn boxes to `size`."""
        return box_matrices(drawn, self.view.size)
