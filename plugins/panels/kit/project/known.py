"""In-memory caches for the photos of all projects: their names, their list for the grid, and the results of checks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from core.data.check import Examined
from core.errors import BadInput

if TYPE_CHECKING:
    from plugins.panels.kit.project.labels import Photos

FOLDERS, VALUES = 32, 3  # folders in each cache, and values of each folder: who labels a lot displaces only their own
T = TypeVar("T")


@dataclass
class _Folder(Generic[T]):
    values: dict[str, T] = field(default_factory=dict)  # the oldest first
    forgotten: int = 0  # how often
    version: int = 0
    turn: Lock = field(default_factory=Lock)  # held while a value is made


class Known(Generic[T]):
    """A cache by a project's folder and a key; beyond its limits the oldest values are dropped."""

    def __init__(self) -> None:
        self._folders: OrderedDict[Path, _Folder[T]] = OrderedDict()
        self._changes = 0
        self._lock = Lock()

    def get(self, folder: Path, key: str) -> T | None:
        """The cached value, or None."""
        with self._lock:
            here = self._folders.get(folder)
            if here:
                self._folders.move_to_end(folder)
            return here.values.get(key) if here else None

    def put(self, folder: Path, key: str, value: T, forgotten: int | None = None) -> None:
        """Cache a value, unless the folder's values were dropped since they had been `forgotten` that often."""
        with self._lock:
            here = self._of(folder)
            if forgotten not in (None, here.forgotten):
                return
            here.values.pop(key, None)
            here.values[key] = value
            while len(here.values) > VALUES:
                del here.values[next(iter(here.values))]
            self._change(here)

    def made(self, folder: Path, key: str, make: Callable[[], T]) -> T:
        """The cached value, else one that is made and cached; several threads of a folder make it once."""
        if (value := self.get(folder, key)) is not None:
            return value
        with self._lock:
            here = self._of(folder)
        with here.turn:
            if (value := self.get(folder, key)) is None:
                forgotten = here.forgotten
                value = make()
                self.put(folder, key, value, forgotten)
        return value

    def forget(self, folder: Path) -> None:
        """Drop all values of a project."""
        with self._lock:
            here = self._of(folder)
            here.values.clear()
            here.forgotten += 1
            self._change(here)

    def forgotten(self, folder: Path) -> int:
        """How often the values of a project were dropped."""
        with self._lock:
            return self._of(folder).forgotten

    def version(self, folder: Path) -> int:
        """A number that changes with the values of a project."""
        with self._lock:
            return self._folders[folder].version if folder in self._folders else 0

    def _of(self, folder: Path) -> _Folder[T]:
        here = self._folders.setdefault(folder, _Folder())
        self._folders.move_to_end(folder)
        while len(self._folders) > FOLDERS:
            self._folders.popitem(last=False)
        return here

    def _change(self, here: _Folder[T]) -> None:
        self._changes += 1
        here.version = self._changes


NAMES: Known[list[Path]] = Known()
CHECKED: Known[Examined | BadInput] = Known()
PHOTOS: Known[Photos] = Known()
LISTED: Known[dict[str, Any]] = Known()
