"""Which columns of a table name the photos, hold the labels and split them: a guess that is tested on the photos."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.lookup import bare, normal
from core.data.tables import read_table
from core.data.text import some
from core.data.words import LABELS, NAMES, TEST, TRAIN, VALID, sides, tokens
from core.errors import BadInput

REPEATED = 0.8  # share of the labels that another photo must have too
TRUE, FALSE = frozenset(("1", "1.0", "true", "yes", "t", "y")), frozenset(("0", "0.0", "-1", "false", "no", "f", "n"))
MISSING = frozenset(("", "nan", "null", "<na>", "#n/a"))  # as programs write that there is nothing
SPLITS = frozenset(("split", "set", "subset", "partition", "fold", "folds", "kfold", "phase", "usage"))
FOLDS = range(2, 21)


@dataclass(frozen=True)
class Columns:
    """What a table's columns are, each by its name, or by its number where that is no name of one."""

    header: bool
    name: str
    loose: bool  # the photos' names differ in case or suffix
    share: float  # of the photos that the table names
    label: str = ""
    classes: tuple[str, ...] = ()  # one column a class, where there is none of labels
    known: bool = False  # the label's column is called so
    split: str = ""
    train: tuple[str, ...] = ()
    valid: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # columns that could hold the labels too
    unusable: str = ""  # why there are no labels


class Photos:
    """The photos' names, to be looked for in a table's cells, with how many photos are called so."""

    def __init__(self, names: Iterable[Path], possible: int) -> None:
        files = [normal(name.name) for name in names]
        self.exact = Counter(files) + Counter(Path(file).stem for file in files)
        self.loose = Counter(map(bare, files))
        self.number = possible  # that a table should name


def guess(path: Path, photos: Photos) -> Columns:
    """The columns of a table; raises BadInput where it cannot be read, or its columns name none of the photos."""
    table = read_table(path, header=False)
    rows = [row for _, row in table.rows]
    width = len(table.header)
    cells = [[row[i] for row in rows] for i in range(width)]
    named = [_named(column, photos) for column in cells]
    at = max(range(width), key=lambda i: (named[i], not NAMES.isdisjoint(tokens(cells[i][0]))))
    if not named[at]:
        raise BadInput("no column names the photos.")
    header = bare(_last(cells[at][0])) not in photos.loose
    names = rows[0] if header else [str(i + 1) for i in range(width)]
    data = [column[header:] for column in cells]
    exact = _share({_last(cell) for cell in data[at]}, photos.exact, photos.number)
    others = [i for i in range(width) if i != at and names[i]]
    split = next((i for i in others if _sides(names[i], data[i])), None)
    labels = [i for i in others if not _splits(names[i], data[i])]
    train, valid = (split is not None and _sides(names[split], data[split])) or ((), ())
    ranked, classes, unusable = _labels(names, data, labels)
    return Columns(
        header,
        _called(names, at),
        exact < named[at],
        named[at],
        _called(names, ranked[0]) if ranked else "",
        tuple(_called(names, i) for i in classes),
        bool(classes) or (bool(ranked) and _is_label(names[ranked[0]])),
        "" if split is None else _called(names, split),
        train,
        valid,
        tuple(_called(names, i) for i in ranked[1:]),
        unusable,
    )


def _labels(names: list[str], data: list[list[str]], among: list[int]) -> tuple[list[int], list[int], str]:
    """The columns that could hold the labels, the best first, or the columns of classes, or why there is none."""
    fit = [i for i in among if _repeat(data[i])]
    ranked = sorted(fit, key=lambda i: (-_is_label(names[i]), _are_numbers(data[i]), i))
    marks = [i for i in among if TRUE | FALSE | {""} >= {cell.casefold() for cell in data[i]}]
    if len(marks) > 1 and not (ranked and _is_label(names[ranked[0]])):
        each = Counter(sum(row) for row in zip(*([c.casefold() in TRUE for c in data[i]] for i in marks), strict=True))
        if each[1] >= REPEATED * each.total():
            return [], marks, ""
        several = sum(n for marked, n in each.items() if marked > 1)
        if several and (not ranked or ranked[0] in marks):
            several_of = some([names[i] for i in marks])
            return [], [], f"{several} rows mark several of the classes {several_of}, but a photo has one"
    if ranked:
        return ranked, [], ""
    for i in among:
        if len(set(data[i]) - {""}) == 1 and _is_label(names[i]):
            return [], [], f"the column {names[i]!r} has one label, {max(data[i])!r}; one more is needed"
    return [], [], "no column has labels, which are few values that repeat"


def _sides(name: str, column: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The values of a column that mean training and validation, where it splits the photos."""
    values = sorted(set(column) - {""})
    if not 2 <= len(values) <= FOLDS.stop:
        return None
    words = tokens(name)
    found = sides(values)
    if len(found) == len(values):
        chosen = VALID if VALID in found.values() else TEST
        train, valid = ([v for v in values if found[v] == side] for side in (TRAIN, chosen))
        return (tuple(train), tuple(valid)) if train and valid else None
    named = next(iter(sides(["_".join(w for w in words if w != "is")]).values()), "")
    if named and len(values) == 2 and {v.casefold() for v in values} <= TRUE | FALSE:
        no, yes = sorted(values, key=lambda v: v.casefold() in TRUE)
        return ((yes,), (no,)) if named == TRAIN else ((no,), (yes,))
    if words and words[-1] in ("fold", "folds", "kfold") and all(v.isdecimal() for v in values):
        return tuple(values[1:]), tuple(values[:1])
    return None


def _splits(name: str, column: Sequence[str]) -> bool:
    """Whether a column tells sides, or would if its numbers had a meaning that is known."""
    numbered = not SPLITS.isdisjoint(tokens(name)[-1:]) and _are_numbers(column)
    return numbered or _sides(name, column) is not None


def _repeat(column: Sequence[str]) -> bool:
    counts = Counter(cell for cell in column if cell.casefold() not in MISSING)
    labelled = counts.total()
    repeated = sum(n for n in counts.values() if n > 1)
    return len(counts) > 1 and 2 * labelled >= len(column) and repeated >= REPEATED * labelled


def _is_label(name: str) -> bool:
    return not LABELS.isdisjoint(tokens(name))


def _are_numbers(column: Sequence[str]) -> bool:
    """Whether they are numbers, dates or times."""
    return all(re.fullmatch(r"[+-]?[\d.,:/T -]+Z?", cell) for cell in column if cell)


def _named(column: Sequence[str], photos: Photos) -> float:
    return _share({bare(_last(cell)) for cell in column}, photos.loose, photos.number)


def _share(cells: set[str], photos: Counter[str], number: int) -> float:
    return min(1.0, sum(photos[cell] for cell in cells if cell in photos) / max(1, number))


def _last(cell: str) -> str:
    return normal(cell[-1000:]).rpartition("/")[2]


def _called(names: list[str], at: int) -> str:
    return names[at] if names.index(names[at]) == at else str(at + 1)
