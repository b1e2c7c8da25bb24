"""Tables as people have them: CSV files in some encoding, with some delimiter, with or without a header."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from core.data.encodings import ASIAN, chances
from core.data.files import SUFFIXES
from core.data.lookup import LONGEST_NAME
from core.data.text import LONGEST_LINE, lines_of, read_bytes, some
from core.errors import BadInput, quoted

CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
DELIMITERS = ",;\t|"
UNICODE, WINDOWS = "utf-8-sig", "cp1252"
ENCODINGS = (WINDOWS, "cp1251", *ASIAN)  # of tables that are not in Unicode
SAMPLE = 1000  # cells by which the encoding is found out
TRUE, FALSE = frozenset(("1", "1.0", "true", "yes", "t", "y")), frozenset(("0", "0.0", "-1", "false", "no", "f", "n"))
MISSING = frozenset(("", "nan", "null", "<na>", "#n/a"))  # as programs write that there is nothing
MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Table:
    """The names of the columns, numbers from 1 where the table has none, and each row with its line.

    Cells are stripped, and as many as there are columns: programs leave out empty ones at the end of a row.
    """

    path: Path
    header: list[str]
    rows: Iterator[tuple[int, list[str]]]
    encoding: str
    guessed: bool = False  # the encoding, which the table does not say

    def column(self, name: str) -> int:
        """The position of a column by its name, else by its number from 1; raises BadInput."""
        if name in self.header:
            return self.header.index(name)
        if name.isascii() and name.isdecimal() and 0 < int(name) <= len(self.header):
            return int(name) - 1
        short = all(len(column) <= LONGEST_NAME for column in self.header)  # else it is hardly one: nothing is quoted
        raise self.bad(f"has no column {quoted(name)}", f"it has: {some(self.header)}" if short else "give a table")

    def bad(self, what: str, remedy: str) -> BadInput:
        """An error about this table."""
        return _bad(self.path, what, remedy)


def read_table(path: Path, header: bool | None = None, delimiter: str | None = None, encoding: str = "") -> Table:
    """A table; raises BadInput, also while its rows are read.

    Without a `header`, all rows are data; None finds that out: the first row of a table without one names a photo.
    A `delimiter` and an `encoding` that are not given are found out too.
    """
    content = read_bytes(path)
    said, encoding = encoding, UNICODE if encoding == "utf-8" else encoding or _encoding(content)
    rows = _rows(path, content, encoding, delimiter)
    line, first = next(rows, (0, []))
    if not first:
        raise _bad(path, "is empty", "give one with a column of names and one of labels")
    if len(first) < 2:
        raise _bad(path, "has too few columns", "it needs one of names and one of labels")
    if CONTROL.search("".join(first)):
        raise _bad(path, "is not a table", "give a CSV file")
    if header is None:
        header = Path(first[0]).suffix.lower() not in SUFFIXES
    names = first if header else [str(i + 1) for i in range(len(first))]
    return Table(
        path, names, rows if header else chain([(line, first)], rows), encoding, not said and encoding in ENCODINGS
    )


def _encoding(content: bytes) -> str:
    """UTF-16 by its mark, else UTF-8 where it is that, else that of old programs in which the cells are likeliest."""
    if mark := next((mark for mark in MARKS if content.startswith(mark)), None):
        return MARKS[mark]
    try:
        content.decode(UNICODE)
    except UnicodeDecodeError:
        cells = {cell: None for cell in re.split(rb'[,;\t\r\n"]+', content) if not cell.isascii()}
        found = chances(islice(cells, SAMPLE), ENCODINGS)
        return max(found, key=lambda encoding: found[encoding], default=WINDOWS)
    return UNICODE


def _rows(path: Path, content: bytes, encoding: str, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """The rows with the line that each ends in, blank ones left out."""
    size = number = 0

    def numbered() -> Iterator[str]:
        nonlocal size, number
        for line in lines_of(content, path, encoding):
            number, size = number + 1, size + len(line)
            if size > LONGEST_LINE:  # a quoted cell may go on over any number of lines
                raise csv.Error("a row is too long")
            yield line

    quotes = content.count(b"'") > 0
    try:
        lines, columns = numbered(), 0
        first = _next_line(lines)
        if said := re.fullmatch(r'"?sep=(.)"?\s*', first, re.IGNORECASE):  # as Excel reads and writes
            first = _next_line(lines)
        delimiter = delimiter or (said[1] if said else _delimiter(first))
        for row in csv.reader(chain([first], lines), delimiter=delimiter, skipinitialspace=True):
            size = 0
            if any(row):
                cells = [*map(_bare if quotes else str.strip, row)]
                columns = columns or len(cells)
                if any(cells[columns:]):
                    what = f"has {len(cells)} cells in line {number}, but {columns} columns"
                    raise _bad(path, what, "put quotes around cells that contain the separator")
                yield number, cells[:columns] + [""] * (columns - len(cells))
    except csv.Error as error:
        raise BadInput(f"The table {quoted(str(path))} cannot be read ({error}); give a CSV file in UTF-8.") from error


def _bare(cell: str) -> str:
    """A cell without the quotes that some programs write around texts."""
    cell = cell.strip()
    return cell[1:-1] if len(cell) > 2 and cell[0] == cell[-1] == "'" else cell


def _next_line(lines: Iterator[str]) -> str:
    return next((line for line in lines if line.strip()), "")


def _delimiter(line: str) -> str:
    """The sign that parts a line the most."""
    return max(DELIMITERS, key=lambda sign: len(next(csv.reader([line], delimiter=sign), [])))


def _bad(path: Path, what: str, remedy: str) -> BadInput:
    return BadInput(f"The table {quoted(str(path))} {what}; {remedy}.")
