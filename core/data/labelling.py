"""The labels that a labeller gives to photos, and why others get none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from core.data.split import LONGEST_LABEL
from core.errors import BadInput, quoted


def label_all(
    items: Sequence[Path], labeller: Callable[[Path], str], original: Callable[[Path], Path]
) -> tuple[dict[Path, str], dict[str, str]]:
    """The labels of the items, and why others have none; labellers get the `original` path of each."""
    labels, unlabelled = labels_of(items, map(original, items), labeller)
    return {item: label for item, label in zip(items, labels, strict=True) if label}, unlabelled


def labels_of(
    items: Iterable[Path], names: Iterable[Path], labeller: Callable[[Path], str]
) -> tuple[list[str], dict[str, str]]:
    """One label per item, "" if it has none, and the reasons for those without one."""
    shared: dict[str, str] = {}  # one str per class, not per photo
    labels: list[str] = []
    unlabelled: dict[str, str] = {}
    for item, name in zip(items, names, strict=True):
        try:
            label = labeller(name)
        except BadInput as error:
            label, reason = "", str(error).removesuffix(".")  # it becomes part of a sentence
        else:
            reason = f"its label would be {quoted(label)}, but labels have 1 to {LONGEST_LABEL:,} characters"
        if not isinstance(label, str) or not 0 < len(label) <= LONGEST_LABEL:
            unlabelled[str(item)], label = reason, ""
        labels.append(shared.setdefault(label, label))
    return labels, unlabelled
