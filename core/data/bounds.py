"""Limits on the cost of a photo's file, checked before Pillow opens it or allocates memory for its pixels.

Each limit is far above what cameras and programs write, and far below what a malicious file can demand.
"""

from __future__ import annotations

import io
import math
import os
import re
import struct
from collections.abc import Iterator
from itertools import islice

from PIL.ImageFile import ImageFile

# libtiff limits a JPEG inside a TIFF; its default is 100
os.environ.setdefault("LIBTIFF_JPEG_MAX_ALLOWED_SCAN_NUMBER", "16")
JPEG = b"\xff\xd8"
MAX_PARTS = 4000  # segments, chunks and comments in a file, apart from its pixels
MAX_EXIF = 2**20  # bytes
MOST_HEADS = 100  # possible EXIF blocks in a file that are examined
PASSES = 10  # over the pixels; most progressive JPEGs have fewer scans
IN_PYTHON = {"ppm": 100, "ppm_plain": 100, "bmp_rle": 100}  # cost of Pillow's slow decoders, in passes
MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # of a JPEG; other bytes after 0xFF belong to its pixels
ALONE = (0x01, 0xD8)  # markers without a segment
WITHIN = {*range(0xD0, 0xD8), 0xFF}  # bytes after 0xFF that do not make a marker
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
SEQUENTIAL = (0xC0, 0xC1, 0xC9)
APP1, END, SCAN = 0xE1, 0xD9, 0xDA
EXIF = b"Exif\0\0"
TIFF = re.compile(rb"II\*\0|MM\0\*|II\0\*|MM\*\0")
TILE_WIDTH, TILE_LENGTH = 322, 323


def checked(data: bytes) -> tuple[bytes, int]:
    """The file without a malicious EXIF block, and its number of scans; raises ValueError if it is slow to open.

    A single scan that the decoder must keep in memory as a whole counts as two.
    """
    parts = 0
    if data.startswith(JPEG):
        return _checked_jpeg(data)
    if data.startswith(b"\x89PNG"):
        parts = _png_parts(data)
    elif data.startswith(b"GIF8"):
        parts = _gif_parts(data)
    elif data[4:8] == b"ftyp":
        heads = TIFF.finditer(data)  # also finds pixels that look like one
        blocks = (data[head.start() : head.start() + MAX_EXIF] for head in heads)
        parts = MAX_PARTS + 1 if any(is_bomb(block) for block in islice(blocks, MOST_HEADS)) else 0
    elif data[:2] in (b"P1", b"P2", b"P3"):
        parts = data.count(b"#")
    _limit(parts)
    return data, 1


def stream(data: bytes) -> io.BytesIO:
    """A file object on `data` for Pillow, with a read limit if it is a TIFF."""
    return _Metered(data) if data[:2] in (b"II", b"MM") else io.BytesIO(data)


def is_bomb(exif: bytes) -> bool:
    """Whether the tags of an EXIF block claim much more data than it holds; Pillow would copy it for each tag."""
    exif = exif.removeprefix(EXIF)
    if len(exif) > MAX_EXIF or exif.startswith(EXIF):
        return True
    if not TIFF.match(exif) or len(exif) < 10:  # Pillow does not read it either
        return False
    little = exif.startswith(b"II")
    (start,) = struct.unpack_from("<I" if little else ">I", exif, 4)
    number = int.from_bytes(exif[start : start + 2], "little" if little else "big")
    entries = exif[start + 2 : start + 2 + 12 * number]
    tags = struct.iter_unpack("<HHII" if little else ">HHII", entries[: len(entries) // 12 * 12])
    most = 8  # bytes of the largest value
    claimed: int = sum(min(most * count, len(exif)) for _, _, count, _ in tags if count > 4)
    return claimed > 2 * most * len(exif)


def unpacked(image: ImageFile) -> tuple[int, int]:
    """The width and height to allocate: a TIFF decodes whole tiles, which may be larger than the image."""
    if image.format != "TIFF":
        return image.size
    tags = image.tag_v2  # type: ignore[attr-defined]
    tile = int(tags.get(TILE_WIDTH, 0)), int(tags.get(TILE_LENGTH, 0))
    return max(image.size, tile, key=math.prod)


def passes(image: ImageFile, scans: int) -> int:
    """The cost of decoding, in passes over the pixels; at least `PASSES`."""
    return max([PASSES, scans, *(IN_PYTHON.get(tile[0], 0) for tile in image.tile)])


class _Metered(io.BytesIO):
    """A file that can be read only a few times over: all parts of a TIFF may claim the same bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.left = 4 * len(data) + MAX_EXIF

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as usual; raises ValueError once too much was read."""
        data = super().read(size)
        self.left -= len(data)
        if self.left < 0:
            raise ValueError("its parts overlap")
        return data


def _limit(parts: int) -> None:
    if parts > MAX_PARTS:
        raise ValueError(f"it consists of more than {MAX_PARTS:,} parts")


def _checked_jpeg(data: bytes) -> tuple[bytes, int]:
    """`checked` for a JPEG: Pillow would join its EXIF segments one by one and copy what each tag claims."""
    exif, scans, several, components = [], 0, True, b""
    for parts, (kind, start, end) in enumerate(_segments(data)):
        _limit(parts)
        if kind == APP1 and not scans and data.startswith(EXIF, start + 4):
            exif.append((start, end))
        elif kind in FRAMES and not scans:
            several, components = kind not in SEQUENTIAL, data[start + 9 : start + 10]
        elif kind == SCAN:
            scans += 1
            if scans == 1 and not several and data[start + 4 : start + 5] == components:  # all components in one scan
                break
    else:
        scans = max(scans, 2)
    if not exif or not is_bomb(b"".join(data[start + 4 + len(EXIF) : end] for start, end in exif)):
        return data, scans
    starts, ends = zip(*exif, strict=True)
    return b"".join(data[start:end] for start, end in zip((0, *ends), (*starts, len(data)), strict=True)), scans


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The marker, start and end of each segment of a JPEG, in the order a decoder finds them."""
    at, size = 2, len(data)
    while at + 4 <= size:
        start, kind = at, data[at + 1]
        if data[at] != 0xFF or kind < 0xC0 or kind in WITHIN:  # pixels, or junk
            if not (found := MARKER.search(data, at)):
                return
            start, kind = found.start(), data[found.end() - 1]
        if kind == END:
            return
        at = start + 2
        if kind not in ALONE:
            at += int.from_bytes(data[at : at + 2])
        yield kind, start, at


def _png_parts(data: bytes) -> int:
    """The number of chunks beyond those that encoders use for pixels; many colour profiles count as too many."""
    if data.count(b"iCCP") > 9:  # each may unpack to a megabyte
        return MAX_PARTS + 1
    at, number, usual = 8, 0, len(data) // 1000
    while at < len(data) and number - usual <= MAX_PARTS:
        at, number = at + 12 + int.from_bytes(data[at : at + 4]), number + 1
    return number - usual


def _gif_parts(data: bytes) -> int:
    """The number of sub-blocks, of up to 255 bytes, in the extensions before the first frame."""
    at, number = 13, 0
    if data[10:11] >= b"\x80":  # a palette
        at += 3 << (data[10] & 7) + 1
    while data[at : at + 1] == b"!" and number <= MAX_PARTS:
        at, number = at + 2, number + 1
        while at < len(data) and data[at] and number <= MAX_PARTS:
            at, number = at + 1 + data[at], number + 1
        at += 1
    return number
