"""Twins: duplicates and near-duplicates, which leak into validation and may have contradicting labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from core.data.split import Split
from core.insight.copies import copies
from core.insight.features import PhotoFeatures

ALIKE = 0.95  # cosine similarity of features; different photos of clothing and pets reach .93
MOST_ALIKE = 50  # pairs of a photo; in a film all frames are alike
ROWS_AT_ONCE = 2048  # photos compared with all others at a time
Kind = Literal["same bytes", "same pixels", "copy", "alike"]


@dataclass(frozen=True)
class Twins:
    """Two photos of a split, by index, and in what way they are the same; `alike` is by the network's features only."""

    first: int
    second: int
    kind: Kind


def find_twins(digests: Sequence[str], features: PhotoFeatures) -> list[Twins]:
    """All pairs of twins, each once with its most exact kind, and the most exact kinds first."""
    photos = [i for i, readable in enumerate(features.readable) if readable]
    found: dict[tuple[int, int], Kind] = {}
    for kind, values in (("same bytes", digests), ("same pixels", features.pixels)):
        for pair in _equal([(values[i], i) for i in photos]):
            found.setdefault(pair, kind)  # type: ignore[arg-type]
    distinct = sorted({features.pixels[i]: i for i in reversed(photos)}.values())  # the first of each group
    for a, b, _ in copies(features.thumbnails[distinct]):
        found.setdefault((distinct[a], distinct[b]), "copy")
    for a, b in _alike(features.values[distinct]):
        found.setdefault((distinct[a], distinct[b]), "alike")
    return [Twins(a, b, kind) for (a, b), kind in found.items()]


def groups_of(twins: Sequence[Twins], photos: int) -> list[int]:
    """The group number [N] of each photo; twins, and twins of twins, share a group unless they are only `alike`."""
    group = list(range(photos))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    for pair in twins:
        if pair.kind != "alike":
            a, b = sorted((root(pair.first), root(pair.second)))
            group[b] = a
    return [root(i) for i in range(photos)]


def sides_of(split: Split) -> list[str]:
    """The side of each photo of a split: "training", "validation" or ""."""
    sides = [""] * len(split.items)
    for name, indices in (("training", split.train), ("validation", split.valid)):
        for i in indices:
            sides[i] = name
    return sides


def _equal(named: list[tuple[str | bytes, int]]) -> Iterator[tuple[int, int]]:
    """Consecutive pairs within each group of equal values, enough to connect the group."""
    groups: dict[str | bytes, list[int]] = {}
    for value, i in named:
        groups.setdefault(value, []).append(i)
    for group in groups.values():
        yield from pairwise(group)


def _alike(features: Tensor) -> Iterator[tuple[int, int]]:
    unit = normalize(features, dim=1)
    for start in range(0, len(unit), ROWS_AT_ONCE):
        likeness = unit[start : start + ROWS_AT_ONCE] @ unit.T
        values, nearest = likeness.topk(min(MOST_ALIKE + 1, len(unit)), dim=1)  # itself is one of them
        for a, place in torch.nonzero(values > ALIKE).tolist():
            if start + a < (b := int(nearest[a, place])):
                yield start + a, b
