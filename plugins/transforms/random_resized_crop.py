"""A random crop of the photo, resized to a fixed size."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np

from core.data.draws import Array, Draws
from core.data.photo import View
from core.data.transforms import Geometric, box_matrices, pair, view_boxes
from core.errors import BadInput
from core.registry import Range, transforms

ATTEMPTS = 10  # as in torchvision


@transforms.register("random_resized_crop")
class RandomResizedCrop(Geometric):
    """Crops a random area and aspect ratio and resizes it to `size`; in validation, crops the centre."""

    view: View

    def __init__(
        self,
        size: Annotated[int | tuple[int, int], "Side in pixels, or height and width"] = 224,
        min_scale: Annotated[float, "Smallest share of the area that a crop keeps", Range(0.01, 1)] = 0.08,
        ratio: Annotated[tuple[float, float], "Range of the aspect ratio, relative to size"] = (3 / 4, 4 / 3),
        val_xtra: Annotated[float, "Margin cut off in validation, as a share of size", Range(0, 1)] = 0.14,
    ) -> None:
        if not 0 < ratio[0] <= ratio[1]:
            raise BadInput(
                f"ratio is {ratio!r}; it must be the smallest and the largest aspect ratio, such as [0.75, 1.33]."
            )
        self.min_scale, self.ratio = min_scale, ratio
        self.view = View(pair(size), "crop", crop_pct=1 / (1 + val_xtra))
        larger = math.sqrt(max(ratio[1], 1 / ratio[0]) / min_scale)  # than the size, so that no crop is enlarged
        self.max_useful_size = math.ceil(self.view.size[0] * larger), math.ceil(self.view.size[1] * larger)

    def draw(self, sizes: Array, draws: Draws, training: bool) -> Array:
        """The crop boxes [N, 4]; where no attempt fits, the largest centre crop (as in torchvision)."""
        if not training:
            return view_boxes(self.view, sizes)
        height, width = sizes[:, :1], sizes[:, 1:]
        area = height * width * draws.uniform(self.min_scale, 1, times=ATTEMPTS)
        low, high = (math.log(aspect * self.view.size[1] / self.view.size[0]) for aspect in self.ratio)
        aspect = np.exp(draws.uniform(low, high, times=ATTEMPTS))
        sides = np.stack([np.sqrt(area * aspect), np.sqrt(area / aspect)])  # [2, N, ATTEMPTS] widths and heights
        free = np.stack([width, height]) - sides
        fits = (free >= 0).all(0)
        rows, first = np.arange(len(sizes)), fits.argmax(1)
        start = free[:, rows, first].T * draws.uniform(times=2)
        boxes = np.concatenate([start, start + sides[:, rows, first].T], 1)
        return np.where(fits.any(1)[:, None], boxes, view_boxes(View(self.view.size), sizes))

    def matrices(self, drawn: Array, sizes: Array) -> Array:
        """The matrices that resize the drawn boxes to `size`."""
        return box_matrices(drawn, self.view.size)
