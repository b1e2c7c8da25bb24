"""The split is in the folders: `train/cat/1.jpg`, `valid/cat/2.jpg`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from core.data.files import Files
from core.data.text import some
from core.errors import BadInput
from core.registry import splitters

TRAIN = frozenset(("train", "training"))
VALID = frozenset(("valid", "validation", "val"))
VALID_OR_TEST = VALID | {"test"}


@splitters.register("grandparent")
class GrandparentSplitter:
    """The folder above the class folder says it: train/CLASS/photo or valid/CLASS/photo; other photos are left out."""

    def __init__(
        self,
        train_name: Annotated[str, "Folder of the training photos; 'train' takes 'training' too"] = "train",
        valid_name: Annotated[str, "Folder of the validation photos; empty: valid, validation or val, else test"] = "",
    ) -> None:
        self.train_name, self.valid_name = train_name, valid_name

    def __call__(self, items: Sequence[Path], labels: Sequence[str] | None = None) -> tuple[list[int], list[int]]:
        names = [item.parent.parent.name for item in Files.of(items)]
        folded = {name: name.casefold() for name in set(names)}
        train = TRAIN if self.train_name.casefold() in ("", "train") else frozenset((self.train_name.casefold(),))
        if self.valid_name:
            valid = frozenset((self.valid_name.casefold(),))
        else:  # a test set is left untouched where there is another choice
            valid = VALID_OR_TEST if VALID.isdisjoint(folded.values()) else VALID
        train_indices = [i for i, name in enumerate(names) if folded[name] in train]
        valid_indices = [i for i, name in enumerate(names) if folded[name] in valid]
        for purpose, wanted, found in (("training", train, train_indices), ("validation", valid, valid_indices)):
            if not found:
                raise BadInput(
                    f"No photo for {purpose} lies in {some([' or '.join(sorted(wanted))])}/CLASS/; "
                    f"the folders that hold the class folders are: {some(sorted(folded.keys() - {''}), 10) or 'none'}."
                )
        return train_indices, valid_indices
