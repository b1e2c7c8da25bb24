"""Labelled photos before any transform, as `DataBlock.datasets` returns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.files import Files
from core.data.pil_image import PILImage
from core.data.split import Split


@dataclass(frozen=True)
class Dataset(Sequence[tuple[PILImage, int]]):
    """One side of a split; `dataset[0]` is (photo, index of its class). Raises BadPhoto."""

    items: Sequence[Path]
    targets: Sequence[int]
    vocab: Sequence[str]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Dataset(self.items[index], self.targets[index], self.vocab)
        return PILImage.create(self.items[index]), self.targets[index]


@dataclass(frozen=True)
class Datasets:
    """The training and validation datasets, and the class names."""

    train: Dataset
    valid: Dataset
    vocab: list[str]


def datasets_of(split: Split) -> Datasets:
    """The training and validation datasets of a split."""
    index = {name: i for i, name in enumerate(split.vocab)}
    train, valid = (
        Dataset(Files.of(split.items).take(side), [index[split.labels[i]] for i in side], split.vocab)
        for side in (split.train, split.valid)
    )
    return Datasets(train, valid, split.vocab)
