"""Detection of segmentation masks among the photos."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

FOLDERS = frozenset(("annotations", "groundtruth", "gt", "mask", "masks", "segmentation", "segmentations"))
MASK = re.compile(r"(.+)[ ._-](?:mask|seg|gt)[ ._-]?\d*", re.IGNORECASE)


def masks(root: Path, names: Sequence[Path]) -> str:
    """A warning about photos in a folder such as `masks`, or named `1_mask.png` beside `1.png`; "" if none."""
    called = {name: whole[1] for name in names if (whole := MASK.fullmatch(name.stem))}
    beside = {name.with_suffix("") for name in names} if called else set()
    folders = {f for f in {name.parent for name in names} if not FOLDERS.isdisjoint(map(str.casefold, _below(root, f)))}
    found = [
        name for name in names if name.parent in folders or (name in called and name.parent / called[name] in beside)
    ]
    if not found or len(found) == len(names):
        return ""
    photos = "1 photo is a mask" if len(found) == 1 else f"{len(found)} photos are masks"
    return f"{photos} by name, such as {found[0].name!r}, but used as a photo; move masks elsewhere"


def _below(root: Path, folder: Path) -> tuple[str, ...]:
    return folder.relative_to(root).parts if folder.is_relative_to(root) else folder.parts
