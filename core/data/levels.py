"""Which folders of a data set are its classes, whatever lies above them, between or below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from core.data.words import are_counters, differ_by_number_alone, is_wrapper, sides

Folders = tuple[str, ...]  # from the top of the data set to the photo
ENOUGH = 0.9  # share of the photos
ALONE = 3  # photos a folder; with fewer, the folders above them are rather the classes


@dataclass(frozen=True)
class Level:
    """Of each folder with photos the position of its class in its path, or None where it has none."""

    positions: dict[Folders, int | None]
    share: float  # of the photos that could have a class


def class_level(counts: Mapping[Folders, int]) -> Level | None:
    """The deepest level whose names tell photos apart and do not only count; `counts` are the photos of each folder.

    Of a data set with one class that is its level; None where no folder can be a class.
    """
    split = sides({name for folders in counts for name in folders})
    telling = {f: [i for i, name in enumerate(f) if name not in split and not is_wrapper(name)] for f in counts}
    best, classes = None, 0
    for depth in range(max(map(len, telling.values()), default=0)):
        positions = {f: at[depth] if depth < len(at) else None for f, at in telling.items()}
        photos = Counter[str]()
        for folders, position in positions.items():
            if position is not None:
                photos[folders[position]] += counts[folders]
        # those of a side of the split that has no class folders are unlabelled, and stand against no level
        possible = sum(n for f, n in counts.items() if telling[f] or split.keys().isdisjoint(f))
        share = sum(photos.values()) / possible
        only_parts = differ_by_number_alone(photos) or sum(photos.values()) < ALONE * len(photos)
        if share < ENOUGH or are_counters(photos) or (classes > 1 and only_parts):
            continue
        if len(photos) > 1 or best is None:
            best, classes = Level(positions, share), len(photos)
    return best
