"""A network of the caller's own, which nobody divided into body and head."""

from __future__ import annotations

from torch import Tensor, nn

from core.model.architecture import Architecture
from core.model.head import Classifier


class Whole(Classifier):
    """Any module from images to logits, all of it a head."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(nn.Identity(), model)

    def forward_features(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] as they are, in the order of memory that `view` in a module expects."""
        return images.contiguous()


def whole(model: nn.Module) -> Architecture:
    """An architecture all of which learns, at one rate, on values in 0..1."""
    return Architecture(Whole(model), model, [], mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
