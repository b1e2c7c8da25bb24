"""The learning curve: the accuracy of a head by its number of training photos, to see whether more would help."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

from torch import Tensor

from core.insight.heads import Head
from core.training.metrics import wilson_interval

MOST_WEAK = 3  # labels that are named
SHARES = (0.1, 0.25, 0.5, 1.0)
DRAWS = 3


@dataclass(frozen=True)
class Point:
    """The mean validation accuracy of heads trained on `photos` photos, with its 95 % interval."""

    photos: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Weakest:
    """A label that is hard to tell from the others: how many of its photos are recognised, and how many more to add."""

    label: str
    photos: int
    recognised: int
    more: int

    @property
    def sentence(self) -> str:
        """What to do, for people."""
        of = f"{self.recognised:,} of its {self.photos:,} are recognised from the others"
        photos = "1 more photo" if self.more == 1 else f"{self.more:,} more photos"
        return f"{self.label}: {photos} would tell you more than anything else ({of})"


def weakest_labels(labels: Sequence[str], mistaken: Sequence[str]) -> list[Weakest]:
    """The labels recognised less surely than photos on the whole, weakest first; `mistaken` are those of suspects.

    They are ordered by the lower end of the interval of that share, which few photos lower too. As many more photos
    are asked for as other labels have, by the median, and at least a quarter more.
    """
    counts, wrong = Counter(labels), Counter(mistaken)
    if len(counts) < 2:
        return []
    typical = int(median(counts.values()))
    overall = 1 - len(mistaken) / len(labels)
    low = {label: wilson_interval(1 - wrong[label] / n, n)[0] for label, n in counts.items()}
    weak = sorted((label for label, n in counts.items() if 1 - wrong[label] / n < overall), key=lambda name: low[name])
    return [
        Weakest(label, n, n - wrong[label], max(typical - n, math.ceil(n / 4)))
        for label in weak[:MOST_WEAK]
        for n in (counts[label],)
    ]


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
