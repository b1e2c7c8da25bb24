"""The label is the name of a folder: `cats/1.jpg` is labelled `cats`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from os.path import commonprefix
from pathlib import Path, PurePath
from typing import Annotated

from core.data.levels import class_level
from core.data.proposals import Proposal, folders_of
from core.data.text import some
from core.data.words import sides
from core.errors import BadInput, quoted
from core.registry import Range, labellers

__all__ = ["FolderLabeller", "parent_label"]

MOST_SKIPPED = 50  # names of folders that a recipe lists


def parent_label(o: Path | str) -> str:
    """The name of the folder that `o` lies in."""
    return (Path(o) if isinstance(o, str) else o).parent.name


@labellers.register("folder")
class FolderLabeller:
    """The name of the folder that the photo lies in, or of one above it."""

    def __init__(
        self,
        level: Annotated[int, "1 is the folder that the photo lies in, 2 the one above it", Range(1, 20)] = 1,
        skip: Annotated[Sequence[str], "Names of folders to pass over, such as images"] = (),
        ignore: Annotated[Sequence[str], "Names of folders that are not labels, such as test"] = (),
    ) -> None:
        self.level, self.skip, self.ignore = level, frozenset(skip), frozenset(ignore)

    def __call__(self, path: Path | str) -> str:
        return self._found(path)[1]

    def span(self, path: Path | str) -> tuple[str, int, int]:
        """The label's folder and what lies in it, and where the label begins and ends in that; raises BadInput."""
        folder, label = self._found(path)
        return f"{label}/{PurePath(path).relative_to(folder).as_posix()}", 0, len(label)

    def remarks(self, names: Sequence[Path]) -> list[str]:
        """Which labels join folders of the same name in several places, the sides of a split aside."""
        places = defaultdict[str, set[tuple[str, ...]]](set)
        for folder in {name.parent for name in names}:
            try:
                found, label = self._found(folder / "x")
            except BadInput:
                continue
            places[label].add(found.parent.parts)
        split = sides({name for parents in places.values() for parts in parents for name in parts})
        joined = []
        for label, parents in sorted(places.items()):
            kept = sorted({tuple(name for name in parts if name not in split) for parts in parents})
            if len(kept) > 1:
                shared = min(len(commonprefix(kept)), min(map(len, kept)) - 1)  # noqa: RUF071
                above = some([repr("/".join(parts[shared:])) for parts in kept], 3)
                joined.append(f"the label {label!r} joins the folders of that name in {above}")
        return joined

    @classmethod
    def proposes(cls, names: Sequence[Path], root: Path) -> Iterator[Proposal]:
        """The level of folders that holds the classes."""
        counts = Counter(folders_of(name, root) for name in names)
        if (level_found := class_level(counts)) is None:
            return
        classes = {f[at] for f, at in level_found.positions.items() if at is not None}
        below = {f[at + 1 :] for f, at in level_found.positions.items() if at is not None}
        level, skip = 1, sorted({name for path in below for name in path})
        if len({len(path) for path in below}) == 1:
            level, skip = 1 + len(next(iter(below))), []
        elif len(skip) > MOST_SKIPPED or classes.intersection(skip):
            return
        plain = cls(level, skip)
        top = root if names[0].is_relative_to(root) else Path()
        unlabelled = {
            plain._counted(top.joinpath(*f, "x")).name for f, at in level_found.positions.items() if at is None
        }
        ignore = sorted(unlabelled - classes - {""})
        options = {"level": level} if level > 1 else {"skip": skip} if skip else {}
        yield Proposal(
            options | ({"ignore": ignore} if ignore else {}),
            0.8 * level_found.share,
            f"labels from the folders {_where(below)}: {some(sorted(classes))}"
            + (f"; photos in {some(ignore)} have none" if ignore else ""),
        )

    def _found(self, path: Path | str) -> tuple[PurePath, str]:
        """The folder that names the label, and the label; raises BadInput."""
        folder = self._counted(path if isinstance(path, PurePath) else PurePath(path))
        name = folder.name
        if not name:
            raise BadInput(
                f"{quoted(str(path))} is not in a folder that could name it; put each class into its own folder."
            )
        if name in self.ignore:
            raise BadInput(f"The folder {quoted(name)} is not a label; move its photos into class folders.")
        return folder, name

    def _counted(self, path: PurePath) -> PurePath:
        folder, left = path.parent, self.level
        if left == 1 and not self.skip:  # as nearly always
            return folder
        while folder.name:
            left -= folder.name not in self.skip
            if not left:
                break
            folder = folder.parent
        return folder


def _where(below: set[tuple[str, ...]]) -> str:
    names = sorted({path[0] for path in below if path})
    if not names:
        return "that the photos lie in"
    return f"above {some([repr(name) for name in names], 3)}"
