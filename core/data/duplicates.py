"""Duplicate photos, which make validation metrics too optimistic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from core.data.split import Split
from core.errors import quoted

SHOWN = 3  # photos with two labels named in a warning


def duplicates(split: Split, digests: Sequence[str]) -> str:
    """A warning about equal photos on both sides or with two labels, by the `digests` of all items; "" if none."""
    trained = {digests[i] for i in split.train}
    both = sum(digests[i] in trained for i in split.valid)
    files = defaultdict[str, dict[str, Path]](dict)  # digest -> label -> one of its files
    for digest, label, item, used in zip(digests, split.labels, split.items, split.used(), strict=True):
        if used:
            files[digest].setdefault(label, item)
    two = [found for found in files.values() if len(found) > 1]
    warnings = []
    if both:
        photos = "1 validation photo is" if both == 1 else f"{both} validation photos are"
        warnings.append(f"{photos} also among the training photos")
    if two:
        photos = "1 photo has" if len(two) == 1 else f"{len(two)} photos have"
        warnings.append(f"{photos} two labels: {_shown(two)}")
    return "; ".join(warnings)


def _shown(two: list[dict[str, Path]]) -> str:
    more = f" and {len(two) - SHOWN} more" if len(two) > SHOWN else ""
    return ", ".join(map(_named, two[:SHOWN])) + more


def _named(files: dict[str, Path]) -> str:
    """One photo with each of its labels, with the shortest paths that differ."""
    parts = [file.parts for file in files.values()]
    lengths = range(1, max(map(len, parts)))
    n = next((n for n in lengths if len({p[-n:] for p in parts}) == len(parts)), len(lengths) + 1)
    return " = ".join(f"{'/'.join(p[-n:])} ({quoted(label)})" for p, label in zip(parts, files, strict=True))
