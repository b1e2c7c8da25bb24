"""Groups of photos that look alike, each small enough to be labelled at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

SIZE = 8  # photos of a group, on average
AT_ONCE = 512  # photos compared with one another


def groups_of(features: Tensor, order: Sequence[int]) -> list[int]:
    """The number of the group of each photo with features [N, D], in whose `order` alike photos stand together."""
    unit = normalize(features.float(), dim=1)
    groups = [0] * len(unit)
    for start in range(0, len(unit), AT_ONCE):
        photos = list(order[start : start + AT_ONCE])
        for photo, group in zip(photos, ward(unit[photos], max(1, round(len(photos) / SIZE))), strict=True):
            groups[photo] = start + group
    return groups


def ward(points: Tensor, clusters: int) -> list[int]:
    """The cluster of each of the points [N, D]: merged, time and again, where the variance grows least (Ward 1963)."""
    n = len(points)
    cost = torch.cdist(points, points).square() / 2  # what merging two clusters adds to the variance
    cost.fill_diagonal_(torch.inf)
    sizes, cluster = torch.ones(n), torch.arange(n)
    for _ in range(n - clusters):
        a, b = divmod(int(cost.argmin()), n)
        merged = (sizes + sizes[a]) * cost[a] + (sizes + sizes[b]) * cost[b] - sizes * cost[a, b]
        cost[a] = cost[:, a] = merged / (sizes + sizes[a] + sizes[b])  # Lance and Williams 1967
        cost[b] = cost[:, b] = torch.inf
        sizes[a] += sizes[b]
        cluster[cluster == b] = a
    found: list[int] = cluster.tolist()
    return found
