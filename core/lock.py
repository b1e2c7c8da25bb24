"""A lock file that one process holds at a time, and from which others can read which process that is."""

from __future__ import annotations

import os
import re
from pathlib import Path

import psutil
from filelock import lock_descriptor

from core.atomic import disk_error, open_own
from core.errors import BadInput

MAX_LOCK_BYTES = 100
OURS = re.compile(rb"[\n\d .e-]*|\0*")  # a power cut may leave zeros
CLOCK_TOLERANCE = 2.0  # seconds by which two readings of a process's start time may differ


class ProcessLock:
    """A lock held from `take` to `release`, or until the system frees it because the process has ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def take(self) -> bool:
        """Take the lock; returns False if another process, or another ProcessLock here, holds it. Raises BadInput."""
        try:
            handle = open_own(self.path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise disk_error(self.path, error) from error
        if not lock_descriptor(handle, blocking=False):
            os.close(handle)
            return False
        if not OURS.fullmatch(os.read(handle, MAX_LOCK_BYTES)):  # a user's file must not be overwritten
            os.close(handle)
            raise BadInput(f"{str(self.path)!r} is not a lock file of this program; move it elsewhere.")
        self._handle = handle
        return True

    def announce(self) -> None:
        """Write this process into the file; until then `holder` returns None."""
        assert self._handle is not None, "announced before it was taken"
        # On Windows the first byte of a locked file cannot be read, so it holds no information.
        line = f"\n{os.getpid()} {_started(psutil.Process())}".encode()
        try:
            os.ftruncate(self._handle, 0)
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.write(self._handle, line)
        except OSError as error:
            raise disk_error(self.path, error) from error

    def release(self) -> None:
        """Release the lock if it is held."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None


def holder(path: Path) -> int | None:
    """The id of the live process that announced itself in a lock file, or None; the lock is not taken."""
    try:
        handle = open_own(path, os.O_RDONLY)
        try:
            os.lseek(handle, 1, os.SEEK_SET)
            number, created = os.read(handle, MAX_LOCK_BYTES).split()
        finally:
            os.close(handle)
        process = psutil.Process(int(number))
        same = abs(_started(process) - float(created)) < CLOCK_TOLERANCE
        return process.pid if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, ArithmeticError, psutil.Error):  # no such file or process
        return None


def _started(process: psutil.Process) -> float:
    """The start time of a process in seconds, on Linux since boot so that changes of the clock do not matter."""
    return float(process.create_time() - (psutil.boot_time() if psutil.LINUX else 0.0))
