"""Labels from folder names: `cats/1.jpg` is labelled `cats`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from os.path import commonprefix
from pathlib import Path, PurePath
from typing import Annotated, Any

from core.data.levels import Level, class_levels
from core.data.proposals import Proposal, folders_of
from core.data.text import some
from core.data.words import is_wrapper, sides
from core.errors import BadInput, quoted
from core.registry import Range, labellers

__all__ = ["FolderLabeller", "parent_label"]

MOST_SKIPPED, MOST_CLASSES = 50, 1000  # folder names that a proposed recipe lists


def parent_label(o: Path | str) -> str:
    """The name of the parent folder of `o`."""
    return (Path(o) if isinstance(o, str) else o).parent.name


@labellers.register("folder")
class FolderLabeller:
    """Labels a photo with the name of its parent folder, or of a folder above it."""

    title = "The folder"

    def __init__(
        self,
        level: Annotated[int, "1 is the photo's parent folder, 2 the folder above it", Range(1, 20)] = 1,
        skip: Annotated[Sequence[str], "Folder names to skip when counting levels, such as images"] = (),
        ignore: Annotated[Sequence[str], "Folder names that are not labels, such as test"] = (),
        classes: Annotated[Sequence[str], "Folder names that are labels; empty: all"] = (),
    ) -> None:
        self.level, self.skip, self.ignore = level, frozenset(skip), frozenset(ignore)
        self.classes = frozenset(classes)

    def __call__(self, path: Path | str) -> str:
        return self._found(path)[1]

    def span(self, path: Path | str) -> tuple[str, int, int]:
        """The path from the label's folder down, and where the label starts and ends in it; raises BadInput."""
        folder, label = self._found(path)
        return f"{label}/{PurePath(path).relative_to(folder).as_posix()}", 0, len(label)

    def remarks(self, names: Sequence[Path]) -> list[str]:
        """Warnings about labels that merge folders of the same name, apart from train and validation folders."""
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
                joined.append(f"the label {label!r} merges the folders of that name in {above}")
        return joined

    @classmethod
    def proposes(cls, names: Sequence[Path], root: Path) -> Iterator[Proposal]:
        """Proposes each level of folders that could be the classes."""
        counts = Counter(folders_of(name, root) for name in names)
        top = root if names[0].is_relative_to(root) else Path()
        for n, level in enumerate(class_levels(counts)):
            likely = 0.8 if n == 0 else 0.4 if level.only_parts else 0.7
            yield cls._proposal(level, top, likely * level.share)

    @classmethod
    def _proposal(cls, found: Level, top: Path, score: float) -> Proposal:
        below = {f[at + 1 :] for f, at in found.positions.items() if at is not None}
        skip = sorted({name for path in below for name in path})
        options: dict[str, Any] = {}
        if len({len(path) for path in below}) == 1:
            options = {"level": 1 + len(next(iter(below)))} if skip else {}
        elif len(skip) <= MOST_SKIPPED and found.names.isdisjoint(skip):
            options = {"skip": skip}
        elif len(found.names) <= MOST_CLASSES:
            options = {"classes": sorted(found.names)}
        else:
            classes, others = some(sorted(found.names)), some(skip)
            return Proposal({}, 0, f"the folders {classes} have photos at several depths below, in {others}")
        plain = cls(**options)
        unlabelled = {plain._counted(top.joinpath(*f, "x")).name for f, at in found.positions.items() if at is None}
        ignore = sorted(unlabelled - found.names - {""})
        inner = sorted(found.names.intersection(skip))
        return Proposal(
            options | ({"ignore": ignore} if ignore else {}),
            score,
            f"labels from the folders {_where(below)}: {some(sorted(found.names))}"
            + "".join(f"; {name!r} is a class, by the folders beside it" for name in _like_no_class(found.names))
            + (f"; {some(inner)} inside another class folder is the label of its photos" if inner else "")
            + (f"; photos in {some(ignore)} have no label" if ignore else ""),
        )

    def _found(self, path: Path | str) -> tuple[PurePath, str]:
        """The folder that names the label, and the label; raises BadInput."""
        folder = self._counted(path if isinstance(path, PurePath) else PurePath(path))
        name = folder.name
        if not name:
            raise BadInput(
                f"{quoted(str(path))} is not in a folder that could be its label; put each class into its own folder."
            )
        if name in self.ignore:
            raise BadInput(f"The folder {quoted(name)} is not a label; move its photos into class folders.")
        return folder, name

    def _counted(self, path: PurePath) -> PurePath:
        folder, left = path.parent, self.level
        if left == 1 and not self.skip and not self.classes:  # the usual case
            return folder
        while folder.name:
            left -= folder.name in self.classes if self.classes else folder.name not in self.skip
            if not left:
                break
            folder = folder.parent
        return folder


def _like_no_class(names: Collection[str]) -> list[str]:
    return sorted(sides(names).keys() | set(filter(is_wrapper, names)))


def _where(below: set[tuple[str, ...]]) -> str:
    names = sorted({path[0] for path in below if path})
    if not names:
        return "that the photos lie in"
    return f"above {some([repr(name) for name in names], 3)}"
