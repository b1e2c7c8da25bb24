"""Which folders of a data set are its classes, whatever lies above them, between or below."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from os.path import commonprefix

from core.data.masks import FOLDERS as MASKS
from core.data.words import (
    SIDES_OR_CLASSES,
    WRAPPERS_OR_CLASSES,
    are_counters,
    are_individuals,
    differ_by_number_alone,
    is_wrapper,
    says_nothing,
    sides,
)

Folders = tuple[str, ...]  # from the top of the data set to the photo
ENOUGH = 0.9  # share of the photos
BESIDE = 2  # other classes, beside which a folder called train shows trains
ALONE = 3  # photos a folder; with fewer, the folders above them are rather the classes
CROSSED = 0.8  # share of the folders above that each name is in, on average, where all are in all


@dataclass(frozen=True)
class Level:
    """Of each folder with photos the position of its class in its path, or None where it has none."""

    positions: dict[Folders, int | None]
    share: float  # of the photos that could have a class
    names: frozenset[str]  # of the classes
    only_parts: bool  # whether its folders are rather parts of classes, a level above


def class_levels(counts: Mapping[Folders, int]) -> list[Level]:
    """The levels whose names tell photos apart and do not only count, the best first.

    `counts` are the photos of each folder. The best is the deepest whose folders are no parts of those above. Of a
    data set with one class it is that class's level; there is none where no folder can be a class.
    """
    split = sides({name for folders in counts for name in folders})
    classes = class_like(counts)
    on_side = {f: [name in split and f[: i + 1] not in classes for i, name in enumerate(f)] for f in counts}
    telling = {
        f: [i for i, name in enumerate(f) if f[: i + 1] in classes or not (on_side[f][i] or is_wrapper(name))]
        for f in counts
    }
    above = len(commonprefix(list(counts)))  # noqa: RUF071, of tuples: what all photos have in common tells nothing
    inside = {f: [i for i in at if i >= above] for f, at in telling.items()}
    sided = {f for f, found in on_side.items() if any(found)}
    deepest = range(max(map(len, telling.values()), default=0))
    levels: list[Level] = []
    for positions in (inside, {f: at[::-1] for f, at in inside.items()}, telling):  # from the top, from the photos
        for depth in deepest:
            level = _level(counts, {f: at[depth] if depth < len(at) else None for f, at in positions.items()}, sided)
            if level:
                better = not levels or (
                    len(level.names) > 1 and not (len(levels[0].names) > 1 and _are_parts(level, levels[0], counts))
                )
                levels.insert(0 if better else 1, level)
        if levels and len(levels[0].names) > 1:
            break
    return [*levels[:1], *(level for level in levels[1:] if len(level.names) > 1)]


def class_like(paths: Iterable[Folders]) -> set[Folders]:
    """Folders called like a side or a wrapper (`train`, `raw`) that are classes; `paths` are those that photos lie in.

    Photos lie right in each and in folders beside it that are called like neither (`bus`, `cooked`), and no folder
    above could be a class.
    """
    children = defaultdict[Folders, set[str]](set)
    leaves = set(paths)
    for path in leaves:
        for i in range(len(path)):
            children[path[:i]].add(path[i])
    common = len(commonprefix(list(leaves)))  # noqa: RUF071
    above = sides({name for path in leaves for name in path})
    found = set[Folders]()
    for parent, names in children.items():
        if not all(i < common or name in above or is_wrapper(name) for i, name in enumerate(parent)):
            continue
        split = sides(names)
        beside = [
            name
            for name in names - split.keys()
            if (*parent, name) in leaves and not says_nothing(name) and name.casefold() not in MASKS
        ]
        if are_counters(beside):  # also where there is none
            continue
        like = {name for name in names if name.casefold() in WRAPPERS_OR_CLASSES}
        if len(split) == 1 and len(beside) >= BESIDE:
            like |= {name for name in split if name.casefold() in SIDES_OR_CLASSES}
        found |= {(*parent, name) for name in like}
    return (found & leaves) - children.keys()


def _are_parts(level: Level, above: Level, counts: Mapping[Folders, int]) -> bool:
    """Whether folders are parts of the classes above them, not classes in each of many folders."""
    if not level.only_parts or (above.only_parts and len(level.names) < len(above.names)):
        return False
    return are_individuals(level.names) or not _cross(level, above, counts)


def _cross(level: Level, above: Level, counts: Mapping[Folders, int]) -> bool:
    """Whether nearly every name of a level is in nearly every folder of the one above: `Berlin/grade_1`."""
    pairs = Counter[tuple[str, str]]()
    for folders, upper in above.positions.items():
        lower = level.positions[folders]
        if upper is not None and (lower is None or lower <= upper):  # photos right in it are whole by themselves
            return False
        if upper is not None and lower is not None:
            pairs[folders[upper], folders[lower]] += counts[folders]
    all_pairs = len(above.names) * len(level.names)
    return len(above.names) > 1 and len(pairs) >= CROSSED * all_pairs and pairs.total() >= ALONE * len(pairs)


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
    inner = sum(
        counts[f] for f, at in positions.items() if at is not None and not photos.keys().isdisjoint(f[at + 1 :])
    )
    if inner > (1 - ENOUGH) * labelled:  # such as `raw/cat` beside `edited/cat`, of which one name tells nothing
        return None
    only_parts = labelled < ALONE * len(photos) or _only_count(positions)
    return Level(positions, labelled / possible, frozenset(photos), only_parts)


def _only_count(positions: dict[Folders, int | None]) -> bool:
    """Whether the names differ by a number alone, all or those in each folder: `walk/walk_1`, `run/run_1`."""
    inside = defaultdict[Folders, set[str]](set)
    for folders, position in positions.items():
        if position is not None:
            inside[folders[:position]].add(folders[position])
    several = [names for names in inside.values() if len(names) > 1]
    whole = set().union(*inside.values())
    return differ_by_number_alone(whole) or (bool(several) and all(map(differ_by_number_alone, inside.values())))
