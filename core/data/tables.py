"""Reading of CSV tables in any encoding, with any delimiter, with or without a header."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from core.data.encodings import ASIAN, log_likelihoods
from core.data.files import SUFFIXES
from core.data.lookup import LONGEST_NAME
from core.data.text import LONGEST_LINE, lines_of, read_bytes, some
from core.errors import BadInput, quoted

CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
DELIMITERS = ",;\t|"
UNICODE, WINDOWS = "utf-8-sig", "cp1252"
ENCODINGS = (WINDOWS, "cp1251", *ASIAN)  # candidates for tables that are not in Unicode
MOST_COLUMNS = 10_000
SAMPLE = 1000  # cells used to detect the encoding
TRUE, FALSE = frozenset(("1", "1.0", "true", "yes", "t", "y")), frozenset(("0", "0.0", "-1", "false", "no", "f", "n"))
MISSING = frozenset(("", "nan", "null", "<na>", "#n/a"))  # spellings of a missing value
MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Table:
    """The column names, or numbers from 1 if the table has none, and each row with its line number.

    Cells are stripped, and short rows are filled up with empty cells.
    """

    path: Path
    header: list[str]
    rows: Iterator[tuple[int, list[str]]]
    encoding: str
    guessed: bool = False  # whether the encoding was detected by its text

    def column(self, name: str) -> int:
        """The position of a column by its name, or by its number from 1; raises BadInput."""
        if name in self.header:
            return self.header.index(name)
        if name.isascii() and name.isdecimal() and 0 < int(name) <= len(self.header):
            return int(name) - 1
        short = all(len(column) <= LONGEST_NAME for column in self.header)  # otherwise not a table: quote nothing
        raise self.bad(f"has no column {quoted(name)}", f"it has: {some(self.header)}" if short else "give a table")

    def bad(self, what: str, remedy: str) -> BadInput:
        """An error about this table."""
        return _bad(self.path, what, remedy)


def read_table(path: Path, header: bool | None = None, delimiter: str | None = None, encoding: str = "") -> Table:
    """Open a table; raises BadInput, also while its rows are read.

    If `header` is None, it is detected: the first row of a table without a header names a photo. `delimiter` and
    `encoding` are also detected if they are not given.
    """
    content = read_bytes(path)
    given, encoding = encoding, UNICODE if encoding == "utf-8" else encoding or _encoding(content)
    rows = _rows(path, content, encoding, delimiter)
    line, first = next(rows, (0, []))
    if not first:
        raise _bad(path, "is empty", "give one with a column of names and one of labels")
    if len(first) < 2:
        raise _bad(path, "has too few columns", "it needs one for names and one for labels")
    if len(first) > MOST_COLUMNS:
        raise _bad(path, f"has {len(first):,} columns", f"give at most {MOST_COLUMNS:,}")
    if CONTROL.search("".join(first)):
        raise _bad(path, "is not a table", "give a CSV file")
    if header is None:
        header = Path(first[0]).suffix.lower() not in SUFFIXES
    names = first if header else [str(i + 1) for i in range(len(first))]
    return Table(
        path, names, rows if header else chain([(line, first)], rows), encoding, not given and encoding in ENCODINGS
    )


def _encoding(content: bytes) -> str:
    """UTF-16 by its byte order mark, UTF-8 if it is valid, otherwise the most likely older encoding."""
    if mark := next((mark for mark in MARKS if content.startswith(mark)), None):
        return MARKS[mark]
    try:
        content.decode(UNICODE)
    except UnicodeDecodeError:
        cells = {cell: None for cell in re.split(rb'[,;\t\r\n"]+', content) if not cell.isascii()}
        found = log_likelihoods(islice(cells, SAMPLE), ENCODINGS)
        return max(found, key=lambda encoding: found[encoding], default=WINDOWS)
    return UNICODE


def _rows(path: Path, content: bytes, encoding: str, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its last line."""
    size = number = 0

    def numbered() -> Iterator[str]:
        nonlocal size, number
        for line in lines_of(content, path, encoding):
            number, size = number + 1, size + len(line)
            if size > LONGEST_LINE:  # a quoted cell may span any number of lines
                raise csv.Error("a row is too long")
            yield line

    quotes = content.count(b"'") > 0
    try:
        lines, columns = numbered(), 0
        first = _next_line(lines)
        if named := re.fullmatch(r'"?sep=(.)"?\s*', first, re.IGNORECASE):  # Excel's way to name the delimiter
            first = _next_line(lines)
        delimiter = delimiter or (named[1] if named else _delimiter(first))
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
    """A cell without the single quotes that some programs write around text."""
    cell = cell.strip()
    return cell[1:-1] if len(cell) > 2 and cell[0] == cell[-1] == "'" else cell


def _next_line(lines: Iterator[str]) -> str:
    return next((line for line in lines if line.strip()), "")


def _delimiter(line: str) -> str:
    """The delimiter that splits a line into the most cells."""
    return max(DELIMITERS, key=lambda sign: len(next(csv.reader([line], delimiter=sign), [])))


def _bad(path: Path, what: str, remedy: str) -> BadInput:
    return BadInput(f"The table {quoted(str(path))} {what}; {remedy}.")
