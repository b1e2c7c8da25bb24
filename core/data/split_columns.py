"""Which column of a table splits the photos, and which of its values mean training and validation."""

from __future__ import annotations

from collections.abc import Iterable

from core.data.tables import FALSE, TRUE
from core.data.words import TEST, TRAIN, VALID, sides, tokens

FOLDS = ("fold", "folds", "kfold")
SPLITS = frozenset(("split", "splits", "set", "subset", "partition", *FOLDS))
MAY_SPLIT = frozenset(("phase", "usage"))  # if the values are numbers or sides
PREDICTED = frozenset(("pred", "prediction", "predict"))  # a column of these says no side
MOST_FOLDS = 20

Sides = tuple[tuple[str, ...], tuple[str, ...]]


def sides_of(name: str, cells: Iterable[str]) -> Sides | None:
    """The values of a column that mean training and validation, where it splits the photos."""
    values = _few(cells)
    words = tokens(name)
    if len(values) < 2:
        return None
    found = sides(values)
    if len(found) == len(values) or _is_split(name):
        chosen = VALID if VALID in found.values() else TEST
        train, valid = (tuple(v for v in values if found.get(v) == side) for side in (TRAIN, chosen))
        if train and valid:
            return train, valid
    named = next(iter(sides(["_".join(w for w in words if w != "is")]).values()), "")
    if named and PREDICTED.isdisjoint(words) and {v.casefold() for v in values} <= TRUE | FALSE and len(values) == 2:
        no, yes = sorted(values, key=lambda v: v.casefold() in TRUE)
        return ((yes,), (no,)) if named == TRAIN else ((no,), (yes,))
    if words and words[-1] in FOLDS and all(v.isdecimal() for v in values):
        return tuple(values[1:]), tuple(values[:1])
    return None


def splits(name: str, cells: Iterable[str]) -> bool:
    """Whether a column tells sides, also such as are not understood: it holds no labels."""
    values = _few(cells)
    if _is_split(name) or len(set(sides(values).values())) > 1:
        return True
    if not MAY_SPLIT.isdisjoint(tokens(name)[-1:]) and values and (sides(values) or all(map(str.isdecimal, values))):
        return True
    return sides_of(name, cells) is not None


def _is_split(name: str) -> bool:
    return not SPLITS.isdisjoint(tokens(name)[-1:])


def _few(cells: Iterable[str]) -> list[str]:
    """The values of a column in order, none where they are more than a split has."""
    values = set(cells) - {""}
    return sorted(values) if len(values) <= MOST_FOLDS else []
