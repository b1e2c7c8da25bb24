"""A project: the recipe being edited in a workspace, its photos as checked, and its runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.data.check import Examined, examine
from core.data.corrections import Corrections
from core.data.files import no_photos
from core.data.journal import NAME as JOURNAL
from core.data.journal import Journal
from core.data.leftovers import relocated
from core.data.propose import names_of, proposal
from core.errors import BadInput
from core.events import Checked
from core.recipe import Choice, Recipe
from core.registry import Registry, labellers, sources, splitters
from core.runs.run import LR_FINDS, PRESIZED, QUEUED, RUNS, Run, runs_in
from core.runs.start import start
from plugins.panels.kit.project.checked import CHECKED, LISTED, NAMES, PHOTOS
from plugins.panels.kit.project.draft import Draft
from plugins.panels.kit.project.places import check_transforms, follow_metrics

RECENT = 20  # newest runs checked for being under way
BUILT: dict[str, Registry[Any]] = {"labeller": labellers, "splitter": splitters}  # these depend on the source
SPARE = 2**30  # bytes of the disk that must stay free


class Project:
    """The draft and the runs of a folder, from which alone pages draw everything they show.

    In the draft, paths inside the folder are relative to it; the `recipe` has absolute paths.
    """

    confined = False  # whether a recipe may only use paths inside the folder
    seconds: float | None = None  # training time after which a run finishes early
    cache: Path | None = None  # the folder of presized photos, if not in the workspace
    decode: Callable[[Path], object] | None = None  # the check's decoder, if not its own

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()  # a run resolves its workspace too
        self.draft = Draft(self.folder)
        self._recipes: dict[str, tuple[object, Recipe | None]] = {}  # each with the document it was read from

    @property
    def recipe(self) -> Recipe | None:
        """The recipe being edited, or None if there are no photos yet."""
        return self._recipe("recipe")

    @property
    def shown_recipe(self) -> Recipe | None:
        """The recipe as forms show it; where it is `confined`, its paths are relative to the folder."""
        recipe = self.recipe
        return recipe.relative_to(self.folder) if recipe and self.confined else recipe

    def _recipe(self, name: str) -> Recipe | None:
        document = self.draft.read().get(name)
        read, recipe = self._recipes.get(name, (None, None))
        if document is not read:
            try:
                recipe = self._admitted(Recipe.from_dict(document)) if document else None
            except BadInput:  # a missing plugin, or a draft of another version
                recipe = None
            self._recipes[name] = document, recipe
        return recipe

    @property
    def may_examine(self) -> bool:
        """Whether a postponed check may start now; the owner's checks are never postponed."""
        return False

    def admit(self, document: Mapping[str, Any]) -> None:
        """Raise BadInput if a recipe, or a part of one, may not be used here; the owner may use any."""

    def check_tables(self, root: Path) -> None:
        """Raise BadInput if the tables in a folder take too long to read; the owner may wait."""

    def build(self, kind: str, recipe: Recipe) -> Any:
        """Build the source, labeller or splitter of a recipe, after `admit`; raises BadInput."""
        admitted = self._admitted(recipe)
        source = sources.build(admitted.source, self.folder)
        return source if kind == "source" else BUILT[kind].build(relocated(kind, getattr(admitted, kind), source))

    def open(self, source: Choice) -> None:
        """List the photos of a source and edit a recipe proposed for them from now on; raises BadInput."""
        self.admit({"source": source})
        found = sources.build(source, self.folder)
        items = found()
        if not items:
            raise no_photos(Path(found.root), shown=Path(found.root).name)
        self.check_tables(Path(found.root))
        recipe, reasons = proposal(names_of(found, items), Path(found.root), source)
        recipe = recipe.absolute()
        known = (r for r in (self.recipe, self.earlier) if r and r.source == recipe.source)
        with self.draft.lock:
            aside = self._put_aside()
            if aside and aside.source != recipe.source:
                self.draft.write(earlier=self._document(aside))
            self.put(next(known, recipe))  # keeps earlier edits for the same photos
            self.draft.write(reasons=reasons)
        self.forget()

    @property
    def reasons(self) -> list[str]:
        """The reasons for the proposed labeller and splitter of the current photos."""
        return list(self.draft.read().get("reasons") or ())

    def check_network(self) -> None:
        """Raise BadInput if the recipe's network may not be used here; the owner may use any."""

    def check_room(self, size: int) -> None:
        """Raise BadInput if the disk has no room for `size` more bytes."""
        there = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
        if shutil.disk_usage(there).free < size + SPARE:
            raise BadInput(f"The disk of {self.folder.name!r} has too little room for these photos; free some space.")

    def forget(self) -> None:
        """Drop the cached names and check results, so that the photos are read again."""
        for known in (CHECKED, LISTED, NAMES, PHOTOS):
            known.forget(self.folder)

    def names(self) -> list[Path]:
        """The photos' paths as labellers see them, in the source's order, listed once; raises BadInput."""
        recipe = self.require_recipe()
        key = json.dumps(recipe.source)
        names = NAMES.get(self.folder, key)
        if names is None:
            found = self.build("source", recipe)
            original = getattr(found, "original", Path)
            names = [original(item) for item in found()]
            NAMES.put(self.folder, key, names)
        return names

    def use(self, recipe: Recipe) -> None:
        """Make this the recipe being edited; raises BadInput if it may not be used here."""
        self.put(recipe)

    def put(self, recipe: Recipe) -> None:
        """`use` for a recipe whose photos are here already; raises BadInput."""
        self.draft.write(recipe=self._document(recipe), refused="")

    def refuse(self, error: BadInput) -> None:
        """Remember why new photos cannot be used; there are no photos until others are added or `go_back`."""
        with self.draft.lock:
            aside = self._put_aside()
            self.draft.write(refused=self.plain(error), earlier=self._document(aside) if aside else None, recipe=None)

    @property
    def refused(self) -> str:
        """Why the newest photos cannot be used; empty if they can."""
        return str(self.draft.read().get("refused") or "")

    @property
    def earlier(self) -> Recipe | None:
        """The recipe of the previous photos."""
        return self._recipe("earlier")

    def go_back(self) -> None:
        """Return to the recipe of the previous photos; raises BadInput if there are none."""
        if (recipe := self.earlier) is None:
            raise BadInput("There are no earlier photos to go back to; add some on the Data page.")
        self.use(recipe)

    def changed(self, path: str, value: Any) -> Recipe:
        """The recipe with another value at a path such as `training.epochs`; raises BadInput if it is not valid."""
        before = self.require_recipe()
        after = self._admitted(before.with_settings([f"{path}={json.dumps(value)}"]))
        if (before.item_tfms, before.batch_tfms) != (after.item_tfms, after.batch_tfms):
            check_transforms(after)
        return follow_metrics(before, after)

    def edit(self, path: str, value: Any) -> None:
        """Set an option by its path, such as `training.epochs`; raises BadInput and changes nothing if not valid."""
        with self.draft.lock:
            self.use(self.changed(path, value))

    def require_recipe(self) -> Recipe:
        """The recipe being edited; raises BadInput if there is none."""
        if (recipe := self.recipe) is None:
            raise BadInput(self.refused or "There are no photos yet; add some on the Data page.")
        return recipe

    @property
    def journal(self) -> Journal:
        """What people said about the photos; each line can be undone."""
        return Journal(self.folder)

    @property
    def corrections(self) -> Corrections:
        """What the journal says now."""
        return _corrections(self.folder, self.said)

    @property
    def said(self) -> tuple[int, ...]:
        """What changes whenever the journal does."""
        try:
            about = (self.folder / JOURNAL).stat()
        except OSError:
            return ()
        return about.st_ino, about.st_size, about.st_mtime_ns

    @property
    def examined(self) -> Examined | BadInput | None:
        """The checked data set of the recipe, or why it cannot be used; None until `examine` has finished."""
        recipe = self.recipe
        return CHECKED.get(self.folder, self._photos_key(recipe)) if recipe else None

    @property
    def ready(self) -> bool:
        """Whether the photos have been checked and suffice for training."""
        return isinstance(found := self.examined, Examined) and not found.unready

    def examine(self) -> Generator[Checked, None, None]:
        """Check the data set of the recipe, unless it has been checked, and yield the progress."""
        recipe = self.require_recipe()
        key = self._photos_key(recipe)
        if CHECKED.get(self.folder, key) is not None:
            return
        try:
            found: Examined | BadInput = yield from examine(
                recipe, self.folder, self.decode, self.cache or self.folder / PRESIZED
            )
        except BadInput as error:
            found = error
        except Exception as error:  # a third-party plugin failed
            found = BadInput(f"These photos could not be checked: {type(error).__name__}: {error}.")
        CHECKED.put(self.folder, key, found)

    @property
    def runs(self) -> list[Run]:
        """The runs, newest first."""
        return runs_in(self.folder)

    @property
    def run(self) -> Run | None:
        """The selected run, else the newest."""
        runs = self.runs
        chosen = self.draft.read().get("run")
        newest = runs[0] if runs else None
        return next((run for run in runs if run.name == chosen), newest) if chosen else newest

    def look_at(self, name: str) -> None:
        """Select the run of that name; raises BadInput."""
        self.draft.write(run=self.find(name).name)

    def find(self, name: str) -> Run:
        """The run of that name in this folder; raises BadInput if there is none."""
        for run in self.runs:
            if run.name == name:
                return run
        raise BadInput(f"There is no run {name!r} here; choose one from the list.")

    @property
    def lr_find(self) -> Run | None:
        """The newest run of the LR finder."""
        return next(iter(runs_in(self.folder, LR_FINDS)), None)

    def start(self, kind: str = RUNS) -> Run:
        """Train the recipe, or run the LR finder with it, in a process of its own; raises BadInput."""
        recipe = self.require_recipe()
        if isinstance(found := self.examined, BadInput):
            raise BadInput(str(found))
        if found and found.unready:
            raise BadInput(found.unready)
        trains = self.under_way
        run = Run.create(recipe, self.folder, kind)
        with run.beginning():
            try:
                start(run, seconds=self.seconds, cache=self.cache)
            finally:
                if kind == RUNS:  # while another run trains, that one stays selected
                    self.draft.write(run=(run if trains is None or trains.is_lr_find else trains).name)
        return run

    def resume(self, run: Run) -> None:
        """Resume a run in a process of its own; raises BadInput."""
        start(run, seconds=self.seconds, cache=self.cache)

    @property
    def under_way(self) -> Run | None:
        """The run that has a live process, including LR finder runs and runs started elsewhere; queued ones last."""
        recent = (run for kind in (RUNS, LR_FINDS) for run in runs_in(self.folder, kind)[:RECENT])
        alive = [run for run in recent if run.process is not None]
        return next((run for run in alive if run.status != QUEUED), alive[0] if alive else None)

    @property
    def version(self) -> str:
        """A token that changes whenever the draft or the check result of its photos does."""
        return f"{hash(json.dumps(self.draft.read()))} {id(self.examined)}"

    def plain(self, error: BadInput) -> str:
        """The message of an error as it may be shown to the user of this project."""
        return str(error)

    def _admitted(self, recipe: Recipe) -> Recipe:
        """A recipe with absolute paths, relative ones taken from the folder; raises BadInput if it may not be used."""
        placed = recipe.absolute(self.folder) if self.confined else recipe.absolute(self.folder, Path())
        self.admit(placed.to_dict())
        return placed

    def _document(self, recipe: Recipe) -> dict[str, Any]:
        return self._admitted(recipe).relative_to(self.folder).to_dict()

    def _photos_key(self, recipe: Recipe) -> str:
        """A cache key of what the check depends on."""
        parts = recipe.source, recipe.labeller, recipe.splitter, recipe.training.bad_photos
        return json.dumps((*parts, self.said))

    def _put_aside(self) -> Recipe | None:
        """The newest recipe whose photos are not known to be unusable."""
        recipe = self.recipe if not isinstance(self.examined, BadInput) else None
        return recipe or self.earlier


@lru_cache(maxsize=16)
def _corrections(folder: Path, stamp: tuple[int, ...]) -> Corrections:
    return Journal(folder).corrections if stamp else Corrections()
