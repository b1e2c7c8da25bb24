"""The label is in a table: a CSV file with a column of names and a column of labels."""

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
        folder: Annotated[str, "Only photos in a folder of this name are listed; empty: all are"] = "",
        encoding: Annotated[Encoding, "Encoding of an old table; empty: detected"] = "",
    ) -> None:
        if not str(path).strip():  # Path("") is the current folder
            raise BadInput("The path of the table is empty; give a CSV file that lists the photos and their labels.")
        self.path = Path(os.path.expanduser(path))
        names = inside(self.path, tables) or [""]
        self.files = [self.path / name for name in names]
        self.loose, self.folder, self.encoding = loose, folder, encoding
        self.encodings: dict[str, str] = {}
        self.unlabelled: dict[str, str] = {}  # of names in rows that have no label, why
        named = bool(name_column or label_column or classes)
        rows = (self._rows(name, name_column, label_column, classes, header and (named or None)) for name in names)
        self._lookup = Lookup(self.path, chain.from_iterable(rows), loose)
        self._reasons = Lookup(self.path, self.unlabelled.items(), loose)

    def __call__(self, path: Path | str) -> str:
        if self.folder and self.folder not in PurePath(path).parts[:-1]:
            raise BadInput(f"{quoted(self.path.name)} lists photos in {quoted(self.folder)}, where this one is not.")
        label = self._lookup.get(path)
        if not label and (reason := self._reasons.get(path)):
            raise BadInput(reason)
        return label or self._lookup(path)

    def remarks(self, names: Sequence[Path]) -> list[str]:
        """How many rows have no photo or no label, and whether the encoding was a guess."""
        said = [
            f"{name} is not in UTF-8 and was read as {code}; set labeller.encoding if it looks wrong"
            for name, code in self.encodings.items()
        ]
        if n := len(self.unlabelled):
            first = next(iter(self.unlabelled.values())).removesuffix(".")
            said.append(f"1 row has no label: {first}" if n == 1 else f"{n} rows have no label; the first: {first}")
        tables = some([file.name for file in self.files])
        counts = self._named(names)
        if missing := counts.count(0):
            said.append(
                f"1 row of {tables} has no photo" if missing == 1 else f"{missing} rows of {tables} have no photo"
            )
        if several := sum(n > 1 for n in counts):
            rows = f"1 row of {tables} names" if several == 1 else f"{several} rows of {tables} name"
            said.append(f"{rows} several photos each, which lie in different folders and get one label")
        return said

    @classmethod
    def proposes(cls, names: Sequence[Path], root: Path) -> Iterator[Proposal]:
        """Each table whose columns name the photos, and those of a split together."""
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
                reason += f"; it could be {some(columns.others, 3)} too" if columns.others else ""
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
        """The folder that a table lists, where its rows name photos of other sides of a split too; raises BadInput.

        Numbers often begin anew in each side, so that photos would get the labels of others.
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
            f"{some([f.name for f in labeller.files])} names photos in several folders of {of} alike; "
            "write the folder before each name."
        )

    def _named(self, names: Sequence[Path]) -> list[int]:
        """Of each row with a label how many of the photos it names."""
        listed = (name for name in names if not self.folder or self.folder in name.parts[:-1])
        return self._lookup.photos_of_rows(listed)

    def _rows(
        self, table_name: str, name_column: str, label_column: str, classes: Sequence[str], header: bool | None
    ) -> Iterator[tuple[str, str]]:
        """The names and labels of a table; rows without either are left out."""
        file = self.path / table_name
        table = read_table(file, header, encoding=self.encoding)
        if table.guessed:
            self.encodings[file.name] = table.encoding
        asked = (name_column, label_column, *classes)
        # a column without a name is pandas' index, no candidate
        unasked = (i for i, name in enumerate(table.header) if name and name not in asked)
        name_at = table.column(name_column) if name_column else _next(table, unasked)
        if classes:
            marks = [(table.column(name), name) for name in classes]
        else:
            label_at = table.column(label_column) if label_column else _next(table, unasked)
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
        raise table.bad("has too few columns", "it needs one of names and one of labels")
    return position
