"""All photos of a project with their labels, and what a person says about them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from core.data.check import Examined
from core.data.content import digest
from core.data.corrections import Corrections
from core.data.files import Files
from core.data.labelling import labels_of
from core.data.reading import contents_of
from core.errors import BadInput, quoted
from core.events import drain
from core.recipe import Recipe
from plugins.panels.kit.project.known import CHECKED, LISTED, PHOTOS, Known
from plugins.panels.kit.project.project import Project

SETS = ("", "training", "validation")
BEFORE: Known[list[int]] = Known()  # so that a correction does not make all photos look as if they were in no set
NONE_CHOSEN = "No photo of this data set was chosen; choose at least one."
CHANGED, LEFT_OUT, RIGHT, UNREADABLE, NOT_TRAINED = 1, 2, 4, 8, 16  # flags of a photo


@dataclass(frozen=True)
class Photos:
    """The photos of a source in its order, their contents, and the labels that the labeller finds ("" for none)."""

    files: Files
    names: list[str]
    contents: list[str]
    found: list[str]

    @cached_property
    def key(self) -> str:
        """A token that changes with the photos or their order."""
        return hashlib.blake2b("".join(self.contents).encode(), digest_size=8).hexdigest()

    def labels(self, corrections: Corrections) -> list[str]:
        """The label of each photo, "" if it has none."""
        return list(map(corrections.label_of, self.contents, self.found))

    def chosen(self, key: Any, numbers: Any) -> list[int]:
        """The photos, at least one, that a browser means by their numbers in the list of that key; raises BadInput."""
        if chosen := self.numbered(key, numbers):
            return chosen
        raise BadInput(NONE_CHOSEN)

    def numbered(self, key: Any, numbers: Any) -> list[int]:
        """As `chosen`, but there may be none."""
        if key != self.key:
            raise BadInput("The photos have changed meanwhile; choose again.")
        if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < len(self.files) for n in numbers):
            raise BadInput(NONE_CHOSEN)
        return list(dict.fromkeys(numbers))


def photos_of(project: Project) -> Photos:
    """The photos of a project, listed once; raises BadInput."""
    recipe = project.require_recipe()
    return PHOTOS.made(project.folder, _key(recipe), lambda: _list(project, recipe))


def are_being_read(project: Project) -> bool:
    """Whether the photos are still to be read, so that `photos_of` may take long."""
    recipe = project.recipe
    return recipe is None or (project.examined is None and PHOTOS.get(project.folder, _key(recipe)) is None)


def _key(recipe: Recipe) -> str:
    return json.dumps((recipe.source, recipe.labeller))


def _list(project: Project, recipe: Recipe) -> Photos:
    source = project.build("source", recipe)
    files = Files.of(source())
    original: Callable[[Path], Path] = getattr(source, "original", Path)
    found, _ = labels_of(files, map(original, files), project.build("labeller", recipe))
    contents = drain(contents_of(files, project.folder))
    readable = [i for i, content in enumerate(contents) if content]
    root = Path(source.root)
    names = [_relative(original(file), root) for file in files.take(readable)]
    return Photos(files.take(readable), names, [contents[i] for i in readable], [found[i] for i in readable])


def listed(project: Project) -> dict[str, Any]:
    """What the grid shows: names, labels as numbers in a vocabulary, sets and flags."""
    if project.recipe is None:
        return {"key": "", "names": [], "vocab": [], "labels": [], "sets": [], "flags": []}
    photos = photos_of(project)
    key = f"{photos.key} {project.said} {CHECKED.version(project.folder)}"
    return LISTED.made(project.folder, key, lambda: _rows(project, photos))


@dataclass(frozen=True)
class ListedPhoto:
    """A photo as it is listed now: its number in the list of that key, and its label, "" for none."""

    key: str
    number: int
    label: str
    left_out: bool


def listed_photo(project: Project, file: Path) -> ListedPhoto | None:
    """The photo of the project with the content of that file, or None if there is none."""
    if project.recipe is None:
        return None
    try:
        about, photos, rows = file.stat(), photos_of(project), listed(project)
        number = photos.contents.index(_content(file, about.st_size, about.st_mtime_ns))
    except (BadInput, OSError, ValueError):  # its photos are gone, which the Data page says; or it is not one of them
        return None
    label, flags = rows["labels"][number], rows["flags"][number]
    return ListedPhoto(photos.key, number, rows["vocab"][label] if label >= 0 else "", bool(flags & LEFT_OUT))


@lru_cache(maxsize=1024)
def _content(file: Path, size: int, changed: int) -> str:
    return digest(file)


def labels_now(project: Project) -> list[str | None]:
    """The label of each photo, "" if it has none, and None if it was left out."""
    rows = listed(project)
    names = [*rows["vocab"], ""]
    return [None if flags & LEFT_OUT else names[n] for n, flags in zip(rows["labels"], rows["flags"], strict=True)]


def _rows(project: Project, photos: Photos) -> dict[str, Any]:
    corrections, examined = project.corrections, project.examined
    labels = photos.labels(corrections)
    vocab = sorted(set(labels) - {""})
    number = {"": -1} | {label: i for i, label in enumerate(vocab)}
    return {
        "key": photos.key,
        "names": photos.names,
        "vocab": vocab,
        "labels": [number[label] for label in labels],
        "sets": _sets(project.folder, photos, examined),
        "flags": _flags(photos, corrections, labels, examined),
    }


ABOUT_PHOTOS = {  # methods of the journal, and what is said of the photos afterwards
    "leave_out": "left out; the files stay where they are",
    "leave_out_of_training": "left out of training",
    "take_back": "used again",
    "right": "marked as right",
}


def act(project: Project, data: Mapping[str, Any]) -> str:
    """Do what a person said about photos, and say it; raises BadInput."""
    journal, do = project.journal, data.get("do")
    label = str(data.get("label") or "").strip()
    if do in ("undo", "redo"):
        done = journal.undo() if do == "undo" else journal.redo()
        return f"{do.capitalize()}ne: {told(done)}." if done else f"There is nothing to {do}."
    if do == "rename":
        old = str(data.get("old") or "")
        if old not in listed(project)["vocab"]:
            raise BadInput(f"No photo has the label {quoted(old)}; choose a label that there is.")
        journal.rename(old, label)
        return f"{old} is called {label} now."
    photos = photos_of(project)
    numbers = photos.chosen(data.get("key"), data.get("photos"))
    contents = [photos.contents[i] for i in numbers]
    many = "1 photo" if len(numbers) == 1 else f"{len(numbers):,} photos"
    if do == "label" and label:
        journal.label(contents, label, right=data.get("right") is True)
        return f"{many} labelled {label}."
    if do in ABOUT_PHOTOS:
        getattr(journal, str(do))(contents)
        return f"{many} {ABOUT_PHOTOS[do]}."
    raise BadInput("Type a label first.")


def told(done: Mapping[str, Any]) -> str:
    """An act of the journal in a few words."""
    n = len(done.get("photos", ())) or sum(len(each["photos"]) for each in done.get("acts", ()))
    many = "1 photo" if n == 1 else f"{n:,} photos"
    match done["act"]:
        case "label":
            return f"{many} labelled {done['label']}" if done["label"] else f"{many} without a label"
        case "rename":
            return ", ".join(f"{old} renamed {new}" for old, new in done["labels"].items())
        case "leave_out":
            return f"{many} left out"
        case "leave_out_of_training":
            return f"{many} left out of training"
        case "take_back":
            return f"{many} used again"
        case "several":
            return f"labels of {many} from a table"
        case "right":
            return f"{many} marked as right"
    return str(done["act"]).replace("_", " ")


def _relative(name: Path, root: Path) -> str:
    return (name.relative_to(root) if name.is_relative_to(root) else name).as_posix()


def _sets(folder: Path, photos: Photos, found: Examined | BadInput | None) -> list[int]:
    """For each photo, its place in SETS; while a check has not ended, that of the one before, or 0."""
    if not isinstance(found, Examined):
        return BEFORE.get(folder, photos.key) or [0] * len(photos.files)
    items = [str(item) for item in found.split.items]
    of = {items[i]: number for number, side in ((1, found.split.train), (2, found.split.valid)) for i in side}
    BEFORE.put(folder, photos.key, sets := [of.get(str(file), 0) for file in photos.files])
    return sets


def _flags(
    photos: Photos, corrections: Corrections, labels: Sequence[str], found: Examined | BadInput | None
) -> list[int]:
    skipped = found.report.skipped if isinstance(found, Examined) else {}
    rows = zip(photos.files, photos.contents, photos.found, labels, strict=True)
    return [
        CHANGED * (label != before)
        | LEFT_OUT * (content in corrections.left_out)
        | RIGHT * (content in corrections.right)
        | NOT_TRAINED * (content in corrections.not_trained)
        | UNREADABLE * (bool(label) and content not in corrections.left_out and str(file) in skipped)
        for file, content, before, label in rows
    ]
