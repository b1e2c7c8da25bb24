"""MixUp, a batch transform that blends photos."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Annotated

from core.data.photo import Size
from core.data.transforms import BatchTransform
from core.registry import Range, transforms

if TYPE_CHECKING:
    from torch import Tensor


@transforms.register("mixup")
class MixUp(BatchTransform):
    """Blends each training photo, and its label, with another of its batch (Zhang 2017)."""

    def __init__(
        self,
        alpha: Annotated[float, "Shares are drawn from Beta(alpha, alpha); higher mixes more", Range(0.01, 10)] = 0.4,
    ) -> None:
        self.alpha = alpha

    def draw(self, photos: int, size: Size, generator: Random) -> tuple[list[int], list[float]]:
        """The partner of each photo, and the share that the photo keeps."""
        shares = [generator.betavariate(self.alpha, self.alpha) for _ in range(photos)]
        return generator.sample(range(photos), photos), shares

    def apply(self, images: Tensor, targets: Tensor, drawn: tuple[list[int], list[float]]) -> tuple[Tensor, Tensor]:
        """share * own + (1 - share) * partner's, for images [N, 3, H, W] and targets [N, C]."""
        partners, shares = drawn
        share = images.new_tensor(shares)
        return (
            images[partners].lerp(images, share[:, None, None, None]),
            targets[partners].lerp(targets, share[:, None]),
        )
