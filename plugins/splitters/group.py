"""A split in which photos that belong together, such as copies or a patient's, are never parted."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, ClassVar, Literal

import numpy as np

from core.data import photo
from core.data.content import digest
from core.data.lookup import Lookup, from_table
from core.data.pattern import Pattern
from core.data.tables import read_table
from core.data.threads import photo_threads
from core.insight.copies import THUMBNAIL, copies
from core.registry import Range, splitters

Seen = tuple[str, np.ndarray | None]  # the hash of a photo's content, or its path, and its grey thumbnail [64, 64]


@splitters.register("group")
class GroupSplitter:
    """Uses about a share of each class for validation, with all photos of a group on one side."""

    title = "A share, groups together"

    visitors_may: ClassVar = {"by": ("name", "table")}  # twins: photos are decoded in the program's own process

    def __init__(
        self,
        by: Annotated[
            Literal["twins", "name", "table"], "twins: copies of a photo; name: the pattern; table: a column of a table"
        ] = "twins",
        pattern: Annotated[str, "For name: group 1 of this regular expression, in the file name"] = r"(.+)_\d+\.\w+$",
        path: Annotated[str, "For table: a CSV file"] = "",
        name_column: Annotated[str, "For table: the column with the file names"] = "",
        group_column: Annotated[str, "For table: the column with the groups, such as patient"] = "",
        valid_pct: Annotated[float, "Share of the photos for validation", Range(0.01, 0.9)] = 0.2,
        seed: Annotated[int, "Repeats a split", Range(0, 2**32 - 1)] = 42,
    ) -> None:
        self.by, self.share, self.seed = by, valid_pct, seed
        self.files: list[Path] = []
        self._known: dict[tuple[Path, int, int], Seen] = {}  # as a check splits twice, and each split sees every photo
        self._find = Pattern(pattern).search
        if by == "table":
            self.files = [Path(os.path.expanduser(path))]
            table = read_table(self.files[0])
            name_at, at = table.column(name_column), table.column(group_column)
            rows = [(from_table(self.files[0].name, row[name_at]), row[at]) for _, row in table.rows if row[name_at]]
            self._lookup = Lookup(self.files[0], rows)

    def __call__(
        self,
        items: Sequence[Path],
        labels: Sequence[str] | None = None,
        files: Sequence[Path] | None = None,
        same: Sequence[tuple[int, int]] = (),
    ) -> tuple[list[int], list[int]]:
        groups = self._twins(files or items) if self.by == "twins" else [self._group(item) for item in items]
        groups = _joined(groups, [(groups[one], groups[other]) for one, other in same])
        members: dict[str, list[int]] = defaultdict(list)
        for i, group in enumerate(groups):
            members[group].append(i)
        labels = labels or [""] * len(items)
        order = sorted(members)  # the same wherever the photos are listed in another order
        Random(self.seed).shuffle(order)
        wanted = {label: min(max(1.0, self.share * n), n - 1) for label, n in Counter(labels).items()}
        valid: set[int] = set()
        for group in order:
            held = Counter(labels[i] for i in members[group])
            # the squared distance from the wanted counts, which shall not grow
            if sum((wanted[label] - n) ** 2 - wanted[label] ** 2 for label, n in held.items()) < 0:
                valid.update(members[group])
                for label, n in held.items():
                    wanted[label] -= n
        return [i for i in range(len(items)) if i not in valid], sorted(valid)

    def _group(self, item: Path) -> str:
        """The group of a photo; one without a group is alone."""
        if self.by == "table":
            return self._lookup.get(item) or str(item)
        found = self._find(Path(item).name)
        return (found and found[1]) or str(item)

    def _twins(self, files: Sequence[Path]) -> list[str]:
        """The content of the first photo of each photo's copies; one that cannot be read is alone."""
        with photo_threads(min(8, os.cpu_count() or 1)) as pool:
            seen = list(pool.map(self._see, files))
        distinct = {content: thumbnail for content, thumbnail in seen if thumbnail is not None}
        contents = list(distinct)
        thumbnails = np.stack(list(distinct.values())) if distinct else np.empty((0, 64, 64), np.uint8)
        pairs = [(contents[i], contents[j]) for i, j, _ in copies(thumbnails)]
        return _joined([content for content, _ in seen], pairs)

    def _see(self, file: Path) -> Seen:
        """What `_seen` returns, kept unless the file has changed since."""
        try:
            about = file.stat()
        except OSError:
            return str(file), None
        key = file, about.st_size, about.st_mtime_ns
        if key not in self._known:
            self._known[key] = _seen(file)
        return self._known[key]


def _joined(groups: Sequence[str], pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The groups with those of each pair made one, under the first of their names."""
    first = {group: group for group in groups}

    def root(group: str) -> str:
        while first[group] != group:
            group = first[group]
        return group

    for pair in pairs:
        one, other = sorted(map(root, pair))
        first[other] = one
    return [root(group) for group in groups]


def _seen(file: Path) -> Seen:
    """The hash of a photo's content and its grey thumbnail [64, 64]."""
    try:
        content = photo.read(file)
        image = photo.fit(photo.load(content), [THUMBNAIL])
    except (OSError, photo.BadPhoto):
        return str(file), None
    return digest(content), image.mean(axis=2).round().astype(np.uint8)
