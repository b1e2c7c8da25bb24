"""What people said about photos: labels, what to leave out, what is right or the same, and renamed labels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import Any

Act = Mapping[str, Any]  # one line of the journal


@dataclass(frozen=True)
class Corrections:
    """The corrections in force, by the content of the photos, as `core.data.content.digest` gives it.

    `labels` are the photos' labels by a person, "" for a label taken away; `renamed` maps labels of the labeller.
    `first` are the first labels that a person gave to photos, in their order.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    first: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    not_trained: frozenset[str] = frozenset()  # left out of training, but not of validation
    right: frozenset[str] = frozenset()
    same: frozenset[tuple[str, str]] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, acts: Iterable[Act]) -> Corrections:
        """The corrections that these acts make, in their order."""
        acts = list(acts)
        labels, renamed = _labels_of(acts)
        first: dict[str, str] = {}
        left_out, not_trained, right = set[str](), set[str](), set[str]()
        same: set[tuple[str, str]] = set()
        for act in acts:
            photos = act.get("photos", ())
            match act["act"]:
                case "label":
                    if act["label"]:
                        for photo in photos:
                            first.setdefault(photo, act["label"])
                    (right.update if act.get("right") else right.difference_update)(photos)
                case "leave_out":
                    left_out.update(photos)
                case "leave_out_of_training":
                    not_trained.update(photos)
                case "take_back":
                    left_out.difference_update(photos)
                    not_trained.difference_update(photos)
                case "right":
                    right.update(photos)
                case "same":
                    same.add((min(photos), max(photos)))
        return cls(
            labels, first, frozenset(left_out), frozenset(not_trained), frozenset(right), frozenset(same), renamed
        )

    def __bool__(self) -> bool:
        return any((self.labels, self.left_out, self.not_trained, self.right, self.same, self.renamed))

    @property
    def by_content(self) -> bool:
        """Whether labels, the choice of photos or their split depend on their content, so that it has to be read."""
        return bool(self.labels or self.left_out or self.not_trained or self.same)

    def label_of(self, content: str, found: str) -> str:
        """The label of a photo for which the labeller `found` a label, or "" if it has none."""
        return self.labels[content] if content in self.labels else self.renamed.get(found, found)

    def acts(self) -> list[dict[str, Any]]:
        """The fewest acts that make these corrections, always in the same order."""
        acts: list[dict[str, Any]] = []
        if self.renamed:
            acts.append({"act": "rename", "labels": dict(sorted(self.renamed.items()))})
        for label, photos in groupby(self.first, self.first.__getitem__):
            acts.append({"act": "label", "label": label, "photos": list(photos)})
        later = sorted((label, photo) for photo, label in self.labels.items() if label != self.first.get(photo))
        for label, pairs in groupby(later, lambda pair: pair[0]):
            acts.append({"act": "label", "label": label, "photos": [photo for _, photo in pairs]})
        for act, chosen in (
            ("leave_out", self.left_out),
            ("leave_out_of_training", self.not_trained),
            ("right", self.right),
        ):
            acts += [{"act": act, "photos": sorted(chosen)}] if chosen else []
        return acts + [{"act": "same", "photos": list(pair)} for pair in sorted(self.same)]

    def text(self) -> str:
        """The acts as lines of JSON, which `journal.acts_of` reads, and the SHA-256 of these lines as the last one."""
        lines = "".join(line_of(act) for act in self.acts())
        return lines + line_of({"sha256": sha256(lines.encode()).hexdigest()})


def is_whole(text: str) -> bool:
    """Whether a text that `Corrections.text` wrote is as it was written."""
    lines, _, last = text.rstrip("\n").rpartition("\n")
    return last == line_of({"sha256": sha256(f"{lines}\n".encode()).hexdigest()}).rstrip("\n")


def _labels_of(acts: Sequence[Act]) -> tuple[dict[str, str], dict[str, str]]:
    """The labels of photos, and what labels of the labeller are called now.

    From the last act to the first, so that each costs only what it says, however many labels and renames there are.
    """
    labels: dict[str, str] = {}
    now: dict[str, str] = {}  # what a label at this point is called in the end
    for act in reversed(acts):
        if act["act"] == "label":
            label: str = act["label"]
            name = now.get(label, label)
            for photo in act["photos"]:
                labels.setdefault(photo, name)
        elif act["act"] == "rename":
            now |= {old: now.get(new, new) for old, new in act["labels"].items()}
    return labels, {old: new for old, new in now.items() if old != new}


def line_of(act: Act) -> str:
    """One line of JSON."""
    return json.dumps(act, separators=(",", ":")) + "\n"


@dataclass(frozen=True)
class Corrected:
    """How many photos of a data set a person labelled that had no label, relabelled, and left out."""

    labelled: int = 0
    relabelled: int = 0
    left_out: int = 0

    def sentences(self) -> list[str]:
        """What a person did, in one sentence each."""
        said = (
            (self.labelled, "1 photo was labelled by hand", "{:,} photos were labelled by hand"),
            (self.relabelled, "1 label was changed by a person", "{:,} labels were changed by a person"),
            (self.left_out, "1 photo was left out by a person", "{:,} photos were left out by a person"),
        )
        return [f"{(one if n == 1 else many).format(n)}." for n, one, many in said if n]
