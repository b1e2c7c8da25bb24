"""Proposes a recipe for some photos: the best proposal of the registered labellers and splitters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.data.leftovers import label_files
from core.data.proposals import Proposal, proposals
from core.data.text import some
from core.errors import BadInput, quoted
from core.recipe import Choice, Recipe, Training
from core.registry import architectures, labellers, sources, splitters, transforms

FREEZE_STEPS, STEPS = 40, 120
LONGEST_REASON = 300  # characters


def source_of(text: str) -> Choice:
    """The source that best fits a typed text, such as a path; the default one for "". Raises BadInput."""
    return propose_source(text)[0]


def propose_source(text: str) -> tuple[Choice, str]:
    """`source_of`, with the reason for it, which may be empty."""
    if not text:
        default = sources.defaults("source")[0]
        return default, f"no photos were given, so the source is {default['name']!r}"
    for choice, proposed in proposals(sources, text):
        if proposed.score:
            return choice, proposed.reason
    raise BadInput(f"No source accepts {quoted(text)}; give a folder, or install a plugin that accepts it.")


def names_of(source: Any, items: Sequence[Path]) -> Sequence[Path]:
    """The photos' names as labellers get them: for a zip, the original names in it."""
    original = getattr(source, "original", None)
    return [original(item) for item in items] if original else items


def proposal(names: Sequence[Path], root: Path, source: Choice) -> tuple[Recipe, list[str]]:
    """The recipe that `new` writes, and the reasons for it; raises BadInput.

    tests/benchmarks/RESULTS.md holds the evidence for the other defaults.
    """
    try:
        labeller, splitter, reasons = propose(names, root)
    except BadInput as error:
        by_hand = [(choice, p.reason) for choice, p in proposals(labellers, names, root) if p.by_hand]
        if not by_hand:
            raise
        labeller, reason = by_hand[0]
        splitter, how = _splitter(names, root)
        reasons = [f"{reason}: {str(error).removesuffix('.')}", how]
    recipe = Recipe(
        source=source,
        labeller=labeller,
        splitter=splitter,
        item_tfms=transforms.defaults("item_tfms"),
        batch_tfms=transforms.defaults("batch_tfms"),
        architecture=architectures.defaults("architecture")[0],
        training=pace(len(names)),
    )
    return recipe, reasons


def pace(photos: int) -> Training:
    """Training options for a number of photos: small data sets get smaller batches and more epochs."""
    batch_size = min(Training.batch_size, max(8, 2 ** int(math.log2(max(1, photos / 12)))))
    steps = photos / batch_size
    freeze_epochs, epochs = round(FREEZE_STEPS / steps), round(STEPS / steps)
    # square-root scaling of the learning rate with the batch size (Krizhevsky 2014)
    base_lr = Training.base_lr * math.sqrt(batch_size / Training.batch_size)
    return Training(
        epochs=min(max(epochs, Training.epochs), 10),
        freeze_epochs=min(max(freeze_epochs, Training.freeze_epochs), 8),
        base_lr=float(f"{base_lr:.1e}"),
        batch_size=batch_size,
    )


def propose(names: Sequence[Path], root: Path) -> tuple[Choice, Choice, list[str]]:
    """The labeller and the splitter with the best proposals, and their reasons.

    `names` are the photos' names as labellers get them. Raises BadInput if no labeller gives two labels.
    """
    where = f"The {len(names)} photos in {str(root)!r}"
    against: list[str] = []
    few = ""  # why labels that were found are too few
    ranked = proposals(labellers, names, root)
    for n, (labeller, proposed) in enumerate(ranked):
        try:
            labels = _labels(labeller, names) if proposed.score else {}
        except BadInput as error:  # such as a table that lists a photo twice
            against.append(str(error).removesuffix("."))
            continue
        counts = Counter(labels.values())
        if _are_enough(counts):
            splitter, reason = _splitter(list(labels), root)
            other = _other(ranked[n + 1 :], proposed, labels, names)
            return labeller, splitter, [proposed.reason, reason, *other]
        if len(counts) == 1:
            few = few or f"{where} have one label; one more is needed beside {quoted(next(iter(counts)))}."
        elif counts:
            few = few or f"{where} each have a label of their own; at least two photos per label are needed."
        elif not proposed.by_hand:
            against.append(proposed.reason)
    unread = label_files(root)
    hint = f"labels may be in {some(unread, 3)}, but only CSV tables are read" if unread else ""
    if few:
        raise BadInput(few + (f" {hint[0].upper()}{hint[1:]}." if hint else ""))
    against = [reason[:LONGEST_REASON] for reason in against[:3]] + [hint] * bool(hint)
    why = f" ({'; '.join(against)})" if against else ""
    raise BadInput(
        f"No labels were found for the {len(names)} photos in {str(root)!r}{why}; put them in one folder per class, "
        "name them like beagle_12.jpg, or write a CSV table with a name and a label for each."
    )


def _are_enough(counts: Counter[str]) -> bool:
    return len(counts) > 1 and max(counts.values()) > 1


def _other(
    ranked: Sequence[tuple[Choice, Proposal]], best: Proposal, taken: dict[Path, str], names: Sequence[Path]
) -> Iterator[str]:
    """A remark on the next best labeller that gives other labels than `taken`, if there is one."""
    for labeller, proposed in ranked:
        try:
            labels = _labels(labeller, names) if proposed.score else {}
        except BadInput:
            continue
        if labels != taken and _are_enough(Counter(labels.values())):
            yield f"less likely (a score of {proposed.score:.2f}, not {best.score:.2f}): {proposed.reason}"
            return


def _splitter(labelled: Sequence[Path], root: Path) -> tuple[Choice, str]:
    """The best splitter for the labelled photos, and its reason; raises BadInput if none fits."""
    for choice, proposed in proposals(splitters, labelled, root):
        if proposed.score:
            return choice, proposed.reason
    raise BadInput("No splitter fits these photos; install one that does, or write the recipe by hand.")


def _labels(labeller: Choice, names: Sequence[Path]) -> dict[Path, str]:
    """The labels of the names that have one; raises BadInput for invalid options."""
    label = labellers.build(labeller)
    labels = {}
    for name in names:
        try:
            labels[name] = label(name)
        except BadInput:
            continue
    return labels
