"""The learning curve: the accuracy of a head by its number of training photos, to see whether more would help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from torch import Tensor

from core.insight.heads import Head
from core.training.metrics import wilson_interval

SHARES = (0.1, 0.25, 0.5, 1.0)
DRAWS = 3


@dataclass(frozen=True)
class Point:
    """The mean validation accuracy of heads trained on `photos` photos, with its 95 % interval."""

    photos: int
    accuracy: float
    low: float
    high: float


def learning_curve(
    features: Tensor, targets: Tensor, classes: int, train: Sequence[int], valid: Sequence[int], seed: int = 0
) -> list[Point]:
    """Points for 10 % to 100 % of the training photos, each the mean of DRAWS; features [N, D], targets [N]."""
    points: list[Point] = []
    for share in SHARES:
        n = round(share * len(train))
        if n < classes or not valid or (points and n == points[-1].photos):
            continue
        drawn = [Random(f"{seed}/{draw}").sample(list(train), n) for draw in range(DRAWS if n < len(train) else 1)]
        heads = [Head.fit(features[chosen], targets[chosen], classes) for chosen in drawn]
        right = [(head.logits(features[valid]).argmax(1) == targets[valid]).float().mean().item() for head in heads]
        accuracy = sum(right) / len(right)
        points.append(Point(n, accuracy, *wilson_interval(accuracy, len(valid))))
    return points
