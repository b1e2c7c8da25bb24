"""The training and validation photos of a run, found again by their content wherever they are now."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from core.data.content import digest
from core.errors import BadInput
from core.runs.photos import PHOTOS, SPLITS, Known, compare
from core.runs.predictions import named_predictions
from core.runs.run import Run


@dataclass(frozen=True)
class History:
    """The relative paths of a run's training and validation photos, with the label and hash of each."""

    known: Known
    train: Sequence[str]
    valid: Sequence[str]

    @classmethod
    def of(cls, run: Run) -> History:
        """The history of a run; raises BadInput."""
        try:
            known = {name: (str(label), str(digest)) for name, (label, digest) in json.loads(run.read(PHOTOS)).items()}
            sides = json.loads(run.read(SPLITS))
            history = cls(known, list(sides["train"]), list(sides["valid"]))
            _ = [known[name] for name in (*history.train, *history.valid)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"The list of photos of {str(run.folder)!r} is damaged ({error}); give --source.") from None
        return history

    def validation(self, root: Path, items: Iterable[Path]) -> tuple[dict[Path, str], list[Path]]:
        """The validation photos among `items` with the run's labels, and the former paths of those that are gone."""
        there = {item.relative_to(root).as_posix() for item in items}
        before = {name: ("", self.known[name][1]) for name in self.valid}
        now = _hashed(root, there & before.keys())
        changes = compare(before, now)
        if changes:  # hashing all other photos is only worth it if some have moved
            changes = compare(before, now | _hashed(root, there - before.keys()))
        gone = set(changes.gone)
        found = {root / changes.moved.get(name, name): self.known[name][0] for name in self.valid if name not in gone}
        return found, [root / name for name in changes.gone]

    def trained_on(self, files: Sequence[Path]) -> int:
        """The number of files that have the content of a training photo."""
        trained = {self.known[name][1] for name in self.train}
        return sum(digest in trained for digest in _digests(files))


def training_photos(run: Run) -> list[Path]:
    """The training photos of a finished run that are where they were; raises BadInput if it has no predictions."""
    results, names = named_predictions(run)
    root = results.items[0].parents[len(Path(names[0]).parts) - 1]
    return [file for name in History.of(run).train if (file := root / name).is_file()]


def _hashed(root: Path, names: Collection[str]) -> Known:
    return {name: ("", digest) for name, digest in zip(names, _digests([root / n for n in names]), strict=True)}


def _digests(files: Sequence[Path]) -> list[str]:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "hashes") as pool:
        return list(pool.map(_digest, files))


def _digest(file: Path) -> str:
    try:
        return digest(file)
    except OSError:  # decoding it will report the error
        return ""
