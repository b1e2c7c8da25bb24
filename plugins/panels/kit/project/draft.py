"""The draft of a workspace: one JSON document, shared by all browsers, with the edited recipe and the selected run."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any

from core.atomic import disk_error, write_atomic
from core.data.text import read_bytes
from core.errors import BadInput

DRAFT = "draft.json"
LARGEST = 2**20  # bytes


class Draft:
    """The draft in a folder; its file is read again only when it has changed."""

    lock = RLock()  # shared by all drafts; hold it to read, decide and write as one step

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> dict[str, Any]:
        """The document, which must not be modified; empty if it is missing or damaged."""
        file = self.folder / DRAFT
        try:
            status = file.stat()
        except OSError:
            return {}
        return _read(file, (status.st_ino, status.st_mtime_ns, status.st_size))

    def write(self, **values: Any) -> None:
        """Replace some of its values; raises BadInput if the disk refuses."""
        with self.lock:
            document = json.dumps(self.read() | values, indent=1)
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise disk_error(self.folder, error) from error
            write_atomic(self.folder / DRAFT, document)
            _read.cache_clear()  # time stamps are coarse: a second change right after may look like the first


@lru_cache(maxsize=256)
def _read(file: Path, stamp: tuple[int, int, int]) -> dict[str, Any]:
    try:
        document = json.loads(read_bytes(file, LARGEST))
    except (BadInput, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
