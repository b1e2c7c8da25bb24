"""A disk cache of presized photos, shared by all runs, so that later epochs need not decode."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from PIL.Image import Image

from core.atomic import disk_is_full, make_folder, open_own, replacing
from core.data import photo
from core.data.content import digest
from core.data.transforms import Pixels
from core.errors import BadInput
from core.lock import ProcessLock

DEFAULT_LIMIT = 8_000_000_000  # bytes
FREE_SHARE = 0.5  # share of the free disk space that a cache may fill
HEADER = struct.Struct("<4sIII")  # magic, height, width, CRC-32 of the pixels
MAGIC = b"PRE1"
ENTRY = re.compile(r"\.?[0-9a-f]{22,30}-[0-9a-f]{8}(\.\d+)?")  # with a dot while it is being written
LONGEST_SIZE = 32  # digits
MAKERS = "pillow", "pillow-heif", "torch"  # packages whose versions change the pixels
METHOD = 3  # to be raised when this project's code changes the pixels
LOCK, SIZE = "lock", "size"
GRANT = 1 / 64  # share of the limit that a process reserves at a time, so that few photos wait for the lock
PATIENCE = 1.0  # seconds to wait for the lock when opening the folder


def decoded(file: Path, method: str, make: Callable[[Image], Pixels]) -> Pixels:
    """The result of `make` for a photo, without a cache; raises BadPhoto."""
    return make(photo.load(file))


class Cache:
    """A cached version of `decoded`, keyed by the content of a file and by how its pixels were made.

    Damaged entries are made again. The least recently used are deleted when space runs out, and write errors are
    ignored. A process locks the folder while it reserves space or deletes; if it is locked already, nothing is written.
    No lock is held while a file is written, so all threads write at once.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.folder, self.limit = folder, DEFAULT_LIMIT if limit is None else limit
        self._lock, self._turn = ProcessLock(folder / LOCK), threading.Lock()
        self._known: dict[tuple[Path, str], tuple[int, int, Path]] = {}  # size and mtime of the file, and its entry
        self._whole: set[Path] = set()  # entries that this process has checked or written
        self._oldest: deque[tuple[int, int, Path]] = deque()
        self._reserved = 0  # bytes
        self._writes = True
        try:
            make_folder(folder)
            self._open()
        except (OSError, ValueError, BadInput):
            self._writes = False

    def pixels(self, file: Path, method: str, make: Callable[[Image], Pixels]) -> Pixels:
        """The result of `make` for a photo, cached under the key `method`; uint8 [h, w, 3]. Raises BadPhoto."""
        try:
            about = file.stat()
            known = self._known.get((file, method))
            if known and known[:2] == (about.st_size, about.st_mtime_ns):
                found = self._read(known[2])
                if found is not None:
                    return found
            content = photo.read(file)
        except (OSError, photo.BadPhoto):
            return decoded(file, method, make)  # raises BadPhoto with the reason
        entry, found = self._made(content, digest(content), method, make)
        if entry in self._whole:
            self._known[file, method] = about.st_size, about.st_mtime_ns, entry
        return found

    def add(self, content: bytes, digest: str, method: str, make: Callable[[Image], Pixels]) -> None:
        """Cache the result of `make` for the content of a photo, whose hash is `digest`. Raises BadPhoto."""
        self._made(content, digest, method, make)

    def _made(self, content: bytes, digest: str, method: str, make: Callable[[Image], Pixels]) -> tuple[Path, Pixels]:
        kind = hashlib.sha256(f"{method} {METHOD} {_makers()} {photo.FORMATS}".encode()).hexdigest()[:8]
        entry = self.folder / digest[:2] / f"{digest[2:]}-{kind}"
        found = self._read(entry)
        if found is None:
            found = make(photo.load(content))
            self._write(entry, found)
        return entry, found

    def _read(self, entry: Path) -> Pixels | None:
        try:
            with entry.open("rb", buffering=0) as file:
                magic, height, width, checksum = HEADER.unpack(file.read(HEADER.size))
                if os.fstat(file.fileno()).st_size != HEADER.size + height * width * 3:
                    return None
                pixels = np.empty((height, width, 3), np.uint8)
                if file.readinto(pixels.data) != pixels.nbytes:
                    return None
        except (OSError, ValueError, struct.error):  # missing or truncated
            return None
        if entry not in self._whole:
            if magic != MAGIC or zlib.crc32(pixels.data) != checksum:
                return None
            self._whole.add(entry)
            with suppress(OSError):  # it belongs to another user
                os.utime(entry)  # marks it as recently used
        return pixels

    def _write(self, entry: Path, pixels: Pixels) -> None:
        """Write an entry atomically; the checksum detects one that a power cut damaged."""
        pixels = np.ascontiguousarray(pixels)
        try:
            if self._reserve(HEADER.size + pixels.nbytes):
                self._put(entry, pixels)
                self._whole.add(entry)
        except (OSError, ValueError, BadInput) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if isinstance(cause, OSError) and (disk_is_full(cause) or cause.errno in (errno.EROFS, errno.EACCES)):
                self._writes = False  # the next write would fail too

    def _reserve(self, size: int) -> bool:
        """Whether `size` bytes may be written."""
        with self._turn:
            if self._reserved < size:
                with self._locked() as mine:
                    self._reserved += self._granted(size) if mine else 0
            fits = size <= self._reserved
            self._reserved -= size if fits else 0
            return fits

    def _granted(self, size: int) -> int:
        """The bytes that this process, which holds the lock, may write: at least `size`, or 0 if there is no room."""
        total = self._total()
        for wanted in (max(size, int(self.limit * GRANT)), size):
            total = self._make_room(total, wanted)
            if total + wanted <= self.limit:
                self._set_total(total + wanted)
                return wanted
        self._set_total(total)
        return 0

    def _put(self, entry: Path, pixels: Pixels) -> None:
        make_folder(entry.parent)
        with replacing(entry) as file:
            file.write(HEADER.pack(MAGIC, *pixels.shape[:2], zlib.crc32(pixels.data)))
            file.write(pixels.data)

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Try to lock the folder; yields whether it worked. Raises OSError or BadInput."""
        mine = self._writes and self._lock.take()
        try:
            yield mine
        finally:
            if mine:
                self._lock.release()

    def _open(self) -> None:
        """Measure the cache and delete the oldest entries beyond the limit."""
        end = time.monotonic() + PATIENCE
        while True:
            with self._locked() as mine:
                if mine:
                    self._total()  # raises ValueError if the file is not a cache's
                    total = 0
                    for path in self._entries():
                        with suppress(FileNotFoundError):
                            if path.name.startswith("."):
                                path.unlink()  # a process died while writing it, or will do without it
                                continue
                            about = path.lstat()
                            self._oldest.append((about.st_mtime_ns, about.st_size, path))
                            total += about.st_size
                    self._oldest = deque(sorted(self._oldest))
                    self.limit = min(self.limit, total + int(FREE_SHARE * shutil.disk_usage(self.folder).free))
                    self._set_total(self._make_room(total, 0))
            if mine or time.monotonic() > end:
                return
            time.sleep(0.01)

    def _entries(self) -> Iterator[Path]:
        """The files of the cache; other files in the folder are ignored."""
        for folder in self.folder.glob("[0-9a-f][0-9a-f]"):
            if folder.is_dir() and not folder.is_symlink():
                yield from (path for path in folder.iterdir() if ENTRY.fullmatch(path.name))

    def _make_room(self, total: int, size: int) -> int:
        """Delete the oldest entries until `size` bytes fit, if they can; returns the total that is left."""
        while total + size > self.limit and size <= self.limit and self._oldest:
            changed, old, path = self._oldest.popleft()
            with suppress(FileNotFoundError):
                if path.lstat().st_mtime_ns == changed:
                    path.unlink()
                    total -= old
        return total

    def _total(self) -> int:
        """The bytes that all processes use or have reserved. Raises OSError, or ValueError if the file is damaged."""
        with os.fdopen(open_own(self.folder / SIZE, os.O_RDWR | os.O_CREAT), "rb") as file:
            return int(file.read(LONGEST_SIZE).strip(b"\0") or b"0")

    def _set_total(self, total: int) -> None:
        with os.fdopen(open_own(self.folder / SIZE, os.O_RDWR | os.O_CREAT), "r+b") as file:
            file.write(b"%d" % total)
            file.truncate()


@cache
def _makers() -> str:
    found = []
    for package in MAKERS:
        with suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return " ".join(found)
