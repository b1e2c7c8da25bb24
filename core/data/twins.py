"""Photos that are there more than once: a figure says little where the network has seen its validation photos."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from core.data.split import Split


def twins(split: Split, digests: Sequence[str]) -> str:
    """What to say, if anything, of equal photos on both sides or with two labels, by the `digests` of all items."""
    trained = {digests[i] for i in split.train}
    both = sum(digests[i] in trained for i in split.valid)
    labels = defaultdict[str, set[str]](set)
    for digest, label, used in zip(digests, split.labels, split.used(), strict=True):
        if used:
            labels[digest].add(label)
    two = sum(len(found) > 1 for found in labels.values())
    said = []
    if both:
        photos = "1 validation photo is" if both == 1 else f"{both} validation photos are"
        said.append(f"{photos} also among the training photos")
    if two:
        said.append("1 photo has two labels" if two == 1 else f"{two} photos have two labels")
    return "; ".join(said)
