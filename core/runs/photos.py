"""The photos with which a run started, and how they have changed since."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field

from core.data.check import Examined
from core.data.split import Split
from core.errors import BadInput
from core.runs.run import Run

PHOTOS, SPLITS, CORRECTED = "photos.json", "splits.json", "corrected.json"
Known = dict[str, tuple[str, str]]  # relative path -> label and SHA-256


def remember(run: Run, examined: Examined) -> None:
    """Write the labels and hashes of a run's photos, their split, and how many of them people corrected."""
    split, names = examined.split, _names(examined)
    sides = {"train": split.train, "valid": split.valid}
    run.write(SPLITS, json.dumps({side: [names[i] for i in chosen] for side, chosen in sides.items()}, indent=1))
    run.write(CORRECTED, json.dumps(asdict(examined.report.corrected)))
    run.write(PHOTOS, json.dumps(_known(examined), indent=0))  # last, as its existence means that all is written


@dataclass
class Changes:
    """The differences between two lists of photos: relative paths, and (old label, new label) of relabelled ones."""

    added: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    labels: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any((self.added, self.gone, self.edited, self.moved, self.labels))

    def __str__(self) -> str:
        renamed = Counter(self.labels.values())
        found = [_some(getattr(self, name), name) for name in ("added", "gone", "edited", "moved")]
        found += [f"{n} of the class {old!r} now of {new!r}" for (old, new), n in renamed.most_common(3)]
        if len(renamed) > 3:
            found.append(f"{len(renamed) - 3} other changes of labels")
        return ", ".join(filter(None, found))


def recall(run: Run, examined: Examined) -> tuple[Split, Changes]:
    """The split with which the run started, with the present paths of its photos, and what has changed since."""
    try:
        before: Known = {name: (label, digest) for name, (label, digest) in json.loads(run.read(PHOTOS)).items()}
        sides = json.loads(run.read(SPLITS))
        train, valid = list(sides["train"]), list(sides["valid"])
        labels = [before[name][0] for name in (*train, *valid)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"The list of photos of {str(run.folder)!r} is damaged ({error}); train a new run.") from None
    changes = compare(before, _known(examined))
    taken = set(changes.moved.values())
    now = {name: f"{name} as it was" for name in changes.gone if name in taken} | changes.moved
    items = [examined.root / now.get(name, name) for name in (*train, *valid)]
    indices = range(len(items))
    return Split(items, labels, list(indices[: len(train)]), list(indices[len(train) :])), changes


def compare(before: Known, now: Known) -> Changes:
    """The differences between two lists of photos; content that is at another path now has moved.

    So validation photos stay in the validation set, even if all files were renumbered.
    """
    changes = Changes()
    same = {name for name, (_, digest) in before.items() if name in now and now[name][1] == digest}
    elsewhere: dict[str, list[str]] = {}
    for name in sorted(now.keys() - same, reverse=True):
        elsewhere.setdefault(now[name][1], []).append(name)
    for name, (_, digest) in before.items():
        if name not in same and elsewhere.get(digest):
            changes.moved[name] = elsewhere[digest].pop()
    taken = set(changes.moved.values())
    for name, (label, _) in before.items():
        if name not in same and name not in changes.moved:
            (changes.edited if name in now and name not in taken else changes.gone).append(name)
        found = changes.moved.get(name, name)
        if found in now and (name in changes.moved or name not in taken) and now[found][0] != label:
            changes.labels[name] = (label, now[found][0])
    changes.added = sorted(now.keys() - before.keys() - taken)
    return changes


def _names(examined: Examined) -> list[str]:
    return [item.relative_to(examined.root).as_posix() for item in examined.split.items]


def _known(examined: Examined) -> Known:
    labels = examined.split.labels
    return dict(zip(_names(examined), zip(labels, examined.digests, strict=True), strict=True))


def _some(names: list[str] | dict[str, str], what: str) -> str:
    first = next(iter(names), "")
    return f"{len(names)} {what} ({'such as ' if len(names) > 1 else ''}{first!r})" if names else ""
