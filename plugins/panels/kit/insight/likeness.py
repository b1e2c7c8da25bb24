"""An order of photos in which those that look alike stand together."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

LEAF = 4  # photos that are not divided further
STEPS = 8  # of the power iteration


def likeness_order(features: Tensor) -> list[int]:
    """Indices of features [N, D], halved again and again along the direction in which they differ most."""
    unit = normalize(features.float(), dim=1)
    order: list[int] = []
    waiting = [torch.arange(len(unit))]
    while waiting:
        photos = waiting.pop()
        if len(photos) <= LEAF:
            order += photos.tolist()
            continue
        sorted_photos = photos[_along(unit[photos]).argsort(stable=True)]
        half = len(photos) // 2
        if order and unit[order[-1]] @ unit[sorted_photos[-1]] > unit[order[-1]] @ unit[sorted_photos[0]]:
            sorted_photos = sorted_photos.flip(0)  # goes on where the last one ended
        waiting += [sorted_photos[half:], sorted_photos[:half]]
    return order


def _along(rows: Tensor) -> Tensor:
    """The first principal component of rows [N, D], by power iteration."""
    centred = rows - rows.mean(0)
    direction = centred[centred.square().sum(1).argmax()]
    for _ in range(STEPS):
        direction = normalize(centred.T @ (centred @ direction), dim=0)
    return centred @ direction
