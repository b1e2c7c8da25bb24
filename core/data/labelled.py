"""The photos of a data set with the labels of the labeller and of people, and their split."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from core.data.corrections import Corrected, Corrections
from core.data.files import Files
from core.data.journal import Journal
from core.data.labelling import labels_of
from core.data.reading import contents_of
from core.data.split import Split, Splitter, sides
from core.events import Checked

LEFT_OUT, TAKEN_AWAY = "left out by you", "you took its label away"


@dataclass(frozen=True)
class Labelled:
    """Photos with the label, or "", that the labeller found for each, and what people said about them.

    `names` are the photos' names as splitters get them; `contents` may be empty if `corrections.by_content` is false.
    `reasons` says why the labeller found no label for a file.
    """

    items: Files
    names: Files
    found: list[str]
    corrections: Corrections
    contents: Sequence[str] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def labels(self) -> list[str]:
        """The label of each photo, or ""."""
        if not self.corrections:
            return self.found
        return [self.corrections.label_of(content, found) for content, found in self._photos()]

    @cached_property
    def left_out(self) -> set[int]:
        """The photos that a person left out."""
        return {i for i, content in enumerate(self.contents) if content in self.corrections.left_out}

    @property
    def wanted(self) -> list[int]:
        """The photos that take part in the split: those with a label, even if a person has taken it away."""
        return [i for i, label in enumerate(self.labels) if label or self.found[i]]

    @property
    def unlabelled(self) -> list[int]:
        """The photos that have no label and were not left out."""
        return [i for i, label in enumerate(self.labels) if not label and i not in self.left_out]

    @property
    def unused(self) -> dict[str, str]:
        """Why files without a label, and those that a person left out, are not used."""
        without = {str(self.items[i]): TAKEN_AWAY for i in self.unlabelled}
        found = {file: self.reasons.get(file, reason) for file, reason in without.items()}
        return found | {str(self.items[i]): LEFT_OUT for i in sorted(self.left_out)}

    def corrected(self, used: Iterable[int]) -> Corrected:
        """What people changed of the photos that are used, and how many they left out."""
        labelled = changed = 0
        for i in used:
            if self.contents and self.contents[i] in self.corrections.labels:
                found = self.found[i]
                labelled += not found
                changed += bool(found) and self.labels[i] != self.corrections.renamed.get(found, found)
        return Corrected(labelled, changed, len(self.left_out))

    def kept(self, photos: Iterable[int]) -> list[int]:
        """Those of the photos that are labelled and not left out."""
        return [i for i in photos if self.labels[i] and i not in self.left_out]

    def split(self, splitter: Splitter | None, photos: Sequence[int], every: bool = False) -> Split:
        """Split those of these photos that are `kept`, or `every` one; a split of too few, or of none, is not refused.

        A photo stays in training or validation when its label changes or other photos are left out.
        """
        train, valid = self._sides(splitter, photos) if splitter else ([], [])
        kept = photos if every else self.kept(photos)
        place = {photo: i for i, photo in enumerate(kept)}
        if self.corrections.not_trained:
            train = [i for i in train if self.contents[i] not in self.corrections.not_trained]
        train, valid = ([place[i] for i in side if i in place] for side in (train, valid))
        return Split(self.items.take(kept), [self.labels[i] for i in kept], train, valid)

    def _sides(self, splitter: Splitter, photos: Sequence[int]) -> tuple[list[int], list[int]]:
        share = getattr(splitter, "valid_pct", None)
        if share is None or not self.corrections:
            contents = self.contents or [""] * len(self.found)
            first = [self.corrections.first.get(content, "") for content in contents]
            labels = [found or given for found, given in zip(self.found, first, strict=True)]  # before any change
            chosen, by_hand = photos, dict[int, bool]()
        else:  # a random splitter would draw others: it gets what the labeller found, as it did without corrections
            labels, chosen = self.found, [i for i in photos if self.found[i]]
            by_hand = self._by_hand(share)
        train, valid = self._divide(splitter, chosen, [labels[i] for i in chosen]) if chosen else ([], [])
        there = set(photos)
        return (
            [*(chosen[i] for i in train), *(i for i, is_valid in by_hand.items() if not is_valid and i in there)],
            [*(chosen[i] for i in valid), *(i for i, is_valid in by_hand.items() if is_valid and i in there)],
        )

    def _divide(self, splitter: Splitter, photos: Sequence[int], labels: list[str]) -> tuple[list[int], list[int]]:
        return sides(splitter, self.names.take(photos), labels, self.items.take(photos), self._same(photos))

    def _same(self, photos: Sequence[int]) -> list[tuple[int, int]]:
        """The places in `photos` of those that a person called the same."""
        places: dict[str, list[int]] = {}
        for place, i in enumerate(photos if self.corrections.same else ()):
            places.setdefault(self.contents[i], []).append(place)
        alike = ([*places.get(one, ()), *places.get(other, ())] for one, other in sorted(self.corrections.same))
        return [(first, place) for first, *others in filter(None, alike) for place in others]

    def _by_hand(self, share: float) -> dict[int, bool]:
        """For photos that only people labelled, in the order of their first labels: whether they are for validation.

        Each label has this share of them in validation, by the first labels, so that later photos change none.
        """
        places: dict[str, list[int]] = {}
        for i, (content, found) in enumerate(self._photos()):
            if not found and content in self.corrections.first:
                places.setdefault(content, []).append(i)
        sides: dict[int, bool] = {}
        counts: dict[str, tuple[int, int]] = {}
        for content, label in self.corrections.first.items():
            if content in places:
                n, valid = counts.get(label, (0, 0))
                is_valid = valid < min(max(1, round(share * (n + 1))), n)
                counts[label] = n + 1, valid + is_valid
                sides |= dict.fromkeys(places[content], is_valid)
        return sides

    def _photos(self) -> Iterable[tuple[str, str]]:
        return zip(self.contents or [""] * len(self.found), self.found, strict=True)


def read_labels(
    items: Iterable[Path],
    labeller: Callable[[Path], str],
    workspace: Path,
    original: Callable[[Path], Path] | None = None,
    corrections: Corrections | None = None,
) -> Generator[Checked, None, Labelled]:
    """The photos with their labels, read through the `corrections`, by default those of the workspace's journal.

    Labellers and splitters get the `original` path of each photo. Photos are only read if corrections name some.
    """
    corrections = Journal(workspace).corrections if corrections is None else corrections
    items = Files.of(items)
    names = Files.of(map(original, items)) if original else items
    found, reasons = labels_of(items, names, labeller)
    contents = (yield from contents_of(items, workspace)) if corrections.by_content else []
    return Labelled(items, names, found, corrections, contents, reasons)
