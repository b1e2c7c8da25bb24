"""CutMix, a batch transform that pastes photos into each other."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Annotated

from core.data.photo import Size
from core.data.transforms import BatchTransform
from core.registry import Range, transforms

if TYPE_CHECKING:
    from torch import Tensor

IntBox = tuple[int, int, int, int]  # left, top, right, bottom


@transforms.register("cutmix")
class CutMix(BatchTransform):
    """Pastes a box of another photo into each training photo and mixes the labels by area (Yun 2019)."""

    def __init__(
        self,
        alpha: Annotated[float, "Areas are drawn from Beta(alpha, alpha); 1 is uniform", Range(0.01, 10)] = 1.0,
    ) -> None:
        self.alpha = alpha

    def draw(self, photos: int, size: Size, generator: Random) -> tuple[list[int], list[IntBox]]:
        """The partner of each photo, and the box that is pasted from it."""
        boxes = [self._box(size, generator) for _ in range(photos)]
        return generator.sample(range(photos), photos), boxes

    def _box(self, size: Size, generator: Random) -> IntBox:
        h, w = size
        side = math.sqrt(1 - generator.betavariate(self.alpha, self.alpha))
        x, y = generator.uniform(0, w), generator.uniform(0, h)
        half_w, half_h = w * side / 2, h * side / 2
        return (
            max(0, round(x - half_w)),
            max(0, round(y - half_h)),
            min(w, round(x + half_w)),
            min(h, round(y + half_h)),
        )

    def apply(self, images: Tensor, targets: Tensor, drawn: tuple[list[int], list[IntBox]]) -> tuple[Tensor, Tensor]:
        """Images [N, 3, H, W] with the boxes pasted, and targets [N, C] mixed by visible area."""
        partners, boxes = drawn
        images, others = images.clone(), images
        seen = []
        for i, (partner, (left, top, right, bottom)) in enumerate(zip(partners, boxes, strict=True)):
            images[i, :, top:bottom, left:right] = others[partner, :, top:bottom, left:right]
            seen.append(1 - (right - left) * (bottom - top) / (images.shape[2] * images.shape[3]))
        return images, targets[partners].lerp(targets, targets.new_tensor(seen)[:, None])
