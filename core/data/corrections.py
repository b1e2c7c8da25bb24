"""What people said about photos: labels, what to leave out, what is right or the same, and renamed labels."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

Act = Mapping[str, Any]  # one line of the journal


@dataclass(frozen=True)
class Corrections:
    """The corrections in force, by the content of the photos, as `core.data.content.digest` gives it.

    `labels` are the photos' labels by a person, "" for a label taken away; `renamed` maps labels of the labeller.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    right: frozenset[str] = frozenset()
    same: frozenset[tuple[str, str]] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, acts: Iterable[Act]) -> Corrections:
        """The corrections that these acts make, in their order."""
        labels: dict[str, str] = {}
        renamed: dict[str, str] = {}
        left_out, right = set[str](), set[str]()
        same: set[tuple[str, str]] = set()
        for act in acts:
            photos = act.get("photos", ())
            match act["act"]:
                case "label":
                    labels |= dict.fromkeys(photos, act["label"])
                    (right.update if act.get("right") else right.difference_update)(photos)
                case "leave_out":
                    left_out.update(photos)
                case "take_back":
                    left_out.difference_update(photos)
                case "right":
                    right.update(photos)
                case "same":
                    same.add((min(photos), max(photos)))
                case "rename":
                    to = act["labels"]
                    labels = {photo: to.get(label, label) for photo, label in labels.items()}
                    before = {name: renamed.get(name, name) for name in renamed.keys() | to.keys()}
                    after = {name: to.get(label, label) for name, label in before.items()}
                    renamed = {name: label for name, label in after.items() if name != label}
        return cls(labels, frozenset(left_out), frozenset(right), frozenset(same), renamed)

    def __bool__(self) -> bool:
        return any((self.labels, self.left_out, self.right, self.same, self.renamed))

    @property
    def by_content(self) -> bool:
        """Whether labels or the choice of photos depend on their content, so that it has to be read."""
        return bool(self.labels or self.left_out)

    def label_of(self, content: str, found: str) -> str:
        """The label of a photo for which the labeller `found` a label, or "" if it has none."""
        return self.labels[content] if content in self.labels else self.renamed.get(found, found)

    def changed(self, contents: Sequence[str], found: Sequence[str]) -> int:
        """How many photos have another label than the labeller `found`."""
        return sum(self.label_of(*photo) != photo[1] for photo in zip(contents, found, strict=True))

    def acts(self) -> list[dict[str, Any]]:
        """The fewest acts that make these corrections, always in the same order."""
        by_label = defaultdict[str, list[str]](list)
        for photo, label in self.labels.items():
            by_label[label].append(photo)
        acts: list[dict[str, Any]] = []
        if self.renamed:
            acts.append({"act": "rename", "labels": dict(sorted(self.renamed.items()))})
        acts += [{"act": "label", "label": label, "photos": sorted(by_label[label])} for label in sorted(by_label)]
        for act, photos in (("leave_out", self.left_out), ("right", self.right)):
            acts += [{"act": act, "photos": sorted(photos)}] if photos else []
        return acts + [{"act": "same", "photos": list(pair)} for pair in sorted(self.same)]

    def text(self) -> str:
        """The acts as lines of JSON, which `journal.acts_of` reads."""
        return "".join(line_of(act) for act in self.acts())

    @property
    def digest(self) -> str:
        """The SHA-256 of the text, or "" without corrections."""
        return sha256(self.text().encode()).hexdigest() if self else ""


def line_of(act: Act) -> str:
    """One line of JSON."""
    return json.dumps(act, separators=(",", ":")) + "\n"
