"""What a table says of a photo, found by the photo's name: the table's folders may not be where the photos lie now."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path, PurePosixPath
from posixpath import splitext

from core.data.ends import Ends
from core.data.files import SUFFIXES
from core.data.text import LONGEST_SHOWN
from core.errors import BadInput, quoted

LONGEST_NAME = 255  # characters of a file or a folder, on every system
UNUSUAL = re.compile(r"\\|//|(^|/)\.?(/|$)")  # what `normal` changes in plain letters


class Lookup:
    """A value by every end of a name, with or without its suffix; `loose`, also in another case or with another suffix.

    `table` is what errors call it. Raises BadInput where one name has two values.
    """

    def __init__(self, table: Path, rows: Iterable[tuple[str, str]], loose: bool = False) -> None:
        self.table, self.loose = table, loose
        shared: dict[str, str] = {}  # one text a value, not one a row
        names: list[str] = []
        values: list[str] = []
        for name, value in rows:
            names.append(spelled(name, loose))
            values.append(shared.setdefault(value, value))
        self._names = Ends(names)
        self._values = [values[i] for i in self._names.order]
        self._until = list(range(1, len(values) + 1))  # where, after each position, another value comes
        for i in range(len(values) - 1, 0, -1):
            before, after = self._values[i - 1], self._values[i]
            if before is after:
                self._until[i - 1] = self._until[i]
            elif (name := names[self._names.order[i]]) == names[self._names.order[i - 1]]:
                what = f"lists {quoted(name)} as {quoted(before)} and as {quoted(after)}"
                raise self._bad(what, "keep one of the rows")

    def __call__(self, path: Path | str) -> str:
        """The value of a photo; raises BadInput where there is none, or two."""
        if value := self.get(path):
            return value
        raise self._bad(f"has no label for {quoted(Path(path).name)}", "add a row for it")

    def get(self, path: Path | str) -> str:
        """The value of a photo, empty where there is none; raises BadInput where there are two."""
        end = self._end(path)
        if not end:
            return ""
        found = self._names.having(end)
        value, other = self._values[found.start], self._until[found.start]
        if other < found.stop and end not in self._names:
            two = " and ".join(sorted((value[:LONGEST_SHOWN], self._values[other][:LONGEST_SHOWN])))
            raise self._bad(f"has {two} for photos called {quoted(end)}", "name them there with their folders")
        return value

    def photos_of_rows(self, paths: Iterable[Path]) -> list[int]:
        """Of each row how many of the photos it names."""
        begin_less_end = [0] * (len(self._values) + 1)
        for path in paths:
            if end := self._end(path):
                found = self._names.having(end)
                begin_less_end[found.start] += 1
                begin_less_end[found.stop] -= 1
        return list(accumulate(begin_less_end))[: len(self._values)]

    def _end(self, path: Path | str) -> str:
        name = normal(path if isinstance(path, str) else path.as_posix())
        if self.loose:
            return self._names.longest(bare(name))
        return self._names.longest(name) or self._names.longest(splitext(name)[0])

    def _bad(self, what: str, remedy: str) -> BadInput:
        return BadInput(f"The table {quoted(str(self.table))} {what}; {remedy}.")


def normal(name: str) -> str:
    """One spelling for all systems: `/` between folders, no leading `./`, no query of a URL, composed letters."""
    if len(name) <= LONGEST_NAME and name.isascii() and not UNUSUAL.search(name):  # as nearly always, and much faster
        return name
    if "://" in name:
        name = re.split(r"[?#]", name, maxsplit=1)[0]
    parts = name.replace("\\", "/")
    if (
        len(parts) > LONGEST_NAME < max(map(len, parts.split("/")))
    ):  # of which marks on a letter take time by their square
        raise BadInput(f"{quoted(name)} has a part of over {LONGEST_NAME} characters, as no file has; shorten it.")
    return unicodedata.normalize("NFC", PurePosixPath(parts).as_posix())


def spelled(name: str, loose: bool) -> str:
    """The spelling by which a name is looked up."""
    return bare(normal(name)) if loose else normal(name)


def bare(name: str) -> str:
    """A name without its case and a photo's suffix."""
    folded = name.casefold()
    stem, suffix = splitext(folded)
    return stem if suffix in SUFFIXES else folded


def inside(folder: Path, names: Sequence[str]) -> list[str]:
    """The names of files in a folder; raises BadInput for one that leads out of it."""
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or not parts.name or ":" in name:
            raise BadInput(
                f"{quoted(name)} is not a table in {quoted(str(folder))}; give a name relative to that folder."
            )
    return list(names)


def from_table(table: str, name: str) -> str:
    """A photo's name in one of several tables, which may be relative to the table: `train/labels.csv` lists `1.jpg`."""
    folder = PurePosixPath(table.replace("\\", "/")).parent.as_posix()
    return name if folder == "." else f"{folder}/{name}"
