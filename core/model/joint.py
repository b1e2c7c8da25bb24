"""Where a network can be parted: as near to the head as its forward pass allows, so that features are small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
        pooled = isinstance(head, nn.Sequential) and isinstance(head[0], ConcatPool)
        with _random(head), torch.no_grad():  # a fresh head of zeros would hide what comes after it
            maps = torch.rand(maps.shape, generator=torch.Generator().manual_seed(0)).to(maps)
            logits = model.forward_head(maps)
            for joint in (cls.POOLED, cls.HEAD) if pooled else (cls.HEAD,):
                entered, _ = _entering(model, head, maps)
                if not len(entered) == len(entered[0]) == 1 or not isinstance(entered[0][0], Tensor):
                    break
                alone = joint.leave(model, head, joint.enter(model, head, maps))
                if alone.shape == logits.shape and torch.allclose(alone, logits, atol=1e-5):
                    return joint
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


@contextmanager
def _random(head: nn.Module) -> Iterator[None]:
    """The head with random weights, for a while."""
    generator = torch.Generator().manual_seed(0)
    before = [p.detach().clone() for p in head.parameters()]
    try:
        for parameter in head.parameters():
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator))
        yield
    finally:
        for parameter, value in zip(head.parameters(), before, strict=True):
            parameter.data.copy_(value)


def _entering(model: Any, head: nn.Module, maps: Tensor) -> tuple[list[tuple[Any, ...]], Tensor]:
    """What `head` was called with in `forward_head`, and what came out in the end."""
    entered: list[tuple[Any, ...]] = []
    hook = head.register_forward_pre_hook(lambda _, args: entered.append(args))
    try:
        return entered, model.forward_head(maps)
    finally:
        hook.remove()
