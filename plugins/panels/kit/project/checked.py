"""In-memory caches for the photos of all projects: the names in each source, and the results of the check."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from core.data.check import Examined
from core.errors import BadInput

CACHED_VALUES = 16  # values in each cache
T = TypeVar("T")


class Known(Generic[T]):
    """A cache by a project's folder and a key; beyond CACHED_VALUES values the oldest is dropped."""

    def __init__(self) -> None:
        self._values: dict[tuple[Path, str], T] = {}
        self._lock = Lock()

    def get(self, folder: Path, key: str) -> T | None:
        """The cached value, or None."""
        return self._values.get((folder, key))

    def put(self, folder: Path, key: str, value: T) -> None:
        """Cache a value."""
        with self._lock:
            self._values[folder, key] = value
            while len(self._values) > CACHED_VALUES:
                del self._values[next(iter(self._values))]

    def forget(self, folder: Path) -> None:
        """Drop all values of a project."""
        with self._lock:
            for key in [key for key in self._values if key[0] == folder]:
                del self._values[key]


NAMES: Known[list[Path]] = Known()
CHECKED: Known[Examined | BadInput] = Known()
