"""A cache of check results in the workspace, which can be deleted without loss."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

NAME = "photos.sqlite"
PATIENCE = 5.0  # seconds to wait for a write by another process
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)  # the last: an unexpected schema
TABLE = "photos (path text primary key, size integer, changed integer, reason text, hash text)"
RECALL = """
    select reason, hash from photos
    where path = ? and size = ? and changed = ? and typeof(reason) = 'text' and typeof(hash) = 'text'
"""
RECALL_HASH = "select hash from photos where path = ? and size = ? and changed = ? and typeof(hash) = 'text'"
ADD_HASH = """
    insert into photos values (?, ?, ?, null, ?) on conflict (path) do update set
    reason = case when size = excluded.size and changed = excluded.changed then reason end,
    size = excluded.size, changed = excluded.changed, hash = excluded.hash
"""  # without a reason, as the photo was not decoded

Key = tuple[bytes, int, int]  # path, size, mtime in ns
Result = tuple[str, str]  # why it is unreadable, or ""; its hash


class Remembered:
    """Results by path, size and modification time; those of another `version` of the decoder are discarded.

    A damaged file is renamed and replaced; if the workspace is not writable, nothing is remembered.
    """

    def __init__(self, workspace: Path, version: int) -> None:
        self._file, self._version = workspace / NAME, version
        self._memory: sqlite3.Connection | None = None
        try:
            workspace.mkdir(parents=True, exist_ok=True)
            if self._file.is_symlink() or (self._file.exists() and not self._file.is_file()):
                self._set_aside()
            self._memory = self._connected()
        except OSError:
            pass  # a read-only workspace
        except sqlite3.Error as error:
            self._mend(error)

    def recall(self, key: Key) -> Result | None:
        """The result for a file, or None if there is none since its last change."""
        found: Result | None = self._found(RECALL, key)
        return found

    def recall_hash(self, key: Key) -> str:
        """The hash of a file, which may not have been decoded, or "" if it is not known since its last change."""
        return (self._found(RECALL_HASH, key) or ("",))[0]

    def add(self, rows: Sequence[tuple[Key, Result]]) -> None:
        """Store results."""
        self._store("replace into photos values (?, ?, ?, ?, ?)", [(*key, *result) for key, result in rows])

    def add_hashes(self, rows: Sequence[tuple[Key, str]]) -> None:
        """Store the hashes of files that were not decoded."""
        self._store(ADD_HASH, [(*key, hash) for key, hash in rows])

    def _found(self, question: str, key: Key) -> Any:
        try:
            return self._memory.execute(question, key).fetchone() if self._memory else None
        except sqlite3.Error as error:
            self._mend(error)
            return None

    def _store(self, command: str, values: Sequence[tuple[Any, ...]]) -> None:
        try:
            if self._memory:
                self._memory.executemany(command, values)
                self._memory.commit()
        except sqlite3.Error as error:  # also a full disk
            self._mend(error)

    def close(self) -> None:
        """Close the database."""
        if self._memory:
            self._memory.close()

    def _connected(self) -> sqlite3.Connection:
        memory = sqlite3.connect(self._file, timeout=PATIENCE, check_same_thread=False)
        try:
            if memory.execute("pragma user_version").fetchone()[0] != self._version:
                memory.execute("begin immediate")  # two processes may do this at once
                memory.execute("drop table if exists photos")
                memory.execute(f"create table {TABLE}")
                memory.execute(f"pragma user_version = {self._version}")
                memory.commit()
        except sqlite3.Error:
            memory.close()
            raise
        return memory

    def _mend(self, error: sqlite3.Error) -> None:
        """Start a new file if this one is damaged, otherwise stop remembering."""
        self.close()
        self._memory = None
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in DAMAGED:
            with suppress(OSError, sqlite3.Error):
                self._set_aside()
                self._memory = self._connected()

    def _set_aside(self) -> None:
        for end in ("-journal", "-wal", "-shm", ""):  # a remaining journal would be applied to the new file
            with suppress(FileNotFoundError):
                os.replace(f"{self._file}{end}", f"{self._file}.damaged{end}")
