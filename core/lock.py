"""A file that one process holds at a time; it says who that is to those who only look."""

from __future__ import annotations

import os
import re
from pathlib import Path

import psutil
from filelock import lock_descriptor

from core.atomic import disk_error, open_own
from core.errors import BadInput

LONGEST = 100  # bytes of a lock's file
OURS = re.compile(rb"[\n\d .e-]*|\0*")  # zeros are what a power cut leaves
CLOCK = 2.0  # seconds by which two readings of a process's start may differ


class ProcessLock:
    """Held from `take` to `release`, or until the system frees it because its holder died, however it died."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def take(self) -> bool:
        """Take the lock unless another process, or another ProcessLock of this one, holds it; raises BadInput."""
        try:
            handle = open_own(self.path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise disk_error(self.path, error) from error
        if not lock_descriptor(handle, blocking=False):
            os.close(handle)
            return False
        if not OURS.fullmatch(os.read(handle, LONGEST)):  # which would be overwritten
            os.close(handle)
            raise BadInput(f"{str(self.path)!r} is in the way of a lock, and is none; move it elsewhere.")
        self._handle = handle
        return True

    def announce(self) -> None:
        """Write down whose it is; before that, those who only look see nobody."""
        assert self._handle is not None, "announced before it was taken"
        # Windows lets nobody read the first byte of a locked file, so nothing stands in it.
        line = f"\n{os.getpid()} {_started(psutil.Process())}".encode()
        try:
            os.ftruncate(self._handle, 0)
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.write(self._handle, line)
        except OSError as error:
            raise disk_error(self.path, error) from error

    def release(self) -> None:
        """Let go, if it is held."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None


def holder(path: Path) -> int | None:
    """The living process that announced itself in a lock's file, if there is one; the lock is not touched."""
    try:
        handle = open_own(path, os.O_RDONLY)
        try:
            os.lseek(handle, 1, os.SEEK_SET)
            number, created = os.read(handle, LONGEST).split()
        finally:
            os.close(handle)
        process = psutil.Process(int(number))
        same = abs(_started(process) - float(created)) < CLOCK
        return process.pid if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, ArithmeticError, psutil.Error):  # no file, nobody in it, or nobody alive
        return None


def _started(process: psutil.Process) -> float:
    """Seconds; on Linux since the machine's own start, where the time of day may be set without harm."""
    return float(process.create_time() - (psutil.boot_time() if psutil.LINUX else 0.0))
