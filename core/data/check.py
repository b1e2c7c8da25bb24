"""The check of a data set before training: reads every label and decodes every photo once."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import PIL

from core.data import photo
from core.data.alike import alike
from core.data.content import DIGITS, digest
from core.data.duplicates import duplicates
from core.data.files import Files, no_photos
from core.data.leftovers import leftovers, relocated
from core.data.masks import masks
from core.data.remembered import Key, Remembered, Result
from core.data.split import LONGEST_LABEL, Split, divide
from core.errors import BadInput, quoted
from core.events import Checked
from core.recipe import Recipe
from core.registry import labellers, sources, splitters

if TYPE_CHECKING:
    from core.data.presizing import Presizing

FEW = 10  # photos per class; with fewer, its metrics mean little
FEW_VALID = 5  # validation photos; with fewer, accuracy means nothing
STEP = 64  # photos between two events
SHOWN = 20  # warnings of one kind


@dataclass
class Report:
    """The result of a check; `skipped` maps every file that will not be used to the reason."""

    counts: dict[str, int] = field(default_factory=dict)
    train: int = 0
    valid: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report as lines of text."""
        total = sum(self.counts.values())
        lines = [f"{total} photos, {len(self.counts)} classes: {self.train} for training, {self.valid} for validation"]
        lines += [f"  {name:<30} {n}" for name, n in self.counts.items()]
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


def examine(
    recipe: Recipe, workspace: Path, decode: Callable[[Path], object] | None = None, cache: Path | None = None
) -> Generator[Checked, None, Examined]:
    """List, label, decode and split the data set of a recipe; raises BadInput if it cannot be trained on.

    Results are remembered in the workspace by path, size and modification time, so a second check is fast. Presized
    photos are kept in the folder `cache`, unless `decode` decodes the photos.
    """
    source = sources.build(recipe.source, workspace)
    items = Files.of(source())
    if not items:
        raise no_photos(source.root)
    original = getattr(source, "original", None)  # labels come from the names in the zip
    names = Files.of(map(original, items)) if original else items
    report = Report(skipped=dict.fromkeys(getattr(source, "skipped", ()), "not a photo that can be unpacked safely"))
    labeller = labellers.build(relocated("labeller", recipe.labeller, source))
    splitter = splitters.build(relocated("splitter", recipe.splitter, source))
    labels, unlabelled = _labels(items, names, labeller)
    report.skipped |= unlabelled
    labelled = [i for i, label in enumerate(labels) if label]

    def divided(chosen: list[int]) -> Split:
        return divide(splitter, names.take(chosen), [labels[i] for i in chosen], items.take(chosen))

    def presizing() -> Presizing | None:
        from core.data.presizing import Presizing  # imports torch, which a check of known photos does not need

        try:
            return Presizing(recipe, divided(labelled), cache) if cache and not decode else None
        except Exception:  # from any plugin; training will report it
            return None

    seen = yield from read_all(items.take(labelled), workspace, decode, presizing)
    report.skipped |= {str(items[i]): reason for i, (reason, _) in zip(labelled, seen, strict=True) if reason}
    good = [i for i, (reason, _) in zip(labelled, seen, strict=True) if not reason]
    if recipe.training.bad_photos == "stop" and report.skipped:
        path, reason = next(iter(report.skipped.items()))
        raise BadInput(
            f"{len(report.skipped)} files cannot be used, the first {path}: {reason}. Set training.bad_photos "
            "to skip to continue without them."
        )
    if not good:
        path, reason = next(iter(report.skipped.items()))
        raise BadInput(f"None of the {len(items)} photos can be used; the first is {path}: {reason}.")
    split = divided(good)
    digests = [digest for reason, digest in seen if not reason]
    used = (file for plugin in (labeller, splitter) for file in getattr(plugin, "files", ()))
    others, stray = leftovers(source.root, workspace, names, used)
    _describe(split, source.root, report)
    report.skipped |= others | getattr(source, "others", {})
    report.warnings += filter(None, [duplicates(split, digests), masks(source.root, names)])
    for plugin, seen_by in ((source, names), (labeller, names), (splitter, names.take(good))):
        if remarks := getattr(plugin, "remarks", None):
            report.warnings += _bounded(remarks(seen_by))
    report.warnings += _bounded([f"the folder {str(folder)!r} was left out" for folder in stray])
    return Examined(source.root, split, report, digests)


def read_all(
    files: Sequence[Path],
    workspace: Path,
    decode: Callable[[Path], object] | None = None,
    presizing: Callable[[], Presizing | None] = lambda: None,
) -> Generator[Checked, None, list[tuple[str, str]]]:
    """Decode every file that was not decoded before; returns for each why it is unreadable, or "", and its hash.

    `presizing` is called if there is anything to decode; its result decodes files into the presized cache.
    """
    with closing(Remembered(workspace, _decoder())) as memory:
        found = [memory.recall(_key(file)) for file in files]
        new = [i for i, result in enumerate(found) if result is None]
        done = len(files) - len(new)
        yield Checked(done, len(files))
        keep = presizing() if new else None
        with _threads(keep) as pool:
            for start in range(0, len(new), STEP):
                part = new[start : start + STEP]
                keys = [_key(files[i]) for i in part]
                results = list(pool.map(_read, [files[i] for i in part], part, repeat(decode), repeat(keep)))
                memory.add([(key, result) for key, (result, lasts) in zip(keys, results, strict=True) if lasts])
                for i, (result, _) in zip(part, results, strict=True):
                    found[i] = result
                done += len(part)
                yield Checked(done, len(files))
    return [result for result in found if result]


def _threads(keep: Presizing | None) -> ThreadPoolExecutor:
    number = min(8, os.cpu_count() or 1)
    if keep is None:
        return ThreadPoolExecutor(number, "check")
    from core.data.threads import photo_threads

    return photo_threads(number)


def _read(
    file: Path, index: int, decode: Callable[[Path], object] | None, keep: Presizing | None
) -> tuple[Result, bool]:
    """Why a file cannot be decoded, or "", and its hash; and whether that result can be remembered."""
    try:
        if decode:
            decode(file)
            return ("", digest(file)), True
        content = photo.read(file)
        name = digest(content)
        if not (keep and keep.decode(index, content, name)):
            photo.load(content)
        return ("", name), True
    except photo.BadPhoto as error:
        return (str(error), ""), not isinstance(error, photo.NotNow)
    except OSError as error:  # deleted in the meantime
        return (f"cannot be read ({error.strerror})", ""), False


def _decoder() -> int:
    """A version number that changes with what this program can decode."""
    bounds = photo.MAX_PIXELS, photo.MAX_WORK, photo.REDUCED_PASSES
    return zlib.crc32(f"{PIL.__version__} {photo.FORMATS} {bounds} {DIGITS}".encode()) >> 1


def _key(file: Path) -> Key:
    path = os.fsencode(file.absolute())  # a name need not be UTF-8
    try:
        status = file.stat()
    except OSError:  # deleted since it was listed: decoding will report it
        return path, -1, -1
    return path, status.st_size, status.st_mtime_ns % 2**63  # sqlite integers have 64 bits, signed


def label_all(
    items: Sequence[Path], labeller: Callable[[Path], str], original: Callable[[Path], Path]
) -> tuple[dict[Path, str], dict[str, str]]:
    """The labels of the items, and why others have none; labellers get the `original` path of each."""
    labels, unlabelled = _labels(items, map(original, items), labeller)
    return {item: label for item, label in zip(items, labels, strict=True) if label}, unlabelled


def _labels(
    items: Iterable[Path], names: Iterable[Path], labeller: Callable[[Path], str]
) -> tuple[list[str], dict[str, str]]:
    """One label per item, "" if it has none, and the reasons for those without one."""
    shared: dict[str, str] = {}  # one str per class, not per photo
    labels: list[str] = []
    unlabelled: dict[str, str] = {}
    for item, name in zip(items, names, strict=True):
        try:
            label = labeller(name)
        except BadInput as error:
            label, reason = "", str(error).removesuffix(".")  # it becomes part of a sentence
        else:
            reason = f"its label would be {quoted(label)}, but labels have 1 to {LONGEST_LABEL:,} characters"
        if not isinstance(label, str) or not 0 < len(label) <= LONGEST_LABEL:
            unlabelled[str(item)], label = reason, ""
        labels.append(shared.setdefault(label, label))
    return labels, unlabelled


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
    if report.valid < FEW_VALID:
        report.warnings.append(f"{report.valid} validation photos are too few to measure accuracy")


def _bounded(warnings: list[str]) -> list[str]:
    more = len(warnings) - SHOWN
    rest = [f"at least {more} more warnings such as: {warnings[SHOWN]}"] if more > 0 else []
    return warnings[:SHOWN] + rest


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return f"{shown} and {len(names) - 5} other classes" if len(names) > 5 else shown
