"""A custom network without a division into body and head, as an architecture."""

from __future__ import annotations

from torch import Tensor, nn

from core.model.architecture import Architecture
from core.model.head import Classifier


class Whole(Classifier):
    """Any module from images to logits, treated as a head on an identity body."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(nn.Identity(), model)

    def forward_features(self, images: Tensor) -> Tensor:
        """The images [N, 3, H, W] unchanged, in contiguous memory as a module's `view` may need."""
        return images.contiguous()


def whole(model: nn.Module) -> Architecture:
    """An architecture with one parameter group, whose input is not normalised."""
    return Architecture(Whole(model), model, [], mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
