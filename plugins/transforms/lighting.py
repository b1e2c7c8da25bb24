"""Brightness and contrast applied to the logits of pixel values, which keeps them in 0..1."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import numpy as np

from core.data.draws import Array, Draws
from core.data.transforms import Pixel
from core.registry import Range, transforms

if TYPE_CHECKING:
    from torch import Tensor


@transforms.register("lighting")
class Lighting(Pixel):
    """Changes brightness and contrast by up to `max_lighting` (fastai's `Brightness` and `Contrast`)."""

    def __init__(
        self,
        max_lighting: Annotated[float, "Largest change of brightness and contrast", Range(0, 0.9)] = 0.2,
        p: Annotated[float, "Probability of each of brightness and contrast", Range(0, 1)] = 0.75,
    ) -> None:
        self.max_lighting, self.p = max_lighting, p

    def draw(self, sizes: Array, draws: Draws) -> Array:
        """Brightness in 0..1, where 0.5 means unchanged, and contrast as a factor: [N, 2]."""
        half, log = self.max_lighting / 2, math.log(1 - self.max_lighting)
        brightness = np.where(draws.happens(self.p), draws.uniform(0.5 - half, 0.5 + half), 0.5)
        contrast = np.where(draws.happens(self.p), np.exp(draws.uniform(log, -log)), 1.0)
        return np.stack([brightness, contrast], 1)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """sigmoid((logit(pixels) + logit(brightness)) * contrast), with pixels clamped to [1e-7, 1 - 1e-7]."""
        brightness, contrast = drawn.T.reshape(2, -1, 1, 1, 1)
        return images.logit(eps=1e-7).add_(brightness.logit()).mul_(contrast).sigmoid_()
