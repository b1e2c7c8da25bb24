"""The label is in a table: a CSV file with a column of names and a column of labels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

from core.data.columns import TRUE
from core.data.found_tables import found_tables
from core.data.lookup import Lookup, inside
from core.data.proposals import Proposal
from core.data.tables import WINDOWS, Table, read_table
from core.data.text import some
from core.errors import BadInput
from core.registry import labellers


@labellers.register("csv")
class CsvLabeller:
    """A column of a table (CSV) that lists the photos by path, file name or, as Kaggle does, name without suffix."""

    def __init__(
        self,
        path: Annotated[str, "The table, with columns separated by comma, semicolon, tab or |; or a folder of tables"],
        name_column: Annotated[str, "Column that names the photo; empty: the first"] = "",
        label_column: Annotated[str, "Column that holds the label; empty: the second"] = "",
        classes: Annotated[Sequence[str], "Instead of a column of labels: one column per class, 1 for its photos"] = (),
        tables: Annotated[Sequence[str], "The tables in the folder, such as train.csv and valid.csv"] = (),
        header: Annotated[bool, "The first row names the columns; else they are called 1, 2 and so on"] = True,
        loose: Annotated[bool, "Names match whatever their case and suffix"] = False,
    ) -> None:
        if not str(path).strip():  # Path("") is the current folder
            raise BadInput("The path of the table is empty; give a CSV file that lists the photos and their labels.")
        self.path = Path(os.path.expanduser(path))
        self.files = [self.path / name for name in inside(self.path, tables)] or [self.path]
        self.encodings: dict[str, str] = {}
        named = bool(name_column or label_column or classes)
        rows = (self._rows(file, name_column, label_column, classes, header and (named or None)) for file in self.files)
        self._lookup = Lookup(self.path, chain.from_iterable(rows), loose)

    def __call__(self, path: Path | str) -> str:
        return self._lookup(path)

    def remarks(self, names: Sequence[Path]) -> list[str]:
        """How many rows have no photo, and whether the encoding was a guess."""
        said = [f"{name} is not in UTF-8 and was read as {code}" for name, code in self.encodings.items()]
        if missing := self._lookup.without_photo(names):
            tables = some([file.name for file in self.files])
            said.append(
                f"1 row of {tables} has no photo" if missing == 1 else f"{missing} rows of {tables} have no photo"
            )
        return said

    @classmethod
    def proposes(cls, names: Sequence[Path], root: Path) -> Iterator[Proposal]:
        """Each table whose columns name the photos, and those of a split together."""
        listings, unused = found_tables(names, root)
        for listing in listings:
            columns = listing.columns
            if columns.unusable:
                continue
            label = {"classes": list(columns.classes)} if columns.classes else {"label_column": columns.label}
            where = f"of {some(listing.names)}, whose column {columns.name!r} names {columns.share:.0%} of the photos"
            if columns.classes:
                reason = f"labels from the columns {some(columns.classes)} {where}"
            else:
                reason = f"labels from the column {columns.label!r} {where}"
                reason += f"; it could be {some(columns.others, 3)} too" if columns.others and not columns.known else ""
            yield Proposal(listing.options() | label, (0.9 if columns.known else 0.7) * columns.share, reason)
        for table, why in unused.items():
            yield Proposal({}, 0, f"the table {table.name!r}: {why}")

    def _rows(
        self, file: Path, name_column: str, label_column: str, classes: Sequence[str], header: bool | None
    ) -> Iterator[tuple[str, str]]:
        """The names and labels of a table; rows without either are left out."""
        table = read_table(file, header)
        if table.encoding == WINDOWS:
            self.encodings[file.name] = table.encoding
        asked = (name_column, label_column, *classes)
        # a column without a name is pandas' index, no candidate
        unasked = (i for i, name in enumerate(table.header) if name and name not in asked)
        name_at = table.column(name_column) if name_column else _next(table, unasked)
        if classes:
            marks = [(table.column(name), name) for name in classes]
            width = max(at for at, _ in marks)
            cells = ((row, _marked(row, marks)) for row in table.rows if len(row) > max(width, name_at))
        else:
            label_at = table.column(label_column) if label_column else _next(table, unasked)
            cells = ((row, row[label_at]) for row in table.rows if len(row) > max(name_at, label_at))
        return ((row[name_at], label) for row, label in cells if row[name_at] and label)


def _next(table: Table, columns: Iterator[int]) -> int:
    if (position := next(columns, None)) is None:
        raise table.bad("has too few columns", "it needs one of names and one of labels")
    return position


def _marked(row: Sequence[str], marks: Sequence[tuple[int, str]]) -> str:
    """The only class that a row marks, or nothing."""
    found = [name for at, name in marks if row[at].casefold() in TRUE]
    return found[0] if len(found) == 1 else ""
