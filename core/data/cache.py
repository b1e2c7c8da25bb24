"""Prepared photos on the disk, so that later epochs need not decode: one file a photo, memory-mapped when read."""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import stat
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL
from PIL.Image import Image

from core.data import jpeg, photo
from core.data.transforms import Pixels
from core.errors import BadInput
from core.lock import Lock

LIMIT = 8_000_000_000  # bytes of a cache at most,
SHARE = 0.5  # and so much of what is free on the disk
HEADER = struct.Struct("<4sIII")  # mark, height, width, CRC-32 of the pixels
MARK = b"PRE1"
DIGITS = 32  # of a SHA-256, in a name


def decoded(file: Path, method: str, make: Callable[[Image], Pixels]) -> Pixels:
    """What `make` makes of a photo; the cache that keeps nothing. Raises BadPhoto."""
    return make(jpeg.decode(file))


class Cache:
    """What was made of photos, by the content of their files and how it was made; `pixels` is `decoded`, faster.

    An entry that is not whole is made anew; the oldest go where there is no room; what cannot be written is not kept.
    One process at a time writes, any number read.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder = folder
        self._lock = Lock(folder / "lock")
        self._turn = threading.Lock()
        self._known: dict[tuple[Path, str], tuple[int, int, Path]] = {}  # as the file was, and its entry
        self._whole: set[Path] = set()  # entries that this process has checked or written
        self._size, self._limit = 0, limit
        self._oldest: deque[tuple[float, int, Path]] = deque()
        self._writes = self._open()

    def pixels(self, file: Path, method: str, make: Callable[[Image], Pixels]) -> Pixels:
        """What `make` makes of a photo, in words `method`; uint8 [h, w, 3]. Raises BadPhoto."""
        try:
            about = file.stat()
            known = self._known.get((file, method))
            if known and known[:2] == (about.st_size, about.st_mtime_ns):
                found = self._read(known[2])
                if found is not None:
                    return found
            if not stat.S_ISREG(about.st_mode) or about.st_size > photo.MAX_BYTES:
                return decoded(file, method, make)
            content = file.read_bytes()
        except OSError:
            return decoded(file, method, make)  # which says why not
        entry = self._entry(content, method)
        found = self._read(entry)
        if found is None:
            found = make(jpeg.decode(content))
            self._write(entry, found)
        if entry in self._whole:
            self._known[file, method] = about.st_size, about.st_mtime_ns, entry
        return found

    def _entry(self, content: bytes, method: str) -> Path:
        kind = hashlib.sha256(f"{method} {PIL.__version__} {photo.FORMATS}".encode()).hexdigest()[:8]
        name = hashlib.sha256(content).hexdigest()[:DIGITS]
        return self.folder / name[:2] / f"{name[2:]}-{kind}"

    def _read(self, entry: Path) -> Pixels | None:
        try:
            with entry.open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            mark, height, width, checksum = HEADER.unpack_from(content)
            pixels = np.frombuffer(content, np.uint8, offset=HEADER.size).reshape(height, width, 3)
        except (OSError, ValueError, struct.error):  # not there, empty, cut off
            return None
        if entry not in self._whole:
            if mark != MARK or zlib.crc32(pixels.data) != checksum:
                return None
            self._used(entry)
        return pixels

    def _write(self, entry: Path, pixels: Pixels) -> None:
        """Whole or not at all, but for a power cut, after which the checksum tells."""
        with self._turn:
            try:
                if not self._writes or not self._lock.take():  # another process writes: no reason to wait
                    return
                if self._make_room(HEADER.size + pixels.nbytes):
                    self._put(entry, np.ascontiguousarray(pixels))
            except (OSError, BadInput):
                self._writes = False  # a full disk need not stop a training
            finally:
                self._lock.release()

    def _put(self, entry: Path, pixels: Pixels) -> None:
        temporary = entry.with_name(f".{entry.name}")
        try:
            entry.parent.mkdir(exist_ok=True)
            with temporary.open("wb") as file:
                file.write(HEADER.pack(MARK, *pixels.shape[:2], zlib.crc32(pixels.data)))
                file.write(pixels.data)
            os.replace(temporary, entry)
        finally:
            temporary.unlink(missing_ok=True)
        self._whole.add(entry)
        self._size += HEADER.size + pixels.nbytes

    def _used(self, entry: Path) -> None:
        self._whole.add(entry)
        if self._writes:
            with suppress(OSError):  # another user's
                os.utime(entry)

    def _open(self) -> bool:
        """Count what is there, the oldest first; whether anything can be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            there = []
            for path in (Path(here, name) for here, _, names in os.walk(self.folder) for name in names):
                about = path.stat()
                there.append((about.st_mtime, about.st_size, path))
                self._size += about.st_size
            self._oldest.extend(sorted(there))
            self._limit = min(self._limit, self._size + int(SHARE * shutil.disk_usage(self.folder).free))
            return self._make_room(0)
        except OSError:
            return False

    def _make_room(self, size: int) -> bool:
        """Whether so many bytes may be written, after the oldest that nobody used since have gone."""
        while self._size + size > self._limit and self._oldest:
            _, old, path = self._oldest.popleft()
            if path not in self._whole:
                path.unlink(missing_ok=True)
                self._size -= old
        return self._size + size <= self._limit
