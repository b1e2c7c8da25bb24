"""Suspects: photos whose label the other photos contradict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.insight.heads import cross_validated
from core.insight.twins import Twins, groups_of


@dataclass(frozen=True)
class Suspect:
    """A photo (by index) that may be mislabelled, the label that fits better, and the probability of its own label.

    `score` is 1 for a photo whose twin has another label, else the better label's probability minus `own`.
    """

    photo: int
    better: str
    own: float
    score: float


def find_suspects(features: Tensor, labels: Sequence[str], twins: Sequence[Twins], seed: int = 0) -> list[Suspect]:
    """Photos with features [N, D] to which a head trained on the others gives another label, by confident learning.

    They are sorted by the cross-validated probability of their own label, lowest first (Northcutt 2021), after those
    whose twin has another label. Labels of fewer than two photos are not judged, as no other photo shows the class.
    """
    vocab = sorted(set(labels))
    targets = torch.tensor([vocab.index(label) for label in labels])
    groups = groups_of(twins, len(labels))
    counts = Counter(label for label, _ in set(zip(labels, groups, strict=True)))
    logits = cross_validated(features, targets, len(vocab), groups, seed) if len(vocab) > 1 else features[:, :1]
    probabilities = logits.softmax(1)
    own = probabilities.gather(1, targets[:, None])[:, 0].tolist()
    best, index = probabilities.max(1)
    found = [
        Suspect(i, vocab[index[i]], own[i], float(best[i]) - own[i])
        for i, label in enumerate(labels)
        if counts[label] > 1 and vocab[index[i]] != label
    ]
    found.sort(key=lambda suspect: suspect.own)
    contradicted = _contradicted(labels, twins, own)
    return contradicted + [s for s in found if s.photo not in {c.photo for c in contradicted}]


def _contradicted(labels: Sequence[str], twins: Sequence[Twins], own: Sequence[float]) -> list[Suspect]:
    found: dict[int, Suspect] = {}
    for pair in twins:
        if pair.kind != "alike" and labels[pair.first] != labels[pair.second]:
            for photo, other in ((pair.first, pair.second), (pair.second, pair.first)):
                found.setdefault(photo, Suspect(photo, labels[other], own[photo], 1.0))
    return sorted(found.values(), key=lambda suspect: suspect.own)
