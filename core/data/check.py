"""The check of a data set before training: reads every label and decodes every photo once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.alike import alike
from core.data.corrections import Corrected, Corrections
from core.data.duplicates import duplicates
from core.data.files import Files, no_photos
from core.data.labelled import Labelled, read_labels
from core.data.leftovers import leftovers, relocated
from core.data.masks import masks
from core.data.reading import read_all
from core.data.split import Split, Splitter, checked, too_little
from core.errors import BadInput
from core.events import Checked
from core.recipe import Recipe
from core.registry import labellers, sources, splitters

if TYPE_CHECKING:
    from core.data.presizing import Presizing

FEW = 10  # photos per class; with fewer, its metrics mean little
FEW_VALID = 5  # validation photos; with fewer, accuracy means nothing
SHOWN = 20  # warnings of one kind


@dataclass
class Report:
    """The result of a check; `skipped` maps every file that will not be used to the reason."""

    counts: dict[str, int] = field(default_factory=dict)
    train: int = 0
    valid: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    unlabelled: int = 0
    corrected: Corrected = field(default_factory=Corrected)

    def lines(self) -> list[str]:
        """The report as lines of text."""
        total = sum(self.counts.values())
        lines = [f"{total} photos, {len(self.counts)} classes: {self.train} for training, {self.valid} for validation"]
        lines += [f"  {name:<30} {n}" for name, n in self.counts.items()]
        if self.unlabelled:
            lines.append(
                "1 photo has no label" if self.unlabelled == 1 else f"{self.unlabelled:,} photos have no label"
            )
        lines += self.corrected.sentences()
        lines += [f"warning: {warning}" for warning in self.warnings]
        if self.skipped:
            n = len(self.skipped)
            lines.append("1 file is left out:" if n == 1 else f"{n} files are left out:")
            lines += [f"  {path}: {reason}" for path, reason in self.skipped.items()]
        return lines


@dataclass
class Examined:
    """A checked data set: its folder, its split and the report."""

    root: Path
    split: Split
    report: Report
    digests: list[str]  # of each photo of the split
    unlabelled: list[Path] = field(default_factory=list)  # photos without a label, which are not in the split
    corrections: Corrections = field(default_factory=Corrections)
    unready: str = ""  # why it cannot be trained on until more photos are labelled, as a sentence


def examine(
    recipe: Recipe,
    workspace: Path,
    decode: Callable[[Path], object] | None = None,
    cache: Path | None = None,
    corrections: Corrections | None = None,
) -> Generator[Checked, None, Examined]:
    """List, label, decode and split the data set of a recipe; raises BadInput if it cannot be trained on.

    Results are remembered in the workspace by path, size and modification time, so a second check is fast. Presized
    photos are kept in the folder `cache`, unless `decode` decodes the photos. Labels are read through the
    `corrections`, by default those of the workspace's journal; photos without a label are counted and left out.
    """
    source = sources.build(recipe.source, workspace)
    items = Files.of(source())
    if not items:
        raise no_photos(source.root)
    original = getattr(source, "original", None)  # labels come from the names in the zip
    report = Report(skipped=dict.fromkeys(getattr(source, "skipped", ()), "not a photo that can be unpacked safely"))
    labeller = labellers.build(relocated("labeller", recipe.labeller, source))
    splitter = splitters.build(relocated("splitter", recipe.splitter, source))
    photos = yield from read_labels(items, labeller, workspace, original, corrections)
    names, corrections, unlabelled, wanted = photos.names, photos.corrections, photos.unlabelled, photos.wanted
    unused = photos.unused
    report.skipped |= {str(items[i]): unused[str(items[i])] for i in unlabelled}
    report.unlabelled = len(unlabelled)
    presizing = partial(_presizing, recipe, photos, splitter, None if decode else cache)
    seen = yield from read_all(items.take(wanted), workspace, decode, presizing)
    report.skipped |= {str(items[i]): reason for i, (reason, _) in zip(wanted, seen, strict=True) if reason}
    good = [i for i, (reason, _) in zip(wanted, seen, strict=True) if not reason]
    if recipe.training.bad_photos == "stop" and report.skipped:
        path, reason = next(iter(report.skipped.items()))
        raise BadInput(
            f"{len(report.skipped)} files cannot be used, the first {path}: {reason}. Set training.bad_photos "
            "to skip to continue without them."
        )
    report.skipped |= unused
    if not good and not unlabelled:
        path, reason = next(iter(report.skipped.items()))
        raise BadInput(f"None of the {len(items)} photos can be used; the first is {path}: {reason}.")
    split, unready = _divided(photos, splitter, good)
    if unready:
        report.warnings.append(f"{unready.removesuffix('.')}; label more photos before training")
    kept = photos.kept(good)
    report.corrected = photos.corrected(kept)
    digest_of = {i: digest for i, (_, digest) in zip(wanted, seen, strict=True)}
    digests = [digest_of[i] for i in kept]
    used = (file for plugin in (labeller, splitter) for file in getattr(plugin, "files", ()))
    others, stray = leftovers(source.root, workspace, names, used)
    _describe(split, source.root, report)
    twins_left_out = (i for i, used in enumerate(split.used()) if not used and digests[i] in corrections.not_trained)
    report.skipped |= {str(split.items[i]): "left out of training by you" for i in twins_left_out}
    report.skipped |= others | getattr(source, "others", {})
    report.warnings += filter(None, [duplicates(split, digests), masks(source.root, names)])
    for plugin, seen_by in ((source, names), (labeller, names), (splitter, names.take(good))):
        if remarks := getattr(plugin, "remarks", None):
            report.warnings += _bounded(remarks(seen_by))
    report.warnings += _bounded([f"the folder {str(folder)!r} was left out" for folder in stray])
    return Examined(source.root, split, report, digests, [items[i] for i in unlabelled], corrections, unready)


def _presizing(recipe: Recipe, photos: Labelled, splitter: Splitter, cache: Path | None) -> Presizing | None:
    from core.data.presizing import Presizing  # imports torch, which a check of known photos does not need

    try:
        return Presizing(recipe, photos.split(splitter, photos.wanted, every=True), cache) if cache else None
    except Exception:  # from any plugin; training will report it
        return None


def _divided(photos: Labelled, splitter: Splitter, readable: Sequence[int]) -> tuple[Split, str]:
    """The split of readable photos, and why it cannot be trained on before more are labelled, or ""."""
    try:
        split = photos.split(splitter, readable)
        unready = too_little(split) if photos.unlabelled or photos.corrections else ""
    except BadInput as error:  # for example, no photo of the folder for validation is labelled yet
        if not photos.unlabelled:
            raise
        return photos.split(None, readable), str(error)
    return (split, unready) if unready else (checked(split), "")


def _describe(split: Split, root: Path, report: Report) -> None:
    sides = {
        name: Counter(split.labels[i] for i in side)
        for name, side in (("training", split.train), ("validation", split.valid))
    }
    counts = sides["training"] + sides["validation"]
    report.counts = dict(sorted(counts.items()))
    report.train, report.valid = len(split.train), len(split.valid)
    for file in split.left_out:
        report.skipped[str(file)] = "the splitter put it in neither training nor validation"
    for side, present in sides.items():
        if absent := sorted(counts.keys() - present.keys()):
            remedy = "; the splitter 'stratified' puts every class with two photos or more on both sides"
            report.warnings.append(f"no photo of {_some(absent)} is in {side}{remedy}")
    if few := sorted(name for name, n in counts.items() if n < FEW):
        report.warnings.append(f"fewer than {FEW} photos of {_some(few)}; metrics of such classes mean little")
    if root.name in counts and len(counts) > 1:
        report.warnings.append(f"{root.name!r} is the whole data set's folder: are photos beside the class folders?")
    report.warnings += _bounded([f"{a!r} and {b!r} look like spellings of one label" for a, b in alike(sorted(counts))])
    if split.train and report.valid < FEW_VALID:
        report.warnings.append(f"{report.valid} validation photos are too few to measure accuracy")


def _bounded(warnings: list[str]) -> list[str]:
    more = len(warnings) - SHOWN
    rest = [f"at least {more} more warnings such as: {warnings[SHOWN]}"] if more > 0 else []
    return warnings[:SHOWN] + rest


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return f"{shown} and {len(names) - 5} other classes" if len(names) > 5 else shown
