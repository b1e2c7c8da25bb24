"""A split from a CSV table: a column such as `split`, `is_valid` or `fold`, or one table for each side."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from core.data.encodings import Encoding
from core.data.found_tables import found_tables
from core.data.lookup import Lookup, from_table, inside
from core.data.proposals import Proposal
from core.data.tables import read_table
from core.data.text import some
from core.data.words import test_remarks
from core.errors import BadInput, quoted
from core.registry import splitters


@splitters.register("table")
class TableSplitter:
    """Splits by a column of a table, or by one table for each side; photos not listed are left out."""

    title = "A table"

    def __init__(
        self,
        path: Annotated[str, "CSV file, or a folder of CSV files"],
        name_column: Annotated[str, "Column with the file names"],
        split_column: Annotated[str, "Column with the split; empty: one table for each side"] = "",
        valid: Annotated[Sequence[str], "Values of the split column, or tables, for validation"] = ("valid",),
        train: Annotated[Sequence[str], "Values of the split column, or tables, for training"] = ("train",),
        header: Annotated[bool, "The first row names the columns; otherwise they are named 1, 2 and so on"] = True,
        loose: Annotated[bool, "Ignore case and suffix when matching names"] = False,
        encoding: Annotated[Encoding, "Encoding of an old table; empty: detected"] = "",
    ) -> None:
        self.valid, self.train = tuple(valid), tuple(train)
        self.path = Path(os.path.expanduser(path))
        names = [""] if split_column else inside(self.path, [*valid, *train])
        self.files = [self.path / name for name in names]
        rows = (
            (from_table(name, row[name_at]), row[at] if split_column else name)
            for file, name in zip(self.files, names, strict=True)
            for table in [read_table(file, header, encoding=encoding)]
            for name_at, at in [(table.column(name_column), table.column(split_column or name_column))]
            for _, row in table.rows
            if row[name_at]
        )
        self._lookup = Lookup(self.path, rows, loose)

    def __call__(self, items: Sequence[Path], labels: Sequence[str] | None = None) -> tuple[list[int], list[int]]:
        values = [self._side(item) for item in items]
        train = [i for i, value in enumerate(values) if value in self.train]
        valid = [i for i, value in enumerate(values) if value in self.valid]
        for purpose, wanted, found in (("training", self.train, train), ("validation", self.valid, valid)):
            if not found:
                raise BadInput(
                    f"{quoted(str(self.path))} has no photo with {some(wanted)} for {purpose}; choose another value."
                )
        return train, valid

    def remarks(self, names: Sequence[Path]) -> list[str]:
        """A warning if a test set is used for validation."""
        return test_remarks([part for name in self.valid for part in Path(name).with_suffix("").parts])

    @classmethod
    def proposes(cls, names: Sequence[Path], root: Path) -> Iterator[Proposal]:
        """Proposes each table's split column, or the tables that are named like a split."""
        for listing in found_tables(names, root)[0]:
            columns = listing.columns
            if columns.valid:
                options = {key: value for key, value in listing.options().items() if key != "tables"}
                options |= {"split_column": columns.split} if columns.split else {}
                by = (
                    f"the column {columns.split!r} of {some(listing.names)} says" if columns.split else "the tables say"
                )
                reason = f"{some(columns.valid)} for validation and {some(columns.train)} for training, as {by}"
                options |= {"valid": list(columns.valid), "train": list(columns.train)}
                try:
                    cls(**options)(names)
                except BadInput as error:  # for example, a side without photos
                    yield Proposal(options, 0, str(error).removesuffix("."))
                    continue
                yield Proposal(options, 0.95 * columns.share, reason)

    def _side(self, item: Path) -> str:
        try:
            return self._lookup(item)
        except BadInput:  # a photo that no row names
            return ""
