"""The label stands in a table: a CSV file with a column of names and a column of labels."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Annotated

from core.data.files import SUFFIXES
from core.errors import BadInput
from core.registry import labellers


@labellers.register("csv")
class CsvLabeller:
    """A column of a table (CSV) that lists the photos by path, file name or, as Kaggle does, name without suffix."""

    def __init__(
        self,
        path: Annotated[str, "The table: text in UTF-8, columns parted by comma, semicolon, tab or |"],
        name_column: Annotated[str, "Column that names the photo; empty: the first"] = "",
        label_column: Annotated[str, "Column that holds the label; empty: the second"] = "",
    ) -> None:
        if not str(path).strip():  # Path("") is the current folder
            raise BadInput("The path of the table is empty; give a CSV file that lists the photos and their labels.")
        self.path = Path(path).expanduser()
        header, *rows = _read(self.path)
        if not (name_column or label_column) and Path(header[0]).suffix.lower() in SUFFIXES:
            rows.insert(0, header)  # a table without a header
        unasked = (i for i, name in enumerate(header) if name and name not in (name_column, label_column))
        name_at = self._column(header, name_column, unasked)  # a column without a name is pandas' index, no candidate
        label_at = self._column(header, label_column, unasked)
        cells = ((row[name_at].strip(), row[label_at].strip()) for row in rows if len(row) > max(name_at, label_at))
        self._labels = self._index((name, label) for name, label in cells if name and label)

    def __call__(self, path: Path | str) -> str:
        name = _normal(path if isinstance(path, str) else path.as_posix())
        stem = name.removesuffix(PurePosixPath(name).suffix)
        for end in chain(_ends(name), _ends(stem)):
            if labels := self._labels.get(end):
                if len(labels) > 1:
                    raise BadInput(
                        f"{str(self.path)!r} has {' and '.join(sorted(labels)[:2])} for photos called {end!r}; "
                        "name them there with their folders."
                    )
                return next(iter(labels))
        raise BadInput(f"{str(self.path)!r} has no label for {Path(path).name!r}; add a row for it.")

    def _column(self, header: list[str], name: str, unasked: Iterator[int]) -> int:
        if name and name not in header:
            raise BadInput(f"{str(self.path)!r} has no column {name!r}; it has: {', '.join(header)}.")
        position = header.index(name) if name else next(unasked, None)
        if position is None:
            raise BadInput(f"{str(self.path)!r} has too few columns; it needs one of names and one of labels.")
        return position

    def _index(self, rows: Iterator[tuple[str, str]]) -> dict[str, set[str]]:
        """Labels by name, and by every end of a name: the table's folders may not be where the photos lie now."""
        listed: dict[str, str] = {}
        ends: dict[str, set[str]] = defaultdict(set)
        for raw_name, label in rows:
            name = _normal(raw_name)
            if listed.setdefault(name, label) != label:
                raise BadInput(
                    f"{str(self.path)!r} lists {raw_name!r} as {listed[name]!r} and as {label!r}; keep one of the rows."
                )
            for end in _ends(name):
                ends[end].add(label)
        return ends | {name: {label} for name, label in listed.items()}


def _read(path: Path) -> list[list[str]]:
    """The table's rows, blank ones left out; the delimiter is the one that parts the header into most columns."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = next((line for line in text.splitlines() if line.strip()), "")
        delimiter = max(",;\t|", key=lambda d: len(next(csv.reader([first], delimiter=d), [])))
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"The table {str(path)!r} cannot be read ({error}); give a CSV file in UTF-8.") from error
    if not rows:
        raise BadInput(f"The table {str(path)!r} is empty; give one with a column of names and one of labels.")
    return [[cell.strip() for cell in rows[0]], *rows[1:]]


def _normal(name: str) -> str:
    """One spelling for all systems: `/` between folders, no leading `./`, composed letters (macOS parts them)."""
    return unicodedata.normalize("NFC", PurePosixPath(name.replace("\\", "/")).as_posix())


def _ends(name: str) -> Iterator[str]:
    """`a/b/c.jpg` gives `a/b/c.jpg`, `b/c.jpg` and `c.jpg`."""
    yield name
    while "/" in name:
        name = name.partition("/")[2]
        yield name
