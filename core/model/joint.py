"""Where a network can be parted: as near to the head as its forward pass allows, so that features are small."""

from __future__ import annotations

from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from core.model.head import ConcatPool


class Joint(Enum):
    """After the pooling that a head begins with, before a head that comes last, or where `forward_head` begins."""

    POOLED, HEAD, MAPS = range(3)

    @classmethod
    def of(cls, model: Any, head: nn.Module, maps: Tensor) -> Joint:
        """The latest one that a resting network has; `maps` are what its body makes of some photo."""
        if isinstance(head, nn.Sequential) and isinstance(head[0], ConcatPool):
            return cls.POOLED
        entered, logits = _entering(model, head, maps)
        if len(entered) == len(entered[0]) == 1 and isinstance(entered[0][0], Tensor):
            alone = head(entered[0][0]).flatten(1)
            if alone.shape == logits.shape and torch.allclose(alone, logits):
                return cls.HEAD
        return cls.MAPS

    def enter(self, model: Any, head: Any, maps: Tensor) -> Tensor:
        """The features at the joint, of what the body made."""
        if self is Joint.POOLED:
            return head[0](maps)  # type: ignore[no-any-return]
        return _entering(model, head, maps)[0][0][0] if self is Joint.HEAD else maps

    def leave(self, model: Any, head: Any, features: Tensor) -> Tensor:
        """Features to logits [N, classes]."""
        if self is Joint.POOLED:
            for layer in head[1:]:
                features = layer(features)
            return features
        # some heads are convolutions
        return head(features).flatten(1) if self is Joint.HEAD else model.forward_head(features)  # type: ignore[no-any-return]


def _entering(model: Any, head: nn.Module, maps: Tensor) -> tuple[list[tuple[Any, ...]], Tensor]:
    """What `head` was called with in `forward_head`, and what came out in the end."""
    entered: list[tuple[Any, ...]] = []
    hook = head.register_forward_pre_hook(lambda _, args: entered.append(args))
    try:
        return entered, model.forward_head(maps)
    finally:
        hook.remove()
