"""What a run is called: its name and note by a person, the name proposed for it, and its photos."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.data.text import read_bytes
from core.errors import BadInput
from core.recipe import Recipe
from core.runs.longer import parent_of
from core.runs.photos import CORRECTED, PHOTOS
from core.runs.run import Run

ABOUT = "about.json"  # in the folder of a run
LONGEST = {"title": 80, "note": 1000}  # characters
LARGEST = 2**16  # bytes
CORRECTIONS = {"relabelled": "labels corrected", "labelled": "labelled by hand", "left_out": "left out"}


@dataclass(frozen=True)
class RunPhotos:
    """The photos of a run: what they are called, how many there are, of how many labels, and in which version."""

    name: str
    photos: int = 0
    labels: int = 0
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name}, {self.photos:,} photos, version {self.version}" if self.photos else self.name


def title_of(run: Run) -> str:
    """The name that a person gave a run, else the proposed one, such as `pets, 37 labels, lite0`."""
    return said_of(run, "title") or proposed(run)


def titles_of(runs: Sequence[Run]) -> list[str]:
    """The runs' names; with when they began where two are called the same."""
    titles = [title_of(run) for run in runs]
    both = zip(titles, runs, strict=True)
    return [f"{title}, {begun(run)}" if titles.count(title) > 1 else title for title, run in both]


def begun(run: Run) -> str:
    """When a run began, from its folder's name, such as `2026-11-23 11:20:36`."""
    day, *hour = run.name.split("_")[:2]
    return " ".join([day, *(part.replace("-", ":") for part in hour)])


def said_of(run: Run, field: str) -> str:
    """The title or the note that a person gave a run, or ""."""
    file = run.folder / ABOUT
    with suppress(OSError, BadInput):
        return str(_read(file, file.stat().st_mtime_ns).get(field) or "")
    return ""


def describe(run: Run, field: str, text: str) -> None:
    """Give a run a title or a note, or take it away with an empty text; raises BadInput."""
    if field not in LONGEST:
        raise BadInput(f"A run has no {field!r} to set; give it a title or a note.")
    if len(text) > LONGEST[field]:
        raise BadInput(f"This {field} has {len(text):,} characters; give at most {LONGEST[field]:,}.")
    run.check_is_run()
    about = {name: said_of(run, name) for name in LONGEST} | {field: " ".join(text.split())}
    run.write(ABOUT, json.dumps(about))


def proposed(run: Run) -> str:
    """A name from a run's photos, labels and architecture; its folder's name if the recipe is damaged."""
    try:
        recipe, photos = recipe_of(run), photos_of_run(run)
        longer = "" if parent_of(run) is None else f"{recipe.training.epochs} more epochs"
    except BadInput:
        return run.name
    labels = f"{photos.labels} labels" if photos.labels else ""
    return ", ".join(filter(None, (photos.name, labels, short_architecture(recipe), *_corrected(run), longer)))


def _corrected(run: Run) -> list[str]:
    """What people had corrected when the run began: `3 labels corrected`."""
    file = run.folder / CORRECTED
    with suppress(OSError, BadInput):
        counts = _read(file, file.stat().st_mtime_ns)
        told = ((counts.get(kind), said) for kind, said in CORRECTIONS.items())
        return [f"{n} {said}" if n != 1 else f"1 {said.replace('labels', 'label')}" for n, said in told if n]
    return []


def short_architecture(recipe: Recipe) -> str:
    """The name of a recipe's network without its family: `lite0`."""
    return str(recipe.architecture.get("model", recipe.architecture["name"])).removeprefix("efficientnet_")


def photos_of_run(run: Run) -> RunPhotos:
    """The photos that a run was begun with; raises BadInput if its recipe is damaged."""
    name = source_name(recipe_of(run))
    file = run.folder / PHOTOS
    with suppress(OSError, ValueError):
        return _counted(name, file, file.stat().st_mtime_ns)
    return RunPhotos(name)


def source_name(recipe: Recipe) -> str:
    """What the photos of a recipe are called: the folder, the zip or the repository."""
    source = recipe.source
    return Path(str(source.get("path") or source.get("repo") or source["name"])).stem


@lru_cache(maxsize=1_000)
def recipe_of(run: Run) -> Recipe:
    """The recipe of a run, read once; raises BadInput."""
    return run.recipe


@lru_cache(maxsize=1_000)
def _counted(name: str, file: Path, changed: int) -> RunPhotos:
    content = file.read_bytes()
    known = json.loads(content)
    labels = {label for label, _ in known.values()}
    same = sorted((digest, label) for label, digest in known.values())  # however the files are called
    return RunPhotos(name, len(known), len(labels), hashlib.sha256(repr(same).encode()).hexdigest()[:4])


@lru_cache(maxsize=1_000)
def _read(file: Path, changed: int) -> dict[str, object]:
    try:
        document = json.loads(read_bytes(file, LARGEST))
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
