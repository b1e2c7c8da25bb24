"""Strangers: photos that are far from all others in feature space, within a data set or for a trained model."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from core.insight.twins import ROWS_AT_ONCE
from core.model.strangers import MAX_BYTES, Strangers

NEIGHBOURS = 10
FEWEST = 20  # training photos, and as many for each neighbour
KEPT = 400  # training photos, whose features a model keeps
FALSE_ALARMS = 0.05
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


def fit_strangers(features: Tensor, validation: Tensor) -> Strangers | None:
    """How to tell strangers from training photos [M, D], with 5 % false alarms on validation photos [N, D].

    None if there are too few photos to say. The threshold is that of conformal prediction (Vovk 2005): of new photos of
    the same kind no more than 5 % are beyond it, whichever they are.
    """
    rank = math.ceil((len(validation) + 1) * (1 - FALSE_ALARMS))
    if rank > len(validation) or len(features) < FEWEST:
        return None
    neighbours = max(1, min(NEIGHBOURS, len(features) // FEWEST))
    known = normalize(features.float(), dim=1).half()
    distances = Strangers(known, neighbours, 1.0).distances(validation)
    threshold = distances.sort().values[rank - 1].item()
    return Strangers(known, neighbours, threshold) if threshold > 0 else None


def photos_kept(width: int) -> int:
    """How many training photos with features of that width are kept with a model."""
    return min(KEPT, MAX_BYTES // (2 * width))
