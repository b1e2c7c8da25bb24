"""The photos of the recipe being edited: listed, corrected by people, and checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from functools import lru_cache
from pathlib import Path
from threading import Lock
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
from core.runs.run import PRESIZED
from plugins.panels.kit.project.edited import EditedRecipe
from plugins.panels.kit.project.known import CHECKED, LISTED, NAMES, PHOTOS

BUILT: dict[str, Registry[Any]] = {"labeller": labellers, "splitter": splitters}  # these depend on the source

_lock = Lock()
_under_way: set[tuple[Path, str]] = set()  # the checks of all projects


class CheckedRecipe(EditedRecipe):
    """The recipe being edited, what people said about its photos, and the check of these."""

    cache: Path | None = None  # the folder of presized photos, if not in the workspace
    decode: Callable[[Path], object] | None = None  # the check's decoder, if not its own

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

    def refuse(self, error: BadInput) -> None:
        """Remember why new photos cannot be used; there are no photos until others are added or `go_back`."""
        with self.draft.lock:
            aside = self._put_aside()
            self.draft.write(refused=self.plain(error), earlier=self._document(aside) if aside else None, recipe=None)

    def go_back(self) -> None:
        """Return to the recipe of the previous photos, and from there to these; raises BadInput if there are none."""
        with self.draft.lock:
            aside = self._put_aside()
            super().go_back()
            self.draft.write(earlier=self._document(aside) if aside else None, reasons=[])

    def forget(self) -> None:
        """Drop the cached names and check results, so that the photos are read again."""
        for known in (CHECKED, LISTED, NAMES, PHOTOS):
            known.forget(self.folder)

    def names(self) -> list[Path]:
        """The photos' paths as labellers see them, in the source's order, listed once; raises BadInput."""
        recipe = self.require_recipe()

        def list_names() -> list[Path]:
            found = self.build("source", recipe)
            return list(map(getattr(found, "original", Path), found()))

        return NAMES.made(self.folder, json.dumps(recipe.source), list_names)

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

    @property
    def may_examine(self) -> bool:
        """Whether the check of these photos may start now; it may not while it is under way."""
        recipe = self.recipe
        return recipe is None or (self.folder, self._photos_key(recipe)) not in _under_way

    def examine(self) -> Generator[Checked, None, None]:
        """Check the data set of the recipe, unless that is done or under way, and yield the progress."""
        recipe = self.require_recipe()
        key = self._photos_key(recipe)
        check = self.folder, key
        with _lock:
            if check in _under_way or CHECKED.get(self.folder, key) is not None:
                return
            _under_way.add(check)
        forgotten = CHECKED.forgotten(self.folder)
        try:
            found: Examined | BadInput = yield from examine(
                recipe, self.folder, self.decode, self.cache or self.folder / PRESIZED
            )
        except BadInput as error:
            found = error
        except Exception as error:  # a third-party plugin failed
            found = BadInput(f"These photos could not be checked: {type(error).__name__}: {error}.")
        finally:
            with _lock:
                _under_way.discard(check)
        CHECKED.put(self.folder, key, found, forgotten)

    @property
    def version(self) -> str:
        """A token that changes whenever the draft, the journal or the check result of the photos does."""
        return f"{hash(json.dumps(self.draft.read()))} {self.said} {CHECKED.version(self.folder)}"

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
