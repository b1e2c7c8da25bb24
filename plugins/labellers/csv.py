"""The label stands in a table: a CSV file with a column of names and a column of labels."""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Annotated

from core.data.ends import Ends
from core.data.files import SUFFIXES
from core.data.text import LONGEST_LINE, LONGEST_SHOWN, read_lines, some
from core.errors import BadInput, quoted
from core.registry import labellers

LONGEST_NAME = 255  # characters of a file or a folder, on every system
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


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
        self.path = Path(os.path.expanduser(path))
        rows = _read(self.path)
        header = [cell.strip() for cell in next(rows, [])]
        if not header:
            raise self._bad("is empty", "give one with a column of names and one of labels")
        if len(header) < 2:
            raise self._bad("has too few columns", "it needs one of names and one of labels")
        if CONTROL.search("".join(header)):
            raise self._bad("is no table", "give a CSV file, which is text")
        if not (name_column or label_column) and Path(header[0]).suffix.lower() in SUFFIXES:
            rows = chain([header], rows)  # a table without a header
        unasked = (i for i, name in enumerate(header) if name and name not in (name_column, label_column))
        name_at = self._column(header, name_column, unasked)  # a column without a name is pandas' index, no candidate
        label_at = self._column(header, label_column, unasked)
        cells = ((row[name_at].strip(), row[label_at].strip()) for row in rows if len(row) > max(name_at, label_at))
        self._index((_normal(name), label) for name, label in cells if name and label)

    def __call__(self, path: Path | str) -> str:
        name = _normal(path if isinstance(path, str) else path.as_posix())
        end = self._names.longest(name) or self._names.longest(name.removesuffix(PurePosixPath(name).suffix))
        if not end:
            raise self._bad(f"has no label for {quoted(Path(path).name)}", "add a row for it")
        found = self._names.having(end)
        label, other = self._labels[found.start], self._until[found.start]
        if other < found.stop and end not in self._names:
            two = " and ".join(sorted((label[:LONGEST_SHOWN], self._labels[other][:LONGEST_SHOWN])))
            raise self._bad(f"has {two} for photos called {quoted(end)}", "name them there with their folders")
        return label

    def _column(self, header: list[str], name: str, unasked: Iterator[int]) -> int:
        if name and name not in header:
            short = all(len(column) <= LONGEST_NAME for column in header)  # else it is hardly one: nothing is quoted
            raise self._bad(f"has no column {quoted(name)}", f"it has: {some(header)}" if short else "give a table")
        position = header.index(name) if name else next(unasked, None)
        if position is None:
            raise self._bad("has too few columns", "it needs one of names and one of labels")
        return position

    def _index(self, rows: Iterable[tuple[str, str]]) -> None:
        """Labels by every end of a name: the table's folders may not be where the photos lie now; raises BadInput."""
        shared: dict[str, str] = {}  # one text a class, not one a row
        names: list[str] = []
        labels: list[str] = []
        for name, label in rows:
            names.append(name)
            labels.append(shared.setdefault(label, label))
        self._names = Ends(names)
        self._labels = [labels[i] for i in self._names.order]
        self._until = list(range(1, len(labels) + 1))  # where, after each position, another label comes
        for i in range(len(labels) - 1, 0, -1):
            before, after = self._labels[i - 1], self._labels[i]
            if before is after:
                self._until[i - 1] = self._until[i]
            elif (name := names[self._names.order[i]]) == names[self._names.order[i - 1]]:
                what = f"lists {quoted(name)} as {quoted(before)} and as {quoted(after)}"
                raise self._bad(what, "keep one of the rows")

    def _bad(self, what: str, remedy: str) -> BadInput:
        return BadInput(f"The table {quoted(str(self.path))} {what}; {remedy}.")


def _read(path: Path) -> Iterator[list[str]]:
    """The table's rows, blank ones left out; the delimiter is the one that parts the header into most columns."""
    size = 0

    def counted() -> Iterator[str]:  # a quoted cell may go on over any number of lines
        nonlocal size
        for line in chain([first], lines):
            size += len(line)
            if size > LONGEST_LINE:
                raise csv.Error("a row is too long")
            yield line

    try:
        lines = read_lines(path)
        first = next((line for line in lines if line.strip()), "")
        delimiter = max(",;\t|", key=lambda d: len(next(csv.reader([first], delimiter=d), [])))
        for row in csv.reader(counted(), delimiter=delimiter):
            size = 0
            if any(row):
                yield row
    except csv.Error as error:
        raise BadInput(f"The table {quoted(str(path))} cannot be read ({error}); give a CSV file in UTF-8.") from error


def _normal(name: str) -> str:
    """One spelling for all systems: `/` between folders, no leading `./`, composed letters (macOS parts them)."""
    parts = name.replace("\\", "/")
    if (
        len(parts) > LONGEST_NAME < max(map(len, parts.split("/")))
    ):  # of which marks on a letter take time by their square
        raise BadInput(f"{quoted(name)} has a part of over {LONGEST_NAME} characters, as no file has; shorten it.")
    return unicodedata.normalize("NFC", PurePosixPath(parts).as_posix())
