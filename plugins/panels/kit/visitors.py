"""A visitor's project: a folder that nothing leads out of, bounded room, and a fair share of the computer."""

from __future__ import annotations

import ntpath
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from core.data.decoder import decoders
from core.errors import BadInput
from core.recipe import Choice, Recipe, path_options
from core.registry import sources
from core.runs.project import Project
from core.runs.run import LR_FINDS, PRESIZED, RUNS, Run, runs_in
from plugins.panels.kit.hourly import Hourly

GB = 2**30
LIMIT = 4 * GB  # bytes of all that a visitor's folder holds,
HOURLY = 3 * LIMIT  # and of what an address brings, unpacks and trains in an hour, whatever its cookies
SOURCE, RUN = GB // 32, GB // 2  # bytes for which a source and a run are counted
AT_ONCE = 2  # visitors that train
SECONDS = 3600.0  # of training, after which a run finishes early,
FAIR = 600.0  # or after so many, where another visitor waits
WAITS = 300.0  # seconds for which one who was turned away comes before those who trained more recently

_starting = Lock()  # visitors, one after the other
_waiting: dict[Path, float] = {}  # when it was turned away
_trained: dict[str, float] = {}  # by folder and by address: when it last began a run
_brought = Hourly()


class VisitorProject(Project):
    """What a visitor works on; `address` is where the requests come from."""

    confined = True
    seconds = SECONDS

    def __init__(self, folder: Path, address: str = "") -> None:
        super().__init__(folder)
        self.address = address
        self.cache = self.folder.parents[1] / PRESIZED  # of all visitors, bounded, by content alone
        self.decode = decoders().check  # which can be ended

    def admit(self, document: Mapping[str, Any]) -> None:
        """Raise BadInput where a recipe, or a part of one, leads out of the folder."""
        if "source" in document:
            name = document["source"].get("name")
            if not getattr(sources[name].factory, "for_visitors", False):
                raise BadInput(f"The source {name!r} is not open to visitors; upload photos or a zip.")
        for key, part in document.items():
            paths = path_options(key, part)
            for name, value in _texts(part):
                if not self._inside(value) if name in paths else name != "pattern" and _leads_out(value):
                    raise BadInput(f"{name} {value[:80]!r} lies outside of your workspace; upload the file instead.")

    def open(self, source: Choice) -> None:
        """The same; what was unpacked of a zip that cannot be used takes no room."""
        before = set(self._unpacked())
        try:
            super().open(source)
        except BadInput:
            for folder in set(self._unpacked()) - before:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def use(self, recipe: Recipe) -> None:
        """The same; what another source draws or unpacks is counted."""
        if self.recipe is None or self.recipe.source != recipe.source:
            self.must_have_room(SOURCE)
        super().use(recipe)

    def must_have_room(self, size: int) -> None:
        """Raise BadInput where `size` more bytes are too many for a visitor, or for the disk."""
        if bytes_in(self.folder) + size > LIMIT:
            raise BadInput(
                f"Your workspace here may hold {LIMIT // GB} GB; this would be more. Delete runs to make room."
            )
        if _brought.of(self.address) + size > HOURLY:
            raise BadInput("Too much has come from your address in this hour; try again later.")
        super().must_have_room(size)
        _brought.add(self.address, size)

    def start(self, kind: str = RUNS) -> Run:
        """The same, where this visitor may train now; raises BadInput."""
        with _starting:
            self._must_have_a_turn()
            return super().start(kind)

    def resume(self, run: Run) -> None:
        """The same, where this visitor may train now; raises BadInput."""
        with _starting:
            self._must_have_a_turn()
            super().resume(run)

    def plain(self, error: BadInput) -> str:
        """The sentence of an error, without the part of its paths that is not the visitor's."""
        return str(error).replace(f"{self.folder}{os.sep}", "").replace(str(self.folder), "your workspace")

    def _must_have_a_turn(self) -> None:
        """Raise BadInput where a run would be one too many: each takes gigabytes and all cores."""
        self.must_have_room(RUN)
        if any(_under_way(self.folder)):
            raise BadInput("A run of yours is under way on this computer; stop it, or try again when it is through.")
        now = time.monotonic()
        busy = [run for folder in self.folder.parent.iterdir() for run in _under_way(folder)]
        before = [folder for folder, at in _waiting.items() if now - at < WAITS and self._trained(folder)]
        if len(busy) + len(before) >= AT_ONCE:
            _waiting[self.folder] = now
            for run in busy:
                _make_room(run)
            raise BadInput("Runs of others are under way on this computer; try again in a minute or two.")
        _waiting.pop(self.folder, None)
        _trained[str(self.folder)] = _trained[self.address] = now

    def _trained(self, other: Path) -> bool:
        """Whether this visitor trained more recently than `other`, by cookie or by address."""
        return max(_trained.get(str(self.folder), 0.0), _trained.get(self.address, 0.0)) > _trained.get(str(other), 0.0)

    def _unpacked(self) -> Iterator[Path]:
        return (self.folder / "sources").glob("*")

    def _inside(self, path: str) -> bool:
        return Path(path).resolve().is_relative_to(self.folder.resolve())


def bytes_in(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # a run that trains here replaces its files all the time
                total += os.lstat(os.path.join(here, name)).st_size
    return total


def _under_way(folder: Path) -> Iterator[Run]:
    return (run for kind in (RUNS, LR_FINDS) for run in runs_in(folder, kind) if run.process is not None)


def _make_room(run: Run) -> None:
    """Let a run that had its share finish early."""
    with suppress(BadInput, OSError):  # it has just ended
        if time.time() - (run.folder / "lock").stat().st_mtime > FAIR:
            run.stop() if run.is_lr_find else run.finish()


def _leads_out(value: str) -> bool:
    """Whether a text, were it a path or an address, would lead out of any folder; a column may be called `km/h`."""
    path = value.replace("\\", "/")
    is_address = re.match(r"[\w+.-]+:.*/", path, re.DOTALL) or ntpath.splitdrive(value)[0]
    return bool(is_address) or path.startswith(("/", "~")) or ".." in path.split("/")


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a document, with the name of its option."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, str(key))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner, name)
