"""A visitor's project: confined to its folder, with quotas of disk space and a fair share of training time."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from core.data.decoder import decoders
from core.data.files import get_tables
from core.data.journal import Journal
from core.errors import BadInput
from core.events import Checked
from core.model.architecture import parameters_of
from core.recipe import Choice, Recipe
from core.runs.listing import runs_in
from core.runs.run import LOCK, LR_FINDS, PRESIZED, RUNS, Run
from plugins.panels.kit.project.discarded import empty
from plugins.panels.kit.project.plain import plain
from plugins.panels.kit.project.project import Project
from plugins.panels.kit.serving.confinement import check_confined
from plugins.panels.kit.serving.hourly import Hourly
from plugins.panels.kit.views.drop import unpacked

MB, GB = 2**20, 2**30
LIMIT = 4 * GB  # bytes in a visitor's folder
HOURLY = 6 * LIMIT  # bytes that an address may upload, unpack and train in an hour, with any cookies
UPLOADED = ("folder", "zip")  # sources of uploads; other sources create their photos
SOURCE, RUN = GB // 32, GB // 2  # bytes that a source and a run count as
JOURNAL = 8 * MB  # of what a visitor says about photos, 70,000 acts, which take a second to read after each
TABLES = 20 * MB  # bytes of all tables among the photos of a visitor
MAX_TRAINING = 2  # visitors that train at the same time
SECONDS = 3600.0  # of training after which a run finishes early
FAIR = 600.0  # the same while another visitor is waiting
WAITS = 300.0  # seconds for which a refused visitor has priority over those who trained more recently

CHECKS = 4  # data sets checked at the same time
LONGEST_CHECK = 1200.0  # seconds of decoding
LARGEST_NETWORK = 60_000_000  # parameters

_starting = Lock()  # visitors start runs one at a time
_checking, _checks = Lock(), set[str]()  # the addresses whose photos are being checked
_waiting: dict[tuple[str, str], float] = {}  # by address and folder: when a run was refused
_trained: dict[str, float] = {}  # by folder and by address: when the last run was started
_used = Hourly()


class VisitorProject(Project):
    """The project of a visitor whose requests come from `address`."""

    confined = True
    seconds = SECONDS

    def __init__(self, folder: Path, address: str = "") -> None:
        super().__init__(folder)
        self.address = address
        self.cache = self.folder.parents[1] / PRESIZED  # shared by all visitors, bounded, keyed by content
        self.decode = self._decode
        self._spent = 0.0  # seconds of decoding so far

    def admit(self, document: Mapping[str, Any]) -> None:
        """Raise BadInput if a visitor may not use a recipe, or a part of one."""
        check_confined(document, self.folder)

    def check_tables(self, root: Path) -> None:
        """Raise BadInput if the tables in a folder are larger than those of a hundred thousand photos."""
        size = sum(table.stat().st_size for table in get_tables(root))
        if size > TABLES:
            raise BadInput(
                f"Tables of {size / MB:,.0f} MB are more than the {TABLES // MB} MB that are read here; upload less."
            )

    @property
    def journal(self) -> Journal:
        """The journal; raises BadInput if it is too long to say more."""
        found = super().journal
        if found.path.exists() and found.path.stat().st_size > JOURNAL:
            raise BadInput("You have said as much about these photos as is kept here; your labels stay, and can train.")
        return found

    def examine(self) -> Generator[Checked, None, None]:
        """Check the data set, at most one per address and CHECKS in all at a time; else postpone it."""
        with _checking:
            if not self._has_room():
                return
            _checks.add(self.address)
        try:
            yield from super().examine()
        finally:
            with _checking:
                _checks.discard(self.address)

    @property
    def may_examine(self) -> bool:
        """Whether the check of these photos may start now; it may not while too many others are under way."""
        with _checking:
            return super().may_examine and self._has_room()

    def _has_room(self) -> bool:
        return self.address not in _checks and len(_checks) < CHECKS

    def _decode(self, file: Path) -> None:
        if self._spent > LONGEST_CHECK:
            raise BadInput(
                f"Reading these photos takes more than {LONGEST_CHECK / 60:.0f} minutes; upload fewer or smaller ones."
            )
        decoders().check(file, self._spend)

    def _spend(self, seconds: float) -> None:
        self._spent += seconds

    def refuse(self, error: BadInput) -> None:
        """Remember the error only if the folder exists, so that refused requests do not create folders."""
        if self.folder.exists():
            super().refuse(error)

    def open(self, source: Choice) -> None:
        """Open a source within the quota; a zip that cannot be used does not stay unpacked."""
        if source.get("name") not in UPLOADED:
            self.check_room(SOURCE)  # before the source creates photos
        before = set(self._unpacked())
        try:
            super().open(source)
        except BadInput:
            for folder in set(self._unpacked()) - before:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def use(self, recipe: Recipe) -> None:
        """Edit this recipe from now on; a source that is new, and what it unpacks, count towards the quota."""
        recipe = self._admitted(recipe)
        if all(known is None or known.source != recipe.source for known in (self.recipe, self.earlier)):
            self.check_room(max(SOURCE, _unpacked(recipe.source)))
        super().use(recipe)

    def check_room(self, size: int) -> None:
        """Raise BadInput if `size` more bytes exceed the visitor's quota or do not fit on the disk."""
        empty(self.folder)
        if bytes_in(self.folder) + size > LIMIT:
            raise BadInput(
                f"Your workspace here is limited to {LIMIT // GB} GB, which this would exceed; delete some runs."
            )
        super().check_room(size)
        if not _used.take(self.address, size, HOURLY):
            raise BadInput("Your address has reached its hourly limit; try again later.")

    def start(self, kind: str = RUNS) -> Run:
        """Start a run if this visitor may train now; raises BadInput."""
        self.check_network()
        with self._turn():
            return super().start(kind)

    def train_longer(self, run: Run, epochs: int) -> Run:
        """Train a run's model further if this visitor may train now; raises BadInput."""
        with self._turn():
            return super().train_longer(run, epochs)

    def resume(self, run: Run) -> None:
        """Resume a run if this visitor may train now; raises BadInput."""
        with self._turn():
            super().resume(run)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Use this visitor's turn to train, once what is started in the block has started; raises BadInput."""
        with _starting:
            self._check_turn()
            yield
            self._take_turn()

    def plain(self, error: BadInput) -> str:
        """The message of an error, with paths shown relative to the visitor's workspace."""
        return plain(str(error), self.folder, "your workspace")

    def _check_turn(self) -> None:
        """Raise BadInput if too many runs are under way: each takes gigabytes and all cores."""
        if any(_under_way(self.folder)):
            raise BadInput("A run of yours is under way on this computer; stop it, or try again when it has ended.")
        now = time.monotonic()
        _forget(_waiting, now - WAITS)
        _forget(_trained, now - SECONDS)
        busy = [run for folder in self.folder.parent.iterdir() for run in _under_way(folder)]
        before = {a for a, folder in _waiting if a != self.address and self._trained_after(a, folder)}
        if len(busy) + len(before) >= MAX_TRAINING:
            _waiting[self.address, str(self.folder)] = now
            for run in busy:
                _make_room(run)
            raise BadInput("Runs of others are under way on this computer; try again in a minute or two.")
        self.check_room(0)

    def _take_turn(self) -> None:
        """Count a run that has been started."""
        _used.take(self.address, RUN, None)
        _waiting.pop((self.address, str(self.folder)), None)
        _trained[str(self.folder)] = _trained[self.address] = time.monotonic()

    def check_network(self) -> None:
        """Raise BadInput if there is no recipe, or if its network is too large for a visitor."""
        recipe = self.require_recipe()
        if (count := parameters_of(recipe.architecture)) > LARGEST_NETWORK:
            raise BadInput(
                f"A network of {count / 1e6:.0f} million parameters is too large here; "
                f"choose one of up to {LARGEST_NETWORK / 1e6:.0f} million."
            )

    def _trained_after(self, address: str, folder: str) -> bool:
        """Whether this visitor, by folder or by address, has trained more recently than another."""
        own, other = ((str(self.folder), self.address), (folder, address))
        return max(_trained.get(key, 0.0) for key in own) > max(_trained.get(key, 0.0) for key in other)

    def _unpacked(self) -> Iterator[Path]:
        return (self.folder / "sources").glob("*")


def _unpacked(source: Choice) -> int:
    return unpacked(Path(source["path"])) if source["name"] == "zip" else 0


def bytes_in(folder: Path) -> int:
    """The total size of all files below a folder."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # a training run keeps replacing its files
                total += os.lstat(os.path.join(here, name)).st_size
    return total


def _forget(times: dict[Any, float], before: float) -> None:
    for key in [key for key, at in times.items() if at < before]:
        del times[key]


def _under_way(folder: Path) -> Iterator[Run]:
    return (run for kind in (RUNS, LR_FINDS) for run in runs_in(folder, kind) if run.process is not None)


def _make_room(run: Run) -> None:
    """Make a run that has had its share of time finish early."""
    with suppress(BadInput, OSError):  # the run has just ended
        if time.time() - (run.folder / LOCK).stat().st_mtime > FAIR:
            run.stop() if run.is_lr_find else run.finish()
