"""Fit photos of any shape into one size: the first step of presizing."""

from __future__ import annotations

from enum import StrEnum
from random import Random
from typing import Annotated, Literal

from core.data.photo import Box, Size, View
from core.data.transforms import Geometric, Matrix, PadMode, box_matrix, pair
from core.registry import transforms

__all__ = ["PadModes", "ResizeMethod"]


class ResizeMethod(StrEnum):
    """fastai's names for the three ways to fit a photo."""

    Crop = "crop"
    Pad = "pad"
    Squish = "squish"


class PadModes(StrEnum):
    """What lies outside a photo: black, its edge repeated, or its mirror image."""

    Zeros = "zeros"
    Border = "border"
    Reflection = "reflection"


@transforms.register("resize", default={"item_tfms": {"size": 256}})
class Resize(Geometric):
    """Every photo at one size: cropped (anywhere in training, the centre in validation), padded or squished."""

    view: View

    def __init__(
        self,
        size: Annotated[int | tuple[int, int], "Pixels, or height and width"] = 460,
        method: Annotated[Literal["crop", "pad", "squish"], "How a photo of another shape is fitted"] = "crop",
        pad_mode: Annotated[PadMode, "What fills the rest, with pad"] = "reflection",
    ) -> None:
        self.view = View(pair(size), method, pad_mode)
        self.max_useful_size = self.view.size
        self.pad_mode = pad_mode if method == "pad" else None

    def draw(self, size: Size, generator: Random, training: bool) -> Box:
        """The box of the photo that is shown; where the centre would leave a rest, a random part of it."""
        left, top, right, bottom = self.view.box(size)
        if training and self.view.method == "crop":
            x, y = left * generator.uniform(-1, 1), top * generator.uniform(-1, 1)
            return left + x, top + y, right + x, bottom + y
        return left, top, right, bottom

    def matrix(self, drawn: Box, size: Size) -> tuple[Matrix, Size]:
        """Shows the drawn box at the target size."""
        return box_matrix(drawn, self.view.size), self.view.size
