"""Prepared photos on the disk, so that later epochs need not decode: one file a photo, shared by all runs."""

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

LIMIT = 8_000_000_000  # bytes of a cache at most
FREE_SHARE = 0.5  # of the free disk space that a cache may fill
HEADER = struct.Struct("<4sIII")  # magic, height, width, CRC-32 of the pixels
MAGIC = b"PRE1"
ENTRY = re.compile(r"\.?[0-9a-f]{22,30}-[0-9a-f]{8}(\.\d+)?")  # with a dot, one that is being written
LONGEST_SIZE = 32  # digits
MAKERS = "pillow", "pillow-heif", "torch"  # packages whose versions change the pixels
METHOD = 3  # raised whenever our own code changes the pixels
LOCK, SIZE = "lock", "size"
UNSHARED = 1 / 64  # of the limit, which a process may write before it adds it to the size that all share
PATIENCE = 1.0  # seconds to wait for another process when the folder is opened


def decoded(file: Path, method: str, make: Callable[[Image], Pixels]) -> Pixels:
    """What `make` makes of a photo, as `Cache.pixels` gives it, with nothing kept; raises BadPhoto."""
    return make(photo.load(file))


class Cache:
    """What was made of photos, by the content of their files and how it was made; `pixels` is `decoded`, sooner.

    An entry that is not whole is made anew. Where there is no room the oldest go, and what cannot be written is not
    kept. Whoever writes or deletes holds the lock for that moment; nobody waits for it.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.folder, self.limit = folder, LIMIT if limit is None else limit
        self._lock, self._turn = ProcessLock(folder / LOCK), threading.Lock()
        self._known: dict[tuple[Path, str], tuple[int, int, Path]] = {}  # as the file was, and its entry
        self._whole: set[Path] = set()  # entries that this process has checked or written
        self._oldest: deque[tuple[int, int, Path]] = deque()
        self._total = self._new = 0
        self._writes = True
        try:
            make_folder(folder)
            self._open()
        except (OSError, ValueError, BadInput):
            self._writes = False

    def pixels(self, file: Path, method: str, make: Callable[[Image], Pixels]) -> Pixels:
        """What `make` makes of a photo, in words `method`; uint8 [h, w, 3]. Raises BadPhoto."""
        try:
            about = file.stat()
            known = self._known.get((file, method))
            if known and known[:2] == (about.st_size, about.st_mtime_ns):
                found = self._read(known[2])
                if found is not None:
                    return found
            content = photo.read(file)
        except (OSError, photo.BadPhoto):
            return decoded(file, method, make)  # which says why not
        entry, found = self._made(content, digest(content), method, make)
        if entry in self._whole:
            self._known[file, method] = about.st_size, about.st_mtime_ns, entry
        return found

    def add(self, content: bytes, digest: str, method: str, make: Callable[[Image], Pixels]) -> None:
        """Keep what `make` makes of a photo's content, whose hash is `digest`, for `pixels`. Raises BadPhoto."""
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
            content = entry.read_bytes()
            magic, height, width, checksum = HEADER.unpack_from(content)
            pixels = np.frombuffer(content, np.uint8, offset=HEADER.size).reshape(height, width, 3)
        except (OSError, ValueError, struct.error):  # not there, empty, cut off
            return None
        if entry not in self._whole:
            if magic != MAGIC or zlib.crc32(pixels.data) != checksum:
                return None
            self._whole.add(entry)
            with suppress(OSError):  # another user's
                os.utime(entry)  # it is used, so it is not among the oldest
        return pixels

    def _write(self, entry: Path, pixels: Pixels) -> None:
        """Whole or not at all, but for a power cut, after which the checksum tells."""
        pixels = np.ascontiguousarray(pixels)
        size = HEADER.size + pixels.nbytes
        try:
            with self._turn, self._locked() as mine:
                if mine and self._make_room(size):
                    self._put(entry, pixels)
                    self._whole.add(entry)
                    self._count(size)
        except (OSError, ValueError, BadInput) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if isinstance(cause, OSError) and (disk_is_full(cause) or cause.errno in (errno.EROFS, errno.EACCES)):
                self._writes = False  # nor will the next one go

    def _put(self, entry: Path, pixels: Pixels) -> None:
        make_folder(entry.parent)
        with replacing(entry) as file:
            file.write(HEADER.pack(MAGIC, *pixels.shape[:2], zlib.crc32(pixels.data)))
            file.write(pixels.data)

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Whether this process may change the folder now; raises OSError or BadInput."""
        mine = self._writes and self._lock.take()
        try:
            yield mine
        finally:
            if mine:
                self._lock.release()

    def _open(self) -> None:
        """Count what is there and throw out what is too much."""
        end = time.monotonic() + PATIENCE
        while True:
            with self._locked() as mine:
                if mine:
                    total = 0
                    for path in self._entries():
                        with suppress(FileNotFoundError):
                            if path.name.startswith("."):  # of a process that died while it wrote
                                path.unlink()
                                continue
                            about = path.lstat()
                            self._oldest.append((about.st_mtime_ns, about.st_size, path))
                            total += about.st_size
                    self._oldest = deque(sorted(self._oldest))
                    self.limit = min(self.limit, total + int(FREE_SHARE * shutil.disk_usage(self.folder).free))
                    self._count(total, at_once=True, anew=True)
                    self._make_room(0)
            if mine or time.monotonic() > end:
                return
            time.sleep(0.01)

    def _entries(self) -> Iterator[Path]:
        """The files that caches made; whatever else lies in the folder is somebody else's."""
        for folder in self.folder.glob("[0-9a-f][0-9a-f]"):
            if folder.is_dir() and not folder.is_symlink():
                yield from (path for path in folder.iterdir() if ENTRY.fullmatch(path.name))

    def _make_room(self, size: int) -> bool:
        """Whether so many bytes may be written, after the oldest that nobody used since have gone."""
        while self._total + size > self.limit and size <= self.limit and self._oldest:
            changed, old, path = self._oldest.popleft()
            with suppress(FileNotFoundError):
                if path.lstat().st_mtime_ns == changed:
                    path.unlink()
                    self._count(-old)
        return self._total + size <= self.limit

    def _count(self, more: int, at_once: bool = False, anew: bool = False) -> None:
        """Bytes that are there now; all processes add to one number, at the latest after so much of the limit."""
        self._total, self._new = self._total + more, self._new + more
        if at_once or abs(self._new) > self.limit * UNSHARED:
            with os.fdopen(open_own(self.folder / SIZE, os.O_RDWR | os.O_CREAT), "r+b") as file:
                said = int(file.read(LONGEST_SIZE).strip(b"\0") or b"0")  # a ValueError, where it is no size of ours
                self._total = self._new + (0 if anew else said)
                file.seek(0)
                file.write(b"%d" % self._total)
                file.truncate()
            self._new = 0


@cache
def _makers() -> str:
    found = []
    for package in MAKERS:
        with suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return " ".join(found)
