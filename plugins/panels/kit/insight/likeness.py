"""Photos in an order, and on a map, in which those that look alike stand together."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

LEAF = 4  # photos of the order that are not divided further
STEPS = 8  # of the power iteration
WIDE = 1.5  # the map's width, of its height


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


def likeness_map(features: Tensor) -> Tensor:
    """Places [N, 2] from 0 to 1 of features [N, D], evenly spread: halves of the photos lie side by side or below.

    It keeps more neighbours together than two principal components do, and no photo hides another.
    """
    unit = normalize(features.float(), dim=1)
    places = torch.zeros(len(unit), 2)
    if not len(unit):
        return places
    centred = unit - unit.mean(0)
    direction = _direction(centred)
    across = centred @ direction
    whole = across, _along(centred - across[:, None] * direction)
    waiting = [(torch.arange(len(unit)), 0.0, 0.0, WIDE, 1.0)]
    while waiting:
        photos, x, y, width, height = waiting.pop()
        if len(photos) == 1:
            places[photos] = torch.tensor([(x + width / 2) / WIDE, y + height / 2])
            continue
        along, is_wide = _along(unit[photos]), width >= height
        if along @ whole[0 if is_wide else 1][photos] < 0:  # the same way round as the whole map
            along = -along
        photos, half = photos[along.argsort(stable=True)], len(photos) // 2
        share = half / len(photos)
        if is_wide:
            part = width * share
            waiting += [(photos[:half], x, y, part, height), (photos[half:], x + part, y, width - part, height)]
        else:
            part = height * share
            waiting += [(photos[:half], x, y, width, part), (photos[half:], x, y + part, width, height - part)]
    return places


def _along(rows: Tensor) -> Tensor:
    """The first principal component of rows [N, D], by power iteration."""
    centred = rows - rows.mean(0)
    return centred @ _direction(centred)


def _direction(centred: Tensor) -> Tensor:
    direction = centred[centred.square().sum(1).argmax()]
    for _ in range(STEPS):
        direction = normalize(centred.T @ (centred @ direction), dim=0)
    return direction
