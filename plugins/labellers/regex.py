r"""Labels from file names: with `(.+)_\d+\.jpg$`, `great_pyrenees_173.jpg` is labelled `great_pyrenees`."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import regex

from core.data.pattern import Pattern
from core.data.proposals import Proposal, folders_of
from core.data.text import some
from core.data.words import AFFIXES, DEVICES, SIDES, TEST, sides, tokens
from core.errors import BadInput, quoted
from core.registry import labellers

PATTERNS = (
    r"(.+)_\d+\.\w+$",
    r"(.+?)[ ._-]*\(?\d+\)?\.\w+$",
    r"([^\W\d_].*?)[ ._-]*\(?\d+\)?\.\w+$",
    r"^\d+[ ._-]+([^\W\d_].*)\.\w+$",
    r"(.+?)[ ._-][0-9a-f]{6,}\.\w+$",
    r"^([^\W\d_][^\W\d_][^\W\d_]+)[\W_]?\d.*$",
)  # candidates for a proposal
LABELLED, REPEATED = 0.9, 0.8  # a proposed pattern labels this share of photos; this share of labels repeats


@labellers.register("regex")
class RegexLabeller:
    """Labels a photo with the part of its file name that a pattern finds."""

    title = "The name of the file"

    def __init__(
        self,
        pattern: Annotated[str, "Regular expression; its first group is the label"] = r"(.+)_\d+\.\w+$",
        match: Annotated[bool, "The pattern must match from the start of the name"] = False,
        part: Annotated[Literal["name", "path"], "Search only the file name, or the whole path"] = "name",
    ) -> None:
        self.pattern, self.part = pattern, part
        self._search = Pattern(pattern, match).search

    def __call__(self, path: Path | str) -> str:
        return self._found(self._text(path))[1]

    def span(self, path: Path | str) -> tuple[str, int, int]:
        """The text that is searched, and where the label starts and ends in it; raises BadInput."""
        text = self._text(path)
        return text, *self._found(text).span(1)

    @classmethod
    def proposes(cls, names: Sequence[Path], root: Path) -> Iterator[Proposal]:
        """Proposes the first pattern that finds labels in nearly all names outside test folders."""
        parents = {name.parent: folders_of(name, root) for name in names}
        split = sides({folder for folders in parents.values() for folder in folders})
        test = {parent for parent, folders in parents.items() if any(split.get(f) == TEST for f in folders)}
        scored = [name.name for name in names if name.parent not in test]
        rest = [name.name for name in names if name.parent in test]
        paths = [name.as_posix() for name in names]
        for pattern in _patterns_of_sides(split):
            labeller = cls(pattern, part="path")
            if labels := _labels(labeller, paths):
                reason = f"labels from the folders' names, which also split: {some(sorted(set(labels) - {''}))}"
                yield Proposal({"pattern": pattern, "part": "path"}, 0.7, reason)
        for pattern in PATTERNS:
            labeller = cls(pattern)
            if (labels := _labels(labeller, scored)) and _has_only(labeller, rest, {*labels, ""}):
                label, name = next((label, name) for label, name in zip(labels, scored, strict=True) if label)
                yield Proposal({"pattern": pattern}, 0.6, f"labels from the photos' names: {name!r} is {label!r}")
                return

    def _text(self, path: Path | str) -> str:
        if self.part == "name" and not isinstance(path, str):
            return path.name
        return str(path).replace(os.sep, "/")

    def _found(self, text: str) -> regex.Match[str]:
        found = self._search(text)
        if not found:
            raise BadInput(
                f"{quoted(text)} does not match the regular expression {quoted(self.pattern)}; change the pattern."
            )
        if not found[1]:  # an optional group that did not match, or matched an empty text
            raise BadInput(
                f"The first group of {quoted(self.pattern)} finds no label in {quoted(text)}; change the pattern."
            )
        return found


def _labels(labeller: RegexLabeller, names: Sequence[str]) -> list[str]:
    """The label of each name, or "" if it has none; an empty list if the labels do not look like classes."""
    labels: list[str] = []
    missing = 0
    for name in names:
        labels.append(label := _label(labeller, name))
        missing += not label
        if len(names) - missing < LABELLED * len(names):
            return []
    counts = Counter(filter(None, labels))
    repeated = sum(n for n in counts.values() if n > 1)
    return labels if _are_classes(counts) and repeated >= REPEATED * sum(counts.values()) else []


def _has_only(labeller: RegexLabeller, names: Sequence[str], labels: set[str]) -> bool:
    return all(_label(labeller, name) in labels for name in names)


def _patterns_of_sides(split: Iterable[str]) -> list[str]:
    """Patterns for folders that name both class and split, such as `cat_train` and `dog_test`, or `train_cat`."""
    if sum(len(tokens(name)) > 1 for name in split) < 4:  # two classes on two sides
        return []
    word = "|".join(sorted({word for name in split for word in tokens(name) if word in SIDES}))
    return [rf"([^/]+)[ ._-](?i:{word})/[^/]+$", rf"(?:^|/)(?i:{word})[ ._-]([^/]+)/[^/]+$"]


def _label(labeller: RegexLabeller, name: str) -> str:
    try:
        return labeller(name)
    except BadInput:
        return ""


def _are_classes(labels: Iterable[str]) -> bool:
    """Whether at least two labels are not camera file names, names of a split, dates or numbers."""
    split = sides(labels)
    if not all(any(map(str.isalpha, label)) for label in labels):
        return False
    kept = [label for label in labels if label not in split and DEVICES.isdisjoint(tokens(label))]
    kept = [label for label in kept if not AFFIXES.issuperset(tokens(label))]
    if _are_numbered(kept):
        return False
    if any(re.search(r"\d{4}|\d\D+\d", label) for label in kept):
        return len({" ".join(tokens(label)) for label in kept}) > 1
    return len(kept) > 1


def _are_numbered(labels: Sequence[str]) -> bool:
    """Whether each of several labels occurs with several numbers: `cat_00_crop`, `cat_01_crop`, `dog_00_crop`."""
    bare = Counter(re.sub(r"(?<!\d)0\d+", "", label) for label in labels)
    return 1 < len(bare) < len(labels) and min(bare.values()) > 1
