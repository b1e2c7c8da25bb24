"""Labels from a CSV table with a column of file names and a column of labels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path, PurePath
from typing import Annotated, Any

from core.data.encodings import Encoding
from core.data.found_tables import found_tables
from core.data.lookup import Lookup, from_table, inside, spelled
from core.data.proposals import Proposal, folders_of
from core.data.tables import MISSING, TRUE, Table, read_table
from core.data.text import some
from core.data.words import TRAIN, sides
from core.errors import BadInput, quoted
from core.registry import labellers


@labellers.register("csv")
class CsvLabeller:
    """Reads labels from a CSV table that names photos by path, by file name or, as on Kaggle, without suffix."""

    title = "A table"

    def __init__(
        self,
        path: Annotated[str, "CSV file separated by comma, semicolon, tab or |; or a folder of such files"],
        name_column: Annotated[str, "Column with the file names; empty: the first"] = "",
        label_column: Annotated[str, "Column with the labels; empty: the second"] = "",
        classes: Annotated[Sequence[str], "Instead of a label column: one column per class, 1 for its photos"] = (),
        tables: Annotated[Sequence[str], "If path is a folder: tables in it, such as train.csv and valid.csv"] = (),
        header: Annotated[bool, "The first row names the columns; otherwise they are named 1, 2 and so on"] = True,
        loose: Annotated[bool, "Ignore case and suffix when matching names"] = False,
        folder: Annotated[str, "Use the table only for photos in a folder of this name; empty: all photos"] = "",
        encoding: Annotated[Encoding, "Encoding of an old table; empty: detected"] = "",
    ) -> None:
        if not str(path).strip():  # Path("") is the current folder
            raise BadInput("The path of the table is empty; give a CSV file that lists the photos and their labels.")
        self.path = Path(os.path.expanduser(path))
        names = inside(self.path, tables) or [""]
        self.files = [self.path / name for name in names]
        self.loose, self.folder, self.encoding = loose, folder, encoding
        self.encodings: dict[str, str] = {}
        self.unlabelled: dict[str, str] = {}  # name in the table -> why its row has no label
        named = bool(name_column or label_column or classes)
        rows = (self._rows(name, name_column, label_column, classes, header and (named or None)) for name in names)
        self._lookup = Lookup(self.path, chain.from_iterable(rows), loose)
        self._reasons = Lookup(self.path, self.unlabelled.items(), loose)

    def __call__(self, path: Path | str) -> str:
        if self.folder and self.folder not in PurePath(path).parts[:-1]:
            raise BadInput(f"{quoted(self.path.name)} lists only photos in {quoted(self.folder)}, not this one.")
        label = self._lookup.get(path)
        if not label and (reason := self._reasons.get(path)):
            raise BadInput(reason)
        return label or self._lookup(path)

    def remarks(self, names: Sequence[Path]) -> list[str]:
        """Warnings about rows without a photo or a label, and about a guessed encoding."""
        found = [
            f"{name} is not in UTF-8 and was read as {code}; set labeller.encoding if it looks wrong"
            for name, code in self.encodings.items()
        ]
        if n := len(self.unlabelled):
            first = next(iter(self.unlabelled.values())).removesuffix(".")
            found.append(f"1 row has no label: {first}" if n == 1 else f"{n} rows have no label; the first: {first}")
        tables = some([file.name for file in self.files])
        counts = self._named(names)
        if missing := counts.count(0):
            found.append(
                f"1 row of {tables} has no photo" if missing == 1 else f"{missing} rows of {tables} have no photo"
            )
        if several := sum(n > 1 for n in counts):
            rows = f"1 row of {tables} names" if several == 1 else f"{several} rows of {tables} name"
            found.append(f"{rows} several photos each, in different folders; they all get the same label")
        return found

    @classmethod
    def proposes(cls, names: Sequence[Path], root: Path) -> Iterator[Proposal]:
        """Proposes each table whose columns name the photos, and the tables of a split as one."""
        listings, unused = found_tables(names, root)
        for listing in listings:
            columns = listing.columns
            if columns.unusable:
                continue
            label: dict[str, Any] = (
                {"classes": list(columns.classes)} if columns.classes else {"label_column": columns.label}
            )
            where = f"of {some(listing.names)}, whose column {columns.name!r} names {columns.share:.0%} of the photos"
            if columns.classes:
                reason = f"labels from the columns {some(columns.classes)} {where}"
            else:
                reason = f"labels from the column {columns.label!r} {where}"
                reason += f"; it could also be {some(columns.others, 3)}" if columns.others else ""
            options: dict[str, Any] = listing.options() | label
            try:
                options |= cls._folder(options, names, root) if columns.namesakes else {}
            except BadInput as error:
                yield Proposal(options, 0, str(error).removesuffix("."))
                continue
            yield Proposal(options, (0.9 if columns.known else 0.7) * columns.share, reason)
        for table, why in unused.items():
            yield Proposal({}, 0, f"the table {table.name!r}: {why}")

    @classmethod
    def _folder(cls, options: dict[str, Any], names: Sequence[Path], root: Path) -> dict[str, str]:
        """The `folder` option that a table needs if its names also match photos of another split; raises BadInput.

        Photos are often numbered from 1 in each split, so they would get the labels of other photos.
        """
        labeller = cls(**options)
        if max(labeller._named(names), default=0) < 2:
            return {}
        folders = {parent: folders_of(parent / "x", root) for parent in {name.parent for name in names}}
        split = sides({name for found in folders.values() for name in found})
        side_of = {parent: next((split[n] for n in found if n in split), "") for parent, found in folders.items()}
        by_side = [labeller._named([n for n in names if side_of[n.parent] == side]) for side in set(side_of.values())]
        if all(sum(map(bool, row)) < 2 for row in zip(*by_side, strict=True)):
            return {}
        trains = {name for name, side in split.items() if side == TRAIN}
        others = {name for found in folders.values() for name in found} - split.keys()
        for candidates in (trains, {labeller.path.parent.name}, others):
            fit = [c for c in sorted(candidates) if max(cls(**options, folder=c)._named(names), default=0) == 1]
            if len(fit) == 1 and (candidates == trains or len(candidates) == 1):
                return {"folder": fit[0]}
        of = some([repr(name) for name in sorted(split)])
        raise BadInput(
            f"The names in {some([f.name for f in labeller.files])} match photos in several of the folders {of}; "
            "write the folder before each name."
        )

    def _named(self, names: Sequence[Path]) -> list[int]:
        """The number of photos that each labelled row names."""
        listed = (name for name in names if not self.folder or self.folder in name.parts[:-1])
        return self._lookup.photos_of_rows(listed)

    def _rows(
        self, table_name: str, name_column: str, label_column: str, classes: Sequence[str], header: bool | None
    ) -> Iterator[tuple[str, str]]:
        """The (name, label) pairs of a table, without rows that lack either."""
        file = self.path / table_name
        table = read_table(file, header, encoding=self.encoding)
        if table.guessed:
            self.encodings[file.name] = table.encoding
        given = (name_column, label_column, *classes)
        # a column without a name is pandas' index, not a candidate
        others = (i for i, name in enumerate(table.header) if name and name not in given)
        name_at = table.column(name_column) if name_column else _next(table, others)
        if classes:
            marks = [(table.column(name), name) for name in classes]
        else:
            label_at = table.column(label_column) if label_column else _next(table, others)
        for line, row in table.rows:
            name = row[name_at] and from_table(table_name, row[name_at])
            if classes:
                labels = [label for at, label in marks if row[at].casefold() in TRUE]
            else:
                labels = [row[label_at]] * (row[label_at].casefold() not in MISSING)
            if name and len(labels) == 1:
                yield name, labels[0]
            elif name:
                what, remedy = ("marks several classes", "mark one") if labels else ("has no label", "fill it in")
                which = f", {some(labels)}" if labels else ""
                self.unlabelled.setdefault(
                    spelled(name, self.loose),
                    f"line {line} of {file.name} {what} for {quoted(row[name_at])}{which}; {remedy}, or leave it out.",
                )


def _next(table: Table, columns: Iterator[int]) -> int:
    if (position := next(columns, None)) is None:
        raise table.bad("has too few columns", "it needs one for names and one for labels")
    return position
