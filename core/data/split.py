"""Labelled photos, divided into training and validation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput


@dataclass(frozen=True)
class Split:
    """Labelled items, divided: indices of training and of validation, and those in neither."""

    items: list[Path]
    labels: list[str]
    train: list[int]
    valid: list[int]

    @property
    def vocab(self) -> list[str]:
        """The classes of training and validation, sorted."""
        return sorted({self.labels[i] for i in (*self.train, *self.valid)})

    @property
    def left_out(self) -> list[Path]:
        """Items that the splitter put on neither side."""
        used = {*self.train, *self.valid}
        return [item for i, item in enumerate(self.items) if i not in used]


def divide(
    splitter: Callable[..., tuple[Sequence[int], Sequence[int]]],
    items: Sequence[Any],
    labels: list[str],
    files: list[Path] | None = None,
) -> Split:
    """Split labelled items; raises BadInput unless there are two classes and photos on both sides."""
    takes_labels = len(inspect.signature(splitter).parameters) > 1
    train, valid = splitter(items, labels) if takes_labels else splitter(items)
    split = Split(files or [Path(i) for i in items], labels, [int(i) for i in train], [int(i) for i in valid])
    if len({*split.train, *split.valid}) < len(split.train) + len(split.valid):
        raise BadInput("The splitter puts a photo into training and validation, or twice into one of them.")
    if len(split.vocab) < 2:
        raise BadInput(
            f"There is one class only, {split.vocab[0]!r}; a classifier needs two." if split.vocab else "No photos."
        )
    for side, indices in (("training", split.train), ("validation", split.valid)):
        if not indices:
            raise BadInput(f"The split leaves no photos for {side}; use another splitter or add photos.")
    return split
