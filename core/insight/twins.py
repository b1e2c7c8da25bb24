"""Photos that show the same: a validation photo among them says little, and two labels cannot both be right."""

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

ALIKE = 0.95  # cosine of two photos' features; of different photos of clothing and pets at most .93
AT_ONCE = 2048
Kind = Literal["same bytes", "same pixels", "copy", "alike"]


@dataclass(frozen=True)
class Twins:
    """Two photos of a split, by index, and how they are the same; `alike` only means that the network thinks so."""

    first: int
    second: int
    kind: Kind


def find_twins(digests: Sequence[str], features: PhotoFeatures) -> list[Twins]:
    """Every two photos that show the same, each pair once, by the most exact of its kinds; most exact kinds first."""
    photos = [i for i, readable in enumerate(features.readable) if readable]
    found: dict[tuple[int, int], Kind] = {}
    for kind, values in (("same bytes", digests), ("same pixels", features.pixels)):
        for pair in _equal([(values[i], i) for i in photos]):
            found.setdefault(pair, kind)  # type: ignore[arg-type]
    for a, b, _ in copies(features.thumbnails[photos]):
        found.setdefault((photos[a], photos[b]), "copy")
    for a, b in _alike(features.values[photos]):
        found.setdefault((photos[a], photos[b]), "alike")
    return [Twins(a, b, kind) for (a, b), kind in found.items()]


def groups_of(twins: Sequence[Twins], photos: int) -> list[int]:
    """A number [N] a photo, the same for those that are twins, of twins too, but not for those only `alike`."""
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
    """Of each photo of a split: training, validation, or nothing."""
    sides = [""] * len(split.items)
    for name, indices in (("training", split.train), ("validation", split.valid)):
        for i in indices:
            sides[i] = name
    return sides


def _equal(named: list[tuple[str | bytes, int]]) -> Iterator[tuple[int, int]]:
    """Neighbours in each group of equal ones: a chain holds a group together with few pairs."""
    groups: dict[str | bytes, list[int]] = {}
    for value, i in named:
        groups.setdefault(value, []).append(i)
    for group in groups.values():
        yield from pairwise(group)


def _alike(features: Tensor) -> Iterator[tuple[int, int]]:
    unit = normalize(features, dim=1)
    for start in range(0, len(unit), AT_ONCE):
        likeness = unit[start : start + AT_ONCE] @ unit.T
        for a, b in torch.nonzero(likeness > ALIKE).tolist():
            if start + a < b:
                yield start + a, b
