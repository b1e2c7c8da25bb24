"""What a person works on in a workspace: a recipe that is being edited, and the run being looked at."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from pathlib import Path
from threading import Lock, RLock
from typing import Any

from core.atomic import disk_error, write_atomic
from core.data import photo
from core.data.check import Examined, examine
from core.data.decoder import decoders
from core.data.propose import proposal
from core.errors import BadInput
from core.events import Checked
from core.recipe import Choice, Recipe
from core.registry import Registry, architectures, labellers, sources, splitters, transforms
from core.runs.run import LR_FINDS, PRESIZED, RUNS, Run, runs_in
from core.runs.start import start

DRAFT = "draft.json"
RECENT = 20  # runs that are asked whether they are under way
REMEMBERED = 16  # checked data sets that are kept in memory, of all projects
KINDS: dict[str, Registry[Any]] = {
    "labeller": labellers,
    "splitter": splitters,
    "item_tfms": transforms,
    "batch_tfms": transforms,
    "architecture": architectures,
}
VISITORS_AT_ONCE = 2  # that train
VISITOR_SECONDS = 3600.0  # of training, after which a run finishes early

_lock = RLock()
_starting = Lock()  # visitors, one after the other
_checked: dict[tuple[Path, str], Examined | BadInput] = {}
_listed: dict[tuple[Path, str], list[Path]] = {}


class Project:
    """All that a page shows comes from here, and from here alone: the draft and the runs of a folder.

    In a confined one, of a visitor, no path of a recipe may lead out of the folder.
    """

    def __init__(self, folder: Path, confined: bool = False) -> None:
        self.folder, self.confined = folder.absolute(), confined

    @property
    def recipe(self) -> Recipe | None:
        """The recipe being edited, if photos were brought."""
        document = self._draft().get("recipe")
        try:
            return Recipe.from_dict(document) if document else None
        except BadInput:  # a plugin that is gone, a draft of another version
            return None

    def open(self, source: Choice) -> None:
        """Begin with the photos of a source: list them and propose how to train on them; raises BadInput."""
        self._confine({"source": source})
        found = sources.build(source, self.folder)
        items = found()
        if not items:
            raise BadInput(
                f"No photos were found in {Path(found.root).name!r}; photos are files such as .jpg, .png and .webp."
            )
        recipe = proposal(items, found.root, source).absolute()
        if self.recipe is None or self.recipe.source != recipe.source:  # else what was chosen for them stays
            self.use(recipe)
        self.forget()

    def forget(self) -> None:
        """Let the photos be looked at again: they may be others now."""
        with _lock:
            for known in (_checked, _listed):
                for key in [k for k in known if k[0] == self.folder]:
                    known.pop(key, None)

    def names(self) -> list[Path]:
        """The photos' names as labellers see them, in the source's order; listed once. Raises BadInput."""
        key = self.folder, json.dumps(self.must_have_recipe().source)
        if key not in _listed:
            found = sources.build(self.must_have_recipe().source, self.folder)
            original = getattr(found, "original", Path)
            _put(_listed, key, [original(item) for item in found()])
        return _listed[key]

    def use(self, recipe: Recipe) -> None:
        """Edit this recipe from now on; raises BadInput if a path in it leads where it may not."""
        document = recipe.absolute().to_dict()
        self._confine(document)
        self._write(recipe=document)

    def edit(self, path: str, value: Any) -> None:
        """Set a knob, as in `training.epochs`; raises BadInput and changes nothing where it does not fit."""
        with _lock:
            self.use(self.must_have_recipe().with_settings([f"{path}={json.dumps(value)}"]))

    def choose(self, path: str, name: str) -> None:
        """Put the plugin `name`, with its defaults, at a place as `labeller` or `batch_tfms.0`; raises BadInput."""
        kind, _, index = path.partition(".")
        if kind not in KINDS or kind.endswith("_tfms") != index.isdecimal():
            raise BadInput(f"A recipe has no place {path!r} for a plugin.")
        knobs: dict[str, Any] = {}
        for param in KINDS[kind][name].params:
            if param.required and param.type is str:
                tables = sorted(self._root().rglob("*.csv")) if (path, param.name) == ("labeller", "path") else []
                knobs[param.name] = str(tables[0]) if tables else ""
        self.edit(path, {"name": name, **knobs})

    def must_have_recipe(self) -> Recipe:
        """The recipe being edited; raises BadInput where there is none."""
        if (recipe := self.recipe) is None:
            raise BadInput("There are no photos yet; bring some on the page Data.")
        return recipe

    @property
    def examined(self) -> Examined | BadInput | None:
        """The checked data set of the recipe, or why it cannot be used; None until `examine` has gone through."""
        return _checked.get(self._key()) if self.recipe else None

    def examine(self) -> Generator[Checked, None, None]:
        """Check the data set unless that was done."""
        key = self._key()
        if key in _checked:
            return
        try:
            decode = decoders().check if self.confined else photo.decode
            found: Examined | BadInput = yield from examine(self.must_have_recipe(), self.folder, decode)
        except BadInput as error:
            found = error
        except Exception as error:  # a labeller, a splitter, a source is anybody's code
            found = BadInput(f"These photos could not be checked: {type(error).__name__}: {error}.")
        _put(_checked, key, found)

    @property
    def runs(self) -> list[Run]:
        """The runs, the newest first."""
        return runs_in(self.folder)

    @property
    def run(self) -> Run | None:
        """The run being looked at: the one chosen, else the newest."""
        runs = self.runs
        chosen = self._draft().get("run")
        return next((run for run in runs if run.name == chosen), runs[0] if runs else None)

    def look_at(self, name: str) -> None:
        """Choose the run of that name; raises BadInput."""
        self._write(run=self.find(name).name)

    def find(self, name: str) -> Run:
        """The run of a plain name in this folder; raises BadInput for any other name."""
        for run in self.runs:
            if run.name == name:
                return run
        raise BadInput(f"There is no run {name!r} here; choose one of the list.")

    @property
    def lr_find(self) -> Run | None:
        """The newest learning-rate test."""
        return next(iter(runs_in(self.folder, LR_FINDS)), None)

    def start(self, kind: str = RUNS) -> Run:
        """Train the recipe, or test learning rates with it, in a process of its own; raises BadInput."""
        with _starting if self.confined else nullcontext():
            self._wait_for_others()
            run = Run.create(self.must_have_recipe(), self.folder, kind)
            try:
                start(run, seconds=self.seconds, cache=self.cache)
            finally:
                if kind == RUNS:
                    self._write(run=run.name)
        return run

    def resume(self, run: Run) -> None:
        """Go on with a run in a process of its own; raises BadInput."""
        with _starting if self.confined else nullcontext():
            self._wait_for_others()
            start(run, seconds=self.seconds, cache=self.cache)

    @property
    def seconds(self) -> float | None:
        """How long a run may train here before it finishes early, if that is limited."""
        return VISITOR_SECONDS if self.confined else None

    @property
    def cache(self) -> Path | None:
        """Where all visitors' presized photos are kept, in one bounded place, by their content alone."""
        return self.folder.resolve().parents[1] / PRESIZED if self.confined else None

    @property
    def under_way(self) -> Run | None:
        """The run or learning-rate test that has a process now, also one that was begun elsewhere."""
        recent = (run for kind in (RUNS, LR_FINDS) for run in runs_in(self.folder, kind)[:RECENT])
        return next((run for run in recent if run.process is not None), None)

    @property
    def version(self) -> str:
        """Another one whenever the draft, or what is known of its photos, is another."""
        known = "" if self.examined is None else str(id(self.examined))
        return f"{hash(json.dumps(self._draft()))} {known}"

    def plain(self, error: BadInput) -> str:
        """The sentence of an error, for a visitor without the part of its paths that is not theirs."""
        return str(error).replace(f"{self.folder}{os.sep}", "") if self.confined else str(error)

    def _wait_for_others(self) -> None:
        """Raise BadInput where this visitor or too many others have a run under way, as each takes gigabytes."""
        if not self.confined:
            return
        own = self._under_way(self.folder)
        if own or sum(map(self._under_way, self.folder.parent.iterdir())) >= VISITORS_AT_ONCE:
            whose = "A run of yours is" if own else "Runs of others are"
            raise BadInput(f"{whose} under way on this computer; try again when it is through.")

    @staticmethod
    def _under_way(folder: Path) -> int:
        return sum(run.process is not None for kind in (RUNS, LR_FINDS) for run in runs_in(folder, kind))

    def _root(self) -> Path:
        return Path(sources.build(self.must_have_recipe().source, self.folder).root)

    def _key(self) -> tuple[Path, str]:
        recipe = self.must_have_recipe()
        parts = (recipe.source, recipe.labeller, recipe.splitter, recipe.training.bad_photos)
        return self.folder, json.dumps(parts)

    def _confine(self, document: dict[str, Any]) -> None:
        """Raise BadInput where a recipe, or a part of one, leads out of a confined folder."""
        if not self.confined:
            return
        source = document["source"].get("name")
        if not getattr(sources[source].factory, "for_visitors", False):
            raise BadInput(f"The source {source!r} is not open to visitors; upload photos or a zip.")
        for name, value in _texts(document):
            is_path = "path" in name or "/" in value or "\\" in value
            if is_path and value and name != "pattern" and not self._inside(value):
                raise BadInput(f"{name} {value!r} lies outside of your workspace; upload the file instead.")

    def _inside(self, path: str) -> bool:
        return Path(path).resolve().is_relative_to(self.folder.resolve())

    def _draft(self) -> dict[str, Any]:
        try:
            document = json.loads((self.folder / DRAFT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    def _write(self, **changes: Any) -> None:
        with _lock:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise disk_error(self.folder, error) from error
            write_atomic(self.folder / DRAFT, json.dumps(self._draft() | changes, indent=1))


def _put(known: dict[Any, Any], key: Any, value: Any) -> None:
    with _lock:
        known[key] = value
        while len(known) > REMEMBERED:
            del known[next(iter(known))]


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a document, with the name of its knob."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, str(key))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner, name)
