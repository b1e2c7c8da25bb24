"""Guesses which columns of a table hold file names, labels and the split, tested on the photos' names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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

LEAST = 0.5  # least share of the photos that a table must name
ONCE = 0.7  # share of distinct values above which a column holds no labels, unless its name says so
MOST_CELLS = 20_000_000  # of which each takes about 60 bytes
SAMPLE = 200  # rows in which file names are searched first


@dataclass(frozen=True)
class Columns:
    """The roles of a table's columns, each given by its name, or by its number if the name is ambiguous."""

    header: bool
    name: str
    loose: bool  # whether names differ from the photos' in case or suffix
    share: float  # share of the photos that the table names
    namesakes: bool = False  # whether photos in several folders have the same name, so that a row may match several
    label: str = ""
    classes: tuple[str, ...] = ()  # one column per class, if there is no label column
    known: bool = False  # whether the name of the label column says so clearly
    split: str = ""
    train: tuple[str, ...] = ()
    valid: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # other columns that could hold the labels
    unusable: str = ""  # why the table has no labels


class Photos:
    """Counts of the photos' names, to be looked up in the cells of a table."""

    def __init__(self, names: Iterable[Path], possible: int) -> None:
        files = [normal(name.name) for name in names]
        self.exact = Counter(files) + Counter(splitext(file)[0] for file in files)
        self.loose = Counter(map(bare, files))
        self.namesakes = max(self.loose.values(), default=0) > 1
        self.number = possible  # photos that a table should name

    def share(self, cells: Iterable[str], loose: bool = True) -> float:
        """The share of the photos that `cells` name."""
        called = {_last(cell) for cell in set(cells)}
        photos, called = (self.loose, set(map(bare, called))) if loose else (self.exact, called)
        return min(1.0, sum(photos[name] for name in called if name in photos) / max(1, self.number))


def guess(path: Path, photos: Photos) -> Columns:
    """The roles of a table's columns; raises BadInput if it is unreadable or names none of the photos."""
    columns = [*zip(*_rows(path), strict=True)]
    shares = _shares(columns, photos)
    at = max(shares, key=lambda i: (shares[i], not NAMES.isdisjoint(tokens(columns[i][0])), -i))
    if not shares[at]:
        raise BadInput("no column contains the photos' names.")
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


def _rows(path: Path) -> Iterator[list[str]]:
    """The rows of a table; raises BadInput if they take too much memory."""
    cells = 0
    for line, row in read_table(path, header=False).rows:
        cells += len(row)
        if cells > MOST_CELLS:
            raise BadInput(f"its first {line:,} lines have over {MOST_CELLS:,} cells; leave some columns out.")
        yield row


def _shares(columns: Sequence[Sequence[str]], photos: Photos) -> dict[int, float]:
    """The share of the photos that each column names; unlikely columns are only measured if no likely one suffices."""
    step = max(1, len(columns[0]) // SAMPLE)
    likely = [i for i, column in enumerate(columns) if photos.share(column[::step])]
    shares = {i: photos.share(columns[i]) for i in likely}
    if max(shares.values(), default=0) < LEAST:
        shares |= {i: photos.share(column) for i, column in enumerate(columns) if i not in shares}
    return shares


def _counts(name: str, cells: Sequence[str]) -> Counter[str]:
    """How often each value is in a column; empty if most are unique, so that it holds neither labels nor a split."""
    counts = Counter(cells)
    repeat = len(counts) <= max(MOST_FOLDS + 1, ONCE * len(cells)) or label_rank(name) >= SURE
    return counts if repeat else Counter()


def _is_header(column: Sequence[str], photos: Photos) -> bool:
    """Whether the first cell of the name column is a header: not a photo's name, nor similar to the cells below."""
    first = _last(column[0])
    if bare(first) in photos.loose or splitext(first)[1].casefold() in SUFFIXES:
        return False
    shapes = Counter(_shape(_last(cell)) for cell in column[1:SAMPLE])
    usual = shapes.most_common(1)[0][0] if shapes else ""
    return "9" not in usual or _shape(first) != usual


def _shape(name: str) -> str:
    """The pattern of letters and digits: `ISIC_0024306` and `ISIC_0034321` have the same."""
    return re.sub(r"\d+", "9", re.sub(r"[^\W\d_]+", "a", name))


def _last(cell: str) -> str:
    """The last part of a path, normalised; "" for a text that cannot be a path."""
    if cell.isascii() and "\\" not in cell and "://" not in cell:
        return cell.rstrip("/").rpartition("/")[2]
    try:
        return normal(cell[-1000:]).rpartition("/")[2]
    except BadInput:
        return ""


def _called(names: list[str], at: int) -> str:
    return names[at] if names.index(names[at]) == at else str(at + 1)
