"""Data sets whose items are table rows: of a pandas DataFrame, or dictionaries as from `csv.DictReader`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import BadInput, quoted

TRUE, FALSE = frozenset(("true", "1", "1.0", "yes")), frozenset(("false", "0", "0.0", "no", ""))


class Rows(Sequence[Any]):
    """The rows of a DataFrame as a sequence, created on access."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: Any) -> Any:
        rows = self.table.iloc[index]
        return Rows(rows) if isinstance(index, slice) else rows


def cell(row: Any, column: str | int) -> Any:
    """The value of a row in a column, given by name or position; raises BadInput."""
    try:
        if not isinstance(column, int):
            return row[column]
        return list(row.values())[column] if isinstance(row, Mapping) else row.iloc[column]
    except (KeyError, IndexError):
        names = ", ".join(str(name)[:40] for name in list(row.keys())[:10])
        raise BadInput(f"The table has no column {column!r}; it has: {names}.") from None


class ColReader:
    """Reads a column of a row: `ColReader("fname", pref=path, suff=".jpg")`; raises BadInput if it does not exist."""

    def __init__(self, cols: str | int, pref: str | Path = "", suff: str = "") -> None:
        self.column, self.suff = cols, suff
        self.pref = f"{pref}/" if isinstance(pref, Path) else pref

    def __call__(self, row: Any) -> Any:
        value = cell(row, self.column)
        return f"{self.pref}{value}{self.suff}" if self.pref or self.suff else value


class ColSplitter:
    """Uses the rows whose column `col` is true for validation, all others for training; raises BadInput."""

    def __init__(self, col: str | int = "is_valid") -> None:
        self.column = col

    def __call__(self, items: Sequence[Any]) -> tuple[list[int], list[int]]:
        valid = [self._truth(cell(row, self.column)) for row in items]
        return [i for i, v in enumerate(valid) if not v], [i for i, v in enumerate(valid) if v]

    def _truth(self, value: Any) -> bool:
        text = str(value).strip().casefold()
        if text not in TRUE | FALSE:
            raise BadInput(f"The column {self.column!r} holds {quoted(value)}; write True or False.")
        return text in TRUE
