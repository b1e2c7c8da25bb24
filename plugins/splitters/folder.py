"""A split from folders at any level: `train/cat/1.jpg`, `cat/val/2.jpg`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from os.path import commonprefix
from pathlib import Path
from typing import Annotated

from core.data.files import Files
from core.data.levels import class_like
from core.data.proposals import Proposal, folders_of
from core.data.text import some
from core.data.words import TEST, TRAIN, VALID, sides, test_remarks
from core.errors import BadInput
from core.registry import splitters


@splitters.register("folder")
class FolderSplitter:
    """Splits by the nearest folder above a photo that has one of the given names; other photos are left out."""

    title = "Folders such as train and valid"

    def __init__(
        self,
        valid: Annotated[Sequence[str], "Folder names whose photos are for validation"] = ("valid",),
        train: Annotated[Sequence[str], "Folder names whose photos are for training"] = ("train",),
    ) -> None:
        self.valid, self.train = tuple(valid), tuple(train)

    def __call__(self, items: Sequence[Path], labels: Sequence[str] | None = None) -> tuple[list[int], list[int]]:
        parents = [item.parent for item in Files.of(items)]
        folders = set(parents)
        common = len(commonprefix([folder.parts for folder in folders]))  # noqa: RUF071, of tuples
        sides = self._sides(folders, common)
        if not any(sides.values()):
            sides = self._sides(folders, 0)
        of = [sides[parent] for parent in parents]
        train_indices = [i for i, name in enumerate(of) if name in self.train]
        valid_indices = [i for i, name in enumerate(of) if name in self.valid]
        for purpose, wanted, found in (
            ("training", self.train, train_indices),
            ("validation", self.valid, valid_indices),
        ):
            if not found:
                raise BadInput(
                    f"No photo for {purpose} is in a folder {some(wanted) or '(no name given)'}; choose another name."
                )
        return train_indices, valid_indices

    def _sides(self, folders: Iterable[Path], begin: int) -> dict[Path, str]:
        """The nearest `train` or `valid` name in each folder's path, ignoring its first `begin` parts; "" if none."""
        known = {*self.valid, *self.train}
        return {folder: next((n for n in reversed(folder.parts[begin:]) if n in known), "") for folder in folders}

    def remarks(self, names: Sequence[Path]) -> list[str]:
        """A warning if a test set is used for validation."""
        return test_remarks(self.valid)

    @classmethod
    def proposes(cls, names: Sequence[Path], root: Path) -> Iterator[Proposal]:
        """Proposes folders named like a split: train, valid, test and the like."""
        folders = {folders_of(parent / "x", root) for parent in {name.parent for name in names}}
        split = sides({name for found in folders for name in found})
        classes = class_like(folders)
        above = {found[:-1] if found in classes else found for found in folders}
        nearest = {next((name for name in reversed(found) if name in split), "") for found in above} - {""}
        if nearest & {path[-1] for path in classes}:  # a class of that name would be taken for a split
            return
        found = {side: sorted(n for n in nearest if split[n] == side) for side in (TRAIN, VALID, TEST)}
        valid = found[VALID] or found[TEST]
        if found[TRAIN] and valid:
            reason = f"{some(valid)} for validation and {some(found[TRAIN])} for training, by the names of the folders"
            yield Proposal({"valid": valid, "train": found[TRAIN]}, 0.8, reason)
