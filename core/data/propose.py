"""Look at a folder of photos and propose how to label and split them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from core.data.files import get_tables
from core.errors import BadInput
from core.hub_name import is_of_the_hub
from core.recipe import Choice, Recipe, Training
from core.registry import labellers

PATTERNS = (r"(.+)_\d+\.\w+$", r"(.+?)[ ._-]*\(?\d+\)?\.\w+$")
TRAIN = {"train", "training"}
VALID = {"valid", "validation", "val", "test"}
LABELLED = 0.9  # share of the photos

PRESIZE, SIZE = 256, 192
FREEZE_STEPS, STEPS = 40, 120


def source_of(place: str) -> Choice:
    """The source for what a person names: a .zip, a folder, or OWNER/NAME of a data set on the Hugging Face Hub."""
    if place.lower().endswith(".zip"):
        return {"name": "zip", "path": place}
    return {"name": "hub", "repo": place} if is_of_the_hub(place) else {"name": "folder", "path": place}


def proposal(items: Sequence[Path], root: Path, source: Choice) -> Recipe:
    """The recipe that `new` writes; its choices were made on evidence (tests/benchmarks/RESULTS.md)."""
    if source["name"] == "folder" and (training := _training_alone(items, root)):
        # what lies beside it, such as a test folder, has no labels
        items, root, source = (
            [i for i in items if i.is_relative_to(training)],
            training,
            source | {"path": str(training)},
        )
    labeller, splitter = propose(items, root)
    return Recipe(
        source=source,
        labeller=labeller,
        splitter=splitter,
        item_tfms=[{"name": "resize", "size": PRESIZE}],
        batch_tfms=[{"name": "aug_transforms", "size": SIZE, "min_scale": 0.75}],
        architecture={"name": "efficientnet_lite0", "pretrained": True, "head": "linear"},
        training=pace(len(items)),
    )


def pace(photos: int) -> Training:
    """Fewer photos a step and more epochs for small data sets: it is steps that train a network, not epochs."""
    batch_size = min(Training.batch_size, max(8, 2 ** int(math.log2(max(1, photos / 12)))))
    steps = photos / batch_size
    freeze_epochs, epochs = round(FREEZE_STEPS / steps), round(STEPS / steps)
    # a gradient of fewer photos is noisier by that root, and calmer rates make up for it (Krizhevsky 2014)
    base_lr = Training.base_lr * math.sqrt(batch_size / Training.batch_size)
    return Training(
        epochs=min(max(epochs, Training.epochs), 10),
        freeze_epochs=min(max(freeze_epochs, Training.freeze_epochs), 8),
        base_lr=float(f"{base_lr:.1e}"),
        batch_size=batch_size,
    )


def propose(items: Sequence[Path], root: Path) -> tuple[Choice, Choice]:
    """Labeller and splitter for photos under `root`: split folders, then class folders, then names.

    Raises BadInput where none of these gives two classes of two photos.
    """
    parts = [item.relative_to(root).parts for item in items]
    above = {p[-3].lower() for p in parts if len(p) >= 3}
    by_chance: Choice = {"name": "stratified", "valid_pct": 0.2, "seed": 42}
    if above & TRAIN and above & VALID:
        return {"name": "folder"}, {"name": "grandparent"}
    if _classes([p[-2] if len(p) > 1 else "" for p in parts]):
        return {"name": "folder"}, by_chance
    for pattern in PATTERNS:
        labeller: Choice = {"name": "regex", "pattern": pattern}
        if _classes(_labels(labeller, [p[-1] for p in parts])):
            return labeller, by_chance
    if len(tables := get_tables(root)) == 1:
        return {"name": "csv", "path": str(tables[0])}, by_chance
    raise BadInput(
        f"No labels were found for the {len(items)} photos in {str(root)!r}: put them in a folder a class, "
        "or name them like beagle_12.jpg."
    )


def _training_alone(items: Sequence[Path], root: Path) -> Path | None:
    """The folder `train` of a data set that has one, with class folders in it, but none for validation."""
    tops = {item.relative_to(root).parts[0] for item in items if len(item.relative_to(root).parts) == 3}
    names = {top for top in tops if top.lower() in TRAIN}
    return root / names.pop() if len(names) == 1 and not any(top.lower() in VALID for top in tops) else None


def _labels(choice: Choice, names: Sequence[str]) -> list[str]:
    """The labels that a labeller finds, which bounds its time by itself; none where it leaves too many without."""
    labeller = labellers.build(choice)
    labels: list[str] = []
    missing = 0
    for name in names:
        try:
            labels.append(labeller(name))
        except BadInput:
            labels.append("")
            missing += 1
        if len(names) - missing < LABELLED * len(names):
            return []
    return labels


def _classes(labels: Sequence[str]) -> bool:
    """Whether these are labels: nearly all there, at least two, and most of them more than once."""
    counts = Counter(label for label in labels if label)
    labelled = sum(counts.values())
    repeated = sum(n for n in counts.values() if n > 1)
    return len(counts) > 1 and labelled >= LABELLED * len(labels) and repeated >= 0.8 * labelled
