"""A random part of the photo at a fixed size."""

from __future__ import annotations

import math
from random import Random
from typing import Annotated

from core.data.photo import Box, Size, View
from core.data.transforms import Geometric, Matrix, box_matrix, pair
from core.errors import BadInput
from core.registry import Range, transforms


@transforms.register("random_resized_crop")
class RandomResizedCrop(Geometric):
    """A part of random area and shape, at one size; in validation the centre."""

    view: View

    def __init__(
        self,
        size: Annotated[int | tuple[int, int], "Pixels, or height and width"] = 224,
        min_scale: Annotated[float, "Smallest share of the photo's area that is shown", Range(0.01, 1)] = 0.08,
        ratio: Annotated[tuple[float, float], "Narrowest and widest shape, times that of the size"] = (3 / 4, 4 / 3),
        val_xtra: Annotated[float, "In validation, how much more than the centre that is shown", Range(0, 1)] = 0.14,
    ) -> None:
        if not 0 < ratio[0] <= ratio[1]:
            raise BadInput(f"ratio is {ratio!r}; it must be the narrowest and the widest shape, such as [0.75, 1.33].")
        self.min_scale, self.ratio = min_scale, ratio
        self.view = View(pair(size), "crop", crop_pct=1 / (1 + val_xtra))
        larger = math.sqrt(max(ratio[1], 1 / ratio[0]) / min_scale)  # than the size, so that no part is enlarged
        self.max_useful_size = math.ceil(self.view.size[0] * larger), math.ceil(self.view.size[1] * larger)

    def draw(self, size: Size, generator: Random, training: bool) -> Box:
        """The box shown; ten attempts to fit one, then the largest in the centre (Szegedy 2014, as in torchvision)."""
        if not training:
            return self.view.box(size)
        (h, w), (target_h, target_w) = size, self.view.size
        for _ in range(10):
            area = h * w * generator.uniform(self.min_scale, 1)
            aspect = math.exp(generator.uniform(*map(math.log, self.ratio))) * target_w / target_h
            width, height = math.sqrt(area * aspect), math.sqrt(area / aspect)
            if width <= w and height <= h:
                left, top = generator.uniform(0, w - width), generator.uniform(0, h - height)
                return left, top, left + width, top + height
        return View(self.view.size).box(size)

    def matrix(self, drawn: Box, size: Size) -> tuple[Matrix, Size]:
        """Shows the drawn box at the target size."""
        return box_matrix(drawn, self.view.size), self.view.size
