"""Small inputs that cost much: files of a few kilobytes to some megabytes, each made to be slow or to take memory."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

SIDE = 8000  # pixels: 64 megapixels, the most that are decoded
SHORT = 7000  # 49 megapixels, as many as a phone makes


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """`image` as a file."""
    with io.BytesIO() as stream:
        image.save(stream, kind, **options)
        return stream.getvalue()


def black(mode: str = "L", side: int = SIDE) -> Image.Image:
    """A square of nothing."""
    return Image.new(mode, (side, side))


def progressive(scans: int = 400, side: int = SIDE) -> bytes:
    """A grey progressive JPEG whose many scans refine nothing, coefficient by coefficient."""
    whole = encoded(black(side=side), "JPEG", quality=50, progressive=True)
    end = whole.index(b"\xff\xda")
    head = whole[:end]
    table = b"\xff\xc4" + struct.pack(">HB", 2 + 17 + 1, 0x10) + bytes([1] + [0] * 15) + b"\xe0"
    first = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0x00, 0, 0, 0x00)
    more = table + b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0x00, 1, 63, 0x10)
    padding = b"\x00" * 650
    return head + first + b"".join((more + padding) for _ in range(scans - 1)) + b"\xff\xd9"


def sequential(scans: int = 2000, side: int = SHORT) -> bytes:
    """A JPEG whose colours come in scans of their own, again and again, without data."""
    whole = encoded(black("RGB", side), "JPEG", quality=50)
    head = whole[: whole.index(b"\xff\xda")]
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0x00, 0, 63, 0)
    return head + scan * scans + b"\xff\xd9"


def exif(size: int) -> bytes:
    """A block of `size` bytes whose tags all claim the same megabyte, or all there is."""
    most = min(size - 20, 2**20)
    count = min(60_000, (size - 100) // 12 // 2)
    entries = b"".join(struct.pack("<HHII", 1 + i, 7, most, 16) for i in range(count))
    block = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", count) + entries + bytes(4)
    return block + bytes(max(0, size - len(block)))


def jpeg_exif(size: int = 46_000_000) -> bytes:
    """A small JPEG after `size` bytes of EXIF, in as many segments as they take."""
    whole = encoded(black("RGB", 64), "JPEG")
    block = exif(size)
    parts = [block[i : i + 65_000] for i in range(0, len(block), 65_000)]
    segments = (b"\xff\xe1" + struct.pack(">H", len(p) + 8) + b"Exif\0\0" + p for p in parts)
    return whole[:2] + b"".join(segments) + whole[2:]


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(chunks: bytes) -> bytes:
    """A small PNG with more chunks after its header."""
    whole = encoded(black("RGB", 64), "PNG")
    return whole[:33] + chunks + whole[33:]


def png_exif(size: int = 1_000_000) -> bytes:
    """A PNG whose EXIF claims 60,000 times what it holds."""
    return png_with(chunk(b"eXIf", exif(size)))


def png_profiles(number: int = 20_000) -> bytes:
    """A PNG of many colour profiles of a megabyte each."""
    profile = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**20 - 1), 9))
    return png_with(profile * number)


def png_chunks(number: int = 2_000_000) -> bytes:
    """A PNG of very many empty chunks."""
    return png_with(chunk(b"ruSt", b"") * number)


def gif_comments(blocks: int = 40_000) -> bytes:
    """A GIF with a comment in very many parts."""
    whole = encoded(black("P", 64), "GIF")
    at = 13 + 3 * 2 ** ((whole[10] & 7) + 1)
    return whole[:at] + b"\x21\xfe" + (b"\xff" + b"a" * 255) * blocks + b"\0" + whole[at:]


def tiff_tags(size: int = 2_000_000) -> bytes:
    """A TIFF whose tags all claim the same bytes."""
    whole = encoded(black("L", 64), "TIFF")
    (start,) = struct.unpack_from("<I", whole, 4)
    (own,) = struct.unpack_from("<H", whole, start)
    count = 20_000
    more = b"".join(struct.pack("<HHII", 40_000 + i, 7, min(size, 2**20), 8) for i in range(count))
    entries = whole[start + 2 : start + 2 + 12 * own]
    body = whole + bytes(size)
    ifd = struct.pack("<H", own + count) + entries + more + bytes(4)
    return body[:4] + struct.pack("<I", len(body)) + body[8:] + ifd


def tiff_tile(side: int = 45_008) -> bytes:
    """A TIFF of 64 x 64 pixels in one tile of two gigabytes."""
    raw = zlib.compressobj(9)
    packed = b"".join(raw.compress(bytes(side)) for _ in range(side)) + raw.flush()
    tags = [(256, 4, 64), (257, 4, 64), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1), (322, 4, side)]
    tags += [(323, 4, side), (324, 4, 8), (325, 4, len(packed))]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    start = 8 + len(packed)
    return b"II*\0" + struct.pack("<I", start) + packed + struct.pack("<H", len(tags)) + entries + bytes(4)


def tiff_scans(scans: int = 90, side: int = SHORT) -> bytes:
    """A TIFF that holds a progressive JPEG of many scans."""
    data = progressive(scans, side)
    tags = [(256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 7), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    tags += [(278, 4, side), (279, 4, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    start = 8 + len(data)
    return b"II*\0" + struct.pack("<I", start) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def heif() -> bytes:
    """A photo as phones of one maker write it."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    return encoded(black("RGB", SHORT), "HEIF", quality=20)


def rle(side: int = SIDE) -> bytes:
    """A BMP that ends every row where it begins."""
    rows = b"\1\0\0\0" * side + b"\0\1"
    start = 14 + 40 + 1024
    info = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(rows), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + info + bytes(1024) + rows


def safetensors(names: int = 1_000_000) -> bytes:
    """Weights whose header names very many tensors of no size."""
    header = json.dumps({f"a{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(names)})
    return struct.pack("<Q", len(header)) + header.encode()


def floats(side: int = SIDE) -> bytes:
    """A TIFF of floating-point numbers."""
    return encoded(black("F", side), "TIFF", compression="tiff_deflate")


def deep(side: int = SIDE) -> bytes:
    """A grey PNG of 16 bits."""
    return encoded(Image.fromarray(np.zeros((side, side), np.uint16)), "PNG", compress_level=9)


PHOTOS: dict[str, Callable[[], bytes]] = {
    "progressive.jpg": progressive,
    "sequential.jpg": sequential,
    "exif.jpg": jpeg_exif,
    "cmyk.jpg": lambda: encoded(black("CMYK"), "JPEG", quality=1, progressive=True),
    "16 bits.png": deep,
    "16 bits of 49 megapixels.png": lambda: deep(SHORT),
    "rgba of 49 megapixels.png": lambda: encoded(black("RGBA", SHORT), "PNG", compress_level=9),
    "floats of 49 megapixels.tif": lambda: floats(SHORT),
    "lossless of 25 megapixels.webp": lambda: encoded(black("RGBA", 5000), "WEBP", lossless=True, method=0),
    "progressive of 49 megapixels.jpg": lambda: progressive(20, SHORT),
    "rgba.png": lambda: encoded(black("RGBA"), "PNG", compress_level=9),
    "palette.png": lambda: encoded(black("P"), "PNG", transparency=0),
    "exif.png": png_exif,
    "profiles.png": png_profiles,
    "chunks.png": png_chunks,
    "lossless.webp": lambda: encoded(black("RGBA"), "WEBP", lossless=True, method=0),
    "animated.gif": lambda: encoded(black("P"), "GIF", save_all=True, append_images=[Image.new("P", (SIDE, SIDE), 1)]),
    "comments.gif": gif_comments,
    "black.avif": lambda: encoded(black("RGB"), "AVIF", quality=1, speed=10),
    "16 bits.tif": lambda: encoded(Image.fromarray(np.zeros((SIDE, SIDE), np.uint16)), "TIFF", compression="tiff_lzw"),
    "floats.tif": floats,
    "tags.tif": tiff_tags,
    "tile.tif": tiff_tile,
    "scans.tif": tiff_scans,
    "cmyk.tif": lambda: encoded(black("CMYK"), "TIFF", compression="tiff_lzw"),
    "two.mpo": lambda: encoded(black("RGB"), "MPO", save_all=True, append_images=[black("RGB")], quality=5),
    "rows.bmp": rle,
    "254.pgm": lambda: b"P5 5000 5000 254\n" + bytes(25_000_000),
    "comments.pbm": lambda: b"P1 9 9\n" + b"#\n" * 500_000,
    "black.heic": heif,
}
