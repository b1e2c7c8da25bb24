"""Labelled photos split into training and validation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from core.data.files import Files
from core.errors import BadInput

LONGEST_LABEL = 1000  # characters
Splitter = Callable[..., tuple[Sequence[int], Sequence[int]]]


@dataclass(frozen=True)
class Split:
    """Labelled items with the indices for training and validation; some may be in neither.

    `classes` is the vocab, if it is not the labels in alphabetical order.
    """

    items: Sequence[Path]
    labels: list[str]
    train: list[int]
    valid: list[int]
    classes: Sequence[str] = ()

    @cached_property
    def vocab(self) -> list[str]:
        """`classes`, or the sorted labels of training and validation."""
        return list(self.classes) or sorted({self.labels[i] for i in chain(self.train, self.valid)})

    @property
    def left_out(self) -> list[Path]:
        """Items that are in neither training nor validation."""
        return [self.items[i] for i, used in enumerate(self.used()) if not used]

    def used(self) -> bytearray:
        """One byte per item: 1 if it is in training or validation, 0 if in neither."""
        used = bytearray(len(self.items))
        for i in chain(self.train, self.valid):
            used[i] = 1
        return used


def divide(
    splitter: Splitter, items: Sequence[Any], labels: list[str], files: Iterable[Path | str] | None = None
) -> Split:
    """Split labelled items; raises BadInput unless there are two classes and photos on both sides."""
    photos = Files.of(items if files is None else files)
    return checked(Split(photos, labels, *sides(splitter, items, labels, photos)))


def sides(
    splitter: Splitter,
    items: Sequence[Any],
    labels: list[str],
    files: Iterable[Path | str] | None = None,
    same: Sequence[tuple[int, int]] = (),
) -> tuple[list[int], list[int]]:
    """The indices for training and validation that a splitter gives.

    If it takes them, it also gets the labels, the photos' files, which have other names than the items if they are
    from a zip, and the pairs of items that a person called the `same`.
    """
    takes = len(inspect.signature(splitter).parameters)
    given = items, labels, Files.of(items if files is None else files), same
    train, valid = splitter(*given[:takes])
    return list(map(int, train)), list(map(int, valid))


def checked(split: Split) -> Split:
    """The split; raises BadInput if a photo is on both sides, or if it is too little for training."""
    if sum(split.used()) < len(split.train) + len(split.valid):
        raise BadInput("The splitter puts a photo in both training and validation, or in one of them twice.")
    if (longest := max(map(len, split.vocab), default=0)) > LONGEST_LABEL:
        raise BadInput(f"A label has {longest:,} characters; give labels of at most {LONGEST_LABEL:,}.")
    if reason := too_little(split):
        raise BadInput(reason)
    return split


def too_little(split: Split) -> str:
    """Why a split has too little for training, two classes and photos on both sides, as a sentence, or ""."""
    if len(split.vocab) < 2:
        one = "There is only one class, {!r}; a classifier needs two."
        return one.format(split.vocab[0]) if split.vocab else "No photo has a label yet."
    for side, indices in (("training", split.train), ("validation", split.valid)):
        if not indices:
            return f"The split leaves no photos for {side}; use another splitter or add photos."
    return ""
