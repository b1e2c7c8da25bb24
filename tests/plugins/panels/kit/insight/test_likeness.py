"""On the map, photos that look alike lie together, and none hides another."""

from __future__ import annotations

import torch

from plugins.panels.kit.insight.likeness import likeness_map


def test_alike_photos_are_neighbours_and_places_are_evenly_spread() -> None:
    torch.manual_seed(0)
    kinds = torch.arange(64) // 16
    places = likeness_map(5 * torch.eye(4)[kinds] @ torch.randn(4, 20) + 0.3 * torch.randn(64, 20))
    assert places.min() > 0 and places.max() < 1
    distances = torch.cdist(places, places) + 9 * torch.eye(64)
    assert distances.min() > 0.06  # of an even grid of 64: 0.125
    same = kinds[distances.topk(3, largest=False).indices] == kinds[:, None]
    assert same.float().mean() > 0.8


def test_few_photos_have_a_place_too() -> None:
    assert likeness_map(torch.zeros(0, 5)).shape == (0, 2)
    assert likeness_map(torch.ones(1, 5)).tolist() == [[0.5, 0.5]]
    assert len({tuple(place) for place in likeness_map(torch.ones(5, 5)).tolist()}) == 5
