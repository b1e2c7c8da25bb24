"""Search for tables that list the photos of a data set, alone or together."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.data.columns import LEAST, Columns, Photos, guess
from core.data.files import get_tables
from core.data.proposals import folders_of
from core.data.tables import read_table
from core.data.words import TEST, sides, tokens
from core.errors import BadInput
from core.recipe import Choice

MAX_TABLES = 50  # tables read, nearest to the top first
EXAMPLES = frozenset(("sample", "submission"))  # in the names of Kaggle's example answers


Found = tuple[list["Listing"], dict[Path, str]]
_latest: tuple[object, Found] = None, ([], {})


@dataclass(frozen=True)
class Listing:
    """One table, or one table for each side of a split, and the roles of its columns."""

    folder: Path
    names: tuple[str, ...]  # of tables in the folder
    columns: Columns

    def options(self) -> Choice:
        """The options of a labeller or splitter to read it with."""
        c = self.columns
        path = {"path": str(self.folder / self.names[0])} if len(self.names) == 1 else {
            "path": str(self.folder), "tables": list(self.names)
        }  # fmt: skip
        return (
            path
            | {"name_column": c.name}
            | ({} if c.header else {"header": False})
            | ({"loose": True} if c.loose else {})
        )


def found_tables(names: Sequence[Path], root: Path) -> Found:
    """The tables that list the photos, and why each other table does not; the last result is cached."""
    global _latest
    if not (tables := get_tables(root)):
        return [], {}
    called = hashlib.sha256("\n".join(map(str, names)).encode("utf-8", "surrogateescape")).digest()
    key = root, called, [(table, (status := table.stat()).st_mtime_ns, status.st_size) for table in tables]
    before, found = _latest
    if before != key:
        found = _search(names, root, sorted(tables, key=lambda table: len(table.parts)))
        _latest = key, found
    return found


def _search(names: Sequence[Path], root: Path, tables: Sequence[Path]) -> Found:
    photos = Photos(names, possible=_possible(names, root))
    alone: list[Listing] = []
    alike = defaultdict[tuple[object, ...], list[tuple[str, Columns]]](list)
    unused: dict[Path, str] = {}
    shares: dict[Path, float] = {}
    small: list[tuple[Path, Columns]] = []  # of one side, with too few rows to recognise labels
    for n, table in enumerate(tables):
        if n >= MAX_TABLES or EXAMPLES.intersection(tokens(table.stem)):
            unused[table] = f"one of over {MAX_TABLES} tables" if n >= MAX_TABLES else "an example by its name"
            continue
        try:
            columns = guess(table, photos)
        except BadInput as error:
            unused[table] = str(error).removesuffix(".")
            continue
        shares[table] = columns.share
        if columns.unusable:
            unused[table] = columns.unusable
            if _side(table.relative_to(root)):
                small.append((table, columns))
            if columns.valid and columns.share >= LEAST:  # it gives the split of photos labelled elsewhere
                alone.append(Listing(table.parent, (table.name,), columns))
            continue
        inside = table.relative_to(root)
        if _side(inside):
            key = (columns.header, columns.name, columns.label, columns.classes)
            alike[key].append((inside.as_posix(), columns))
        if columns.share >= LEAST:
            alone.append(Listing(table.parent, (table.name,), columns))
        else:
            unused[table] = f"its column {columns.name!r} names only {columns.share:.0%} of the photos"
    for table, columns in small:
        for found in alike.values():
            like = found[0][1]
            if (columns.header, columns.name) == (like.header, like.name) and like.label in read_table(table).header:
                found.append((table.relative_to(root).as_posix(), replace(like, share=columns.share)))
    together = [_joined(root, found) for found in alike.values() if len(found) > 1]
    for listing in together:
        for name in listing.names:
            unused.pop(root / name, None)
    return together + alone, dict(sorted(unused.items(), key=lambda one: -shares.get(one[0], 0.0)))


def _joined(root: Path, found: list[tuple[str, Columns]]) -> Listing:
    first = found[0][1]
    share = min(1.0, sum(columns.share for _, columns in found))
    loose = any(columns.loose for _, columns in found)
    train, valid = ([name for name, _ in found if _side(Path(name)) == side] for side in ("train", "valid"))
    valid = valid or [name for name, _ in found if _side(Path(name)) == TEST]
    both = bool(train and valid)
    columns = replace(first, share=share, loose=loose, split="", train=tuple(train) * both, valid=tuple(valid) * both)
    return Listing(root, tuple(name for name, _ in found), columns)


def _side(table: Path) -> str:
    """The side of a split that a table or its folder is named after, or ""."""
    names = [table.stem, *table.parent.parts]
    found = sides(names)
    plain = {
        name: [w for w in tokens(name) if w not in ("labels", "label", "csv", "annotations", "classes")]
        for name in names
    }
    found |= {name: side for name, words in plain.items() for side in sides(["_".join(words)]).values()}
    return next((found[name] for name in names if name in found), "")


def _possible(names: Sequence[Path], root: Path) -> int:
    """The number of photos that a table should name: usually not those of a test folder."""
    folders = {name.parent: folders_of(name, root) for name in names}
    split = sides({name for found in folders.values() for name in found})
    test = {parent for parent, found in folders.items() if any(split.get(name) == TEST for name in found)}
    return sum(name.parent not in test for name in names) or len(names)
