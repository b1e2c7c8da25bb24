"""Strangers: photos that are far from all others in feature space."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from core.insight.twins import ROWS_AT_ONCE

NEIGHBOURS = 10
FAR_OUT = 3.0  # interquartile ranges beyond the third quartile (Tukey 1977)


def find_strangers(features: Tensor) -> list[tuple[int, float]]:
    """The outliers among photos, farthest first: (index, cosine distance to the 10th nearest other photo)."""
    if len(features) <= NEIGHBOURS + 1:
        return []
    known = normalize(features, dim=1)
    found = torch.cat(
        [1 - (chunk @ known.T).topk(NEIGHBOURS + 1, dim=1).values[:, -1] for chunk in torch.split(known, ROWS_AT_ONCE)]
    )
    low, high = found.quantile(0.25), found.quantile(0.75)
    far = torch.nonzero(found > high + FAR_OUT * (high - low))[:, 0].tolist()
    return sorted(((i, float(found[i])) for i in far), key=lambda stranger: -stranger[1])
