"""Which columns of a table name the photos, hold the labels and split them: a guess that is tested on the photos."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from posixpath import splitext

from core.data.files import SUFFIXES
from core.data.label_columns import SURE, find_labels, label_rank
from core.data.lookup import bare, normal
from core.data.split_columns import MOST_FOLDS, sides_of, splits
from core.data.tables import read_table
from core.data.words import NAMES, tokens
from core.errors import BadInput

LEAST = 0.5  # share of the photos that a table must name
ONCE = 0.7  # share of different texts above which a column that is not called so holds no labels
SAMPLE = 200  # rows in which a column that names the photos is looked for first


@dataclass(frozen=True)
class Columns:
    """What a table's columns are, each by its name, or by its number where that is no name of one."""

    header: bool
    name: str
    loose: bool  # the photos' names differ in case or suffix
    share: float  # of the photos that the table names
    namesakes: bool = False  # photos in several folders are called alike, so that a row may name several
    label: str = ""
    classes: tuple[str, ...] = ()  # one column a class, where there is none of labels
    known: bool = False  # the label's column is surely called so
    split: str = ""
    train: tuple[str, ...] = ()
    valid: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # columns that could hold the labels too
    unusable: str = ""  # why there are no labels


class Photos:
    """The photos' names, to be looked for in a table's cells, with how many photos are called so."""

    def __init__(self, names: Iterable[Path], possible: int) -> None:
        files = [normal(name.name) for name in names]
        self.exact = Counter(files) + Counter(splitext(file)[0] for file in files)
        self.loose = Counter(map(bare, files))
        self.namesakes = max(self.loose.values(), default=0) > 1
        self.number = possible  # that a table should name

    def share(self, cells: Iterable[str], loose: bool = True) -> float:
        """The share of the photos that some cells name."""
        called = {_last(cell) for cell in set(cells)}
        photos, called = (self.loose, set(map(bare, called))) if loose else (self.exact, called)
        return min(1.0, sum(photos[name] for name in called if name in photos) / max(1, self.number))


def guess(path: Path, photos: Photos) -> Columns:
    """The columns of a table; raises BadInput where it cannot be read, or its columns name none of the photos."""
    columns = [*zip(*(row for _, row in read_table(path, header=False).rows), strict=True)]
    shares = _shares(columns, photos)
    at = max(shares, key=lambda i: (shares[i], not NAMES.isdisjoint(tokens(columns[i][0])), -i))
    if not shares[at]:
        raise BadInput("no column names the photos.")
    header = _is_header(columns[at], photos)
    names = [column[0] for column in columns] if header else [str(i + 1) for i in range(len(columns))]
    others = {i: column[header:] for i, column in enumerate(columns) if i != at and names[i]}
    counts = {i: _counts(names[i], cells) for i, cells in others.items()}
    found = {i: sides for i in others if (sides := sides_of(names[i], counts[i]))}
    split = next(iter(found), None)
    among = [i for i in others if not splits(names[i], counts[i])]
    labels = find_labels(names, others, counts, among)
    train, valid = ((), ()) if split is None else found[split]
    rank = SURE if labels.classes else max((label_rank(names[i]) for i in labels.ranked[:1]), default=0)
    rivals = [i for i in labels.ranked[1:] if rank < SURE or label_rank(names[i])]
    return Columns(
        header,
        _called(names, at),
        photos.share(columns[at][header:], loose=False) < shares[at],
        shares[at],
        photos.namesakes,
        _called(names, labels.ranked[0]) if labels.ranked else "",
        tuple(_called(names, i) for i in labels.classes),
        rank >= SURE,
        "" if split is None else _called(names, split),
        train,
        valid,
        tuple(_called(names, i) for i in rivals),
        labels.unusable,
    )


def _shares(columns: Sequence[Sequence[str]], photos: Photos) -> dict[int, float]:
    """The share of the photos that each column names; the others are left out where one of some rows names most."""
    step = max(1, len(columns[0]) // SAMPLE)
    likely = [i for i, column in enumerate(columns) if photos.share(column[::step])]
    shares = {i: photos.share(columns[i]) for i in likely}
    if max(shares.values(), default=0) < LEAST:
        shares |= {i: photos.share(column) for i, column in enumerate(columns) if i not in shares}
    return shares


def _counts(name: str, cells: Sequence[str]) -> Counter[str]:
    """How often each text is in a column; none where most are there once: it holds no labels and splits nothing."""
    counts = Counter(cells)
    repeat = len(counts) <= max(MOST_FOLDS + 1, ONCE * len(cells)) or label_rank(name) >= SURE
    return counts if repeat else Counter()


def _is_header(column: Sequence[str], photos: Photos) -> bool:
    """Whether the first cell of the column of names is none: not of a photo, nor like those below it."""
    first = _last(column[0])
    if bare(first) in photos.loose or splitext(first)[1].casefold() in SUFFIXES:
        return False
    shapes = Counter(_shape(_last(cell)) for cell in column[1:SAMPLE])
    usual = shapes.most_common(1)[0][0] if shapes else ""
    return "9" not in usual or _shape(first) != usual


def _shape(name: str) -> str:
    """`ISIC_0024306` and `ISIC_0034321` have one."""
    return re.sub(r"\d+", "9", re.sub(r"[^\W\d_]+", "a", name))


def _last(cell: str) -> str:
    """The file's name in a path, composed; empty for a text that is none."""
    if cell.isascii() and "\\" not in cell and "://" not in cell:
        return cell.rstrip("/").rpartition("/")[2]
    try:
        return normal(cell[-1000:]).rpartition("/")[2]
    except BadInput:
        return ""


def _called(names: list[str], at: int) -> str:
    return names[at] if names.index(names[at]) == at else str(at + 1)
