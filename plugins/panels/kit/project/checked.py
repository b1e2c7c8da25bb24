"""What is known of the photos of all projects, in memory: the names in each source, and what the check found."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from core.data.check import Examined
from core.errors import BadInput

KEPT = 16  # values of each kind
T = TypeVar("T")


class Known(Generic[T]):
    """Values by the folder of a project and a key; beyond KEPT the oldest are dropped."""

    def __init__(self) -> None:
        self._values: dict[tuple[Path, str], T] = {}
        self._lock = Lock()

    def get(self, folder: Path, key: str) -> T | None:
        """The value, if it is known."""
        return self._values.get((folder, key))

    def put(self, folder: Path, key: str, value: T) -> None:
        """Remember a value."""
        with self._lock:
            self._values[folder, key] = value
            while len(self._values) > KEPT:
                del self._values[next(iter(self._values))]

    def forget(self, folder: Path) -> None:
        """Drop all values of a project."""
        with self._lock:
            for key in [key for key in self._values if key[0] == folder]:
                del self._values[key]


NAMES: Known[list[Path]] = Known()
CHECKED: Known[Examined | BadInput] = Known()
