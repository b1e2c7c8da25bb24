"""A split from the folders above the class folders: `train/cat/1.jpg`, `valid/cat/2.jpg`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from core.data.files import Files
from core.data.proposals import Proposal, folders_of
from core.data.text import some
from core.data.words import test_remarks
from core.errors import BadInput
from core.registry import splitters

TRAIN = frozenset(("train", "training"))
VALID = frozenset(("valid", "validation", "val"))
VALID_OR_TEST = VALID | {"test"}


@splitters.register("grandparent")
class GrandparentSplitter:
    """Splits by the folder above the class folder: train/CLASS/ or valid/CLASS/; other photos are left out."""

    title = "Folders above the labels"

    def __init__(
        self,
        train_name: Annotated[str, "Folder of the training photos; 'train' also matches 'training'"] = "train",
        valid_name: Annotated[str, "Folder of the validation photos; empty: valid, validation or val, else test"] = "",
    ) -> None:
        self.train_name, self.valid_name = train_name, valid_name

    def __call__(self, items: Sequence[Path], labels: Sequence[str] | None = None) -> tuple[list[int], list[int]]:
        names = [item.parent.parent.name for item in Files.of(items)]
        folded = {name: name.casefold() for name in set(names)}
        train = TRAIN if self.train_name.casefold() in ("", "train") else frozenset((self.train_name.casefold(),))
        if self.valid_name:
            valid = frozenset((self.valid_name.casefold(),))
        else:  # a test set is left untouched if there is another choice
            valid = VALID_OR_TEST if VALID.isdisjoint(folded.values()) else VALID
        train_indices = [i for i, name in enumerate(names) if folded[name] in train]
        valid_indices = [i for i, name in enumerate(names) if folded[name] in valid]
        for purpose, wanted, found in (("training", train, train_indices), ("validation", valid, valid_indices)):
            if not found:
                raise BadInput(
                    f"No photo for {purpose} is in {some([' or '.join(sorted(wanted))])}/CLASS/; "
                    f"the folders that hold the class folders are: {some(sorted(folded.keys() - {''}), 10) or 'none'}."
                )
        return train_indices, valid_indices

    def remarks(self, names: Sequence[Path]) -> list[str]:
        """A warning if a test set is used for validation."""
        above = {name.parent.parent.name for name in names}
        by_default = not self.valid_name and VALID.isdisjoint(name.casefold() for name in above)
        return test_remarks([name for name in above if name.casefold() == "test"] if by_default else [])

    @classmethod
    def proposes(cls, names: Sequence[Path], root: Path) -> Iterator[Proposal]:
        """Proposes itself if every photo is in train/CLASS/ or valid/CLASS/."""
        folders = {folders_of(parent / "x", root) for parent in {name.parent for name in names}}
        above = {found[-2].casefold() if len(found) > 1 else "" for found in folders}
        if above & TRAIN and above & VALID_OR_TEST and above <= TRAIN | VALID_OR_TEST:
            yield Proposal({}, 0.85, "the folders above the class folders give training and validation")
