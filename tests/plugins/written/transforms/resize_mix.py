"""Small photos pasted into others, in a batch."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Annotated

from core.data.photo import Box, Size
from core.data.transforms import BatchTransform
from core.registry import Range, transforms

if TYPE_CHECKING:
    from torch import Tensor


@transforms.register("resize_mix")
class ResizeMix(BatchTransform):
    """Another photo of the batch, made smaller, pasted into each; its label counts by its area (Qin 2020)."""

    def __init__(self, largest: Annotated[float, "Longest side of the pasted photo", Range(0.1, 1)] = 0.8) -> None:
        self.largest = largest

    def draw(self, photos: int, size: Size, generator: Random) -> tuple[list[int], Box]:
        """The partner of each photo, and the box (left, top, right, bottom) that it fills."""
        scale = generator.uniform(0.1, self.largest)
        h, w = (max(1, round(side * scale)) for side in size)
        top, left = generator.randint(0, size[0] - h), generator.randint(0, size[1] - w)
        return generator.sample(range(photos), photos), (left, top, left + w, top + h)

    def apply(self, images: Tensor, targets: Tensor, drawn: tuple[list[int], Box]) -> tuple[Tensor, Tensor]:
        """`images` [N, 3, H, W] with the box filled, and `targets` [N, C] mixed by its share of the area."""
        from torch.nn.functional import interpolate

        partners, (left, top, right, bottom) = drawn
        mixed, size = images.clone(), (int(bottom - top), int(right - left))
        mixed[:, :, int(top) : int(bottom), int(left) : int(right)] = interpolate(images[partners], size, mode="area")
        return mixed, targets.lerp(targets[partners], size[0] * size[1] / images[0, 0].numel())
