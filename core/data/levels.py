"""Which folders of a data set are its classes, whatever lies above them, between or below."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from os.path import commonprefix

from core.data.words import TRAIN, are_counters, differ_by_number_alone, is_wrapper, sides

Folders = tuple[str, ...]  # from the top of the data set to the photo
ENOUGH = 0.9  # share of the photos
BESIDE = 3  # other classes, beside which a folder called train shows trains
ALONE = 3  # photos a folder; with fewer, the folders above them are rather the classes


@dataclass(frozen=True)
class Level:
    """Of each folder with photos the position of its class in its path, or None where it has none."""

    positions: dict[Folders, int | None]
    share: float  # of the photos that could have a class
    classes: int
    only_parts: bool  # whether its folders are rather parts of classes, a level above


def class_level(counts: Mapping[Folders, int]) -> Level | None:
    """The deepest level whose names tell photos apart and do not only count; `counts` are the photos of each folder.

    Of a data set with one class that is its level; None where no folder can be a class.
    """
    split = sides({name for folders in counts for name in folders})
    trains = trains_among(counts)
    on_side = {f: [name in split and f[: i + 1] not in trains for i, name in enumerate(f)] for f in counts}
    telling = {f: [i for i, name in enumerate(f) if not on_side[f][i] and not is_wrapper(name)] for f in counts}
    above = len(commonprefix(list(counts)))  # noqa: RUF071, of tuples: what all photos have in common tells nothing
    inside = {f: [i for i in at if i >= above] for f, at in telling.items()}
    sided = {f for f, found in on_side.items() if any(found)}
    deepest = range(max(map(len, telling.values()), default=0))
    best: Level | None = None
    for positions in (inside, {f: at[::-1] for f, at in inside.items()}, telling):  # from the top, from the photos
        for depth in deepest:
            level = _level(counts, {f: at[depth] if depth < len(at) else None for f, at in positions.items()}, sided)
            if level and (best is None or (level.classes > 1 and not (best.classes > 1 and _are_parts(level, best)))):
                best = level
        if best and best.classes > 1:
            break
    return best


def _are_parts(level: Level, above: Level) -> bool:
    """Whether folders are parts of the classes above them, not classes in each of many numbered folders."""
    return level.only_parts and not (above.only_parts and level.classes < above.classes)


def trains_among(paths: Iterable[Folders]) -> set[Folders]:
    """Folders called train that are a class of vehicles; `paths` are the folders that photos lie in.

    Photos lie right in each, and in several other folders beside it, of which none is called like a side.
    """
    children = defaultdict[Folders, set[str]](set)
    leaves = set(paths)
    for path in leaves:
        for i in range(len(path)):
            children[path[:i]].add(path[i])
    found = set()
    for parent, names in children.items():
        if TRAIN not in map(str.casefold, names):
            continue
        split = sides(names)
        beside = [n for n in names - split.keys() if (*parent, n) in leaves and not is_wrapper(n)]
        if list(split.values()) == [TRAIN] and len(beside) >= BESIDE and not are_counters(beside):
            found |= {(*parent, name) for name in split if name.casefold() == TRAIN and (*parent, name) in leaves}
    return found - children.keys()


def _level(
    counts: Mapping[Folders, int], positions: dict[Folders, int | None], sided: Container[Folders]
) -> Level | None:
    """The level of these positions, where nearly all photos have a class; `sided` are in a side of a split."""
    photos = Counter[str]()
    possible = 0
    for folders, position in positions.items():
        if position is not None:
            photos[folders[position]] += counts[folders]
        # those of a side of the split that has no class folders are unlabelled, and stand against no level
        if position is not None or folders not in sided:
            possible += counts[folders]
    labelled = sum(photos.values())
    if not labelled or labelled < ENOUGH * possible or are_counters(photos):
        return None
    only_parts = labelled < ALONE * len(photos) or _only_count(positions)
    return Level(positions, labelled / possible, len(photos), only_parts)


def _only_count(positions: dict[Folders, int | None]) -> bool:
    """Whether the names differ by a number alone, all or those in each folder: `walk/walk_1`, `run/run_1`."""
    inside = defaultdict[Folders, set[str]](set)
    for folders, position in positions.items():
        if position is not None:
            inside[folders[:position]].add(folders[position])
    several = [names for names in inside.values() if len(names) > 1]
    whole = set().union(*inside.values())
    return differ_by_number_alone(whole) or (bool(several) and all(map(differ_by_number_alone, inside.values())))
