"""A small file that asks for much is refused before it gets it, and an honest one never."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data import bounds, photo
from core.data.photo import BadPhoto, TooMuchWork, decode
from tests.benchmarks import costly_photos as costly

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
ROOT = Path(__file__).parents[3]
FEW = 5_000_000  # bytes


def peak(data: bytes, decodes: bool) -> int:
    """Bytes of memory that Python takes while a photo is decoded, or refused."""
    tracemalloc.start()
    try:
        if decodes:
            assert decode(data).size == (64, 64)
        else:
            with pytest.raises(BadPhoto, match="parts"):
                decode(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", [costly.progressive, costly.sequential])
def test_scans_times_pixels_are_bounded(make: Callable[[int, int], bytes]) -> None:
    assert decode(make(100, 800)).size == (800, 800), "so many are fine where the pixels are few"
    with pytest.raises(TooMuchWork, match="8000 x 8000 pixels take too many passes"):
        decode(make(100, 8000))


def test_only_true_scans_count() -> None:
    """A thumbnail, a comment and the film behind the photo may hold anything."""
    image = Image.effect_noise((64, 64), 80)
    plain = costly.encoded(image, "JPEG", progressive=True)
    _, scans = bounds.checked(plain)
    assert scans == plain.count(b"\xff\xda")
    comment = b"\xff\xfe" + struct.pack(">H", 4002) + b"\xff\xda" * 2000
    dressed = plain[:2] + comment + plain[2:] + b"\xff\xda\0\x08\1\1\0\0\x3f\0" * 1000
    assert bounds.checked(dressed)[1] == scans
    assert bounds.checked(costly.encoded(image, "JPEG") + b"\xff\xda" * 1000)[1] == 1


@pytest.mark.parametrize("progressive", [True, False])
def test_a_camera_s_largest_photo_is_no_work(progressive: bool) -> None:
    data = costly.encoded(Image.new("RGB", (8160, 6120)), "JPEG", progressive=progressive)
    assert decode(data, photo.UNTRUSTED_PIXELS).size == (8160, 6120)


@pytest.fixture(scope="module")
def phone_photo() -> bytes:
    """A photo of 108 megapixels, blue above and red below, that was taken with the camera turned upside down."""
    image = Image.new("RGB", (12_000, 9_000), (0, 0, 255))
    image.paste((255, 0, 0), (0, 4_500, 12_000, 9_000))
    exif = Image.Exif()
    exif[0x0112] = 3
    return costly.encoded(image, "JPEG", exif=exif)


@pytest.mark.parametrize("most", [photo.MAX_PIXELS, photo.UNTRUSTED_PIXELS])
def test_a_larger_jpeg_is_decoded_smaller(phone_photo: bytes, most: int) -> None:
    shown = decode(phone_photo, most)
    assert shown.size == (6_000, 4_500)
    assert [max((0, 1, 2), key=shown.getpixel((x, y)).__getitem__) for x, y in ((9, 9), (5_990, 4_490))] == [0, 2]  # type: ignore[union-attr]


def test_a_jpeg_is_as_much_smaller_as_it_must_be(phone_photo: bytes) -> None:
    sizes = [decode(phone_photo, 12_000 * 9_000 // share).size for share in (4, 5, 16, 17, 64)]
    assert sizes == [(6_000, 4_500), (3_000, 2_250), (3_000, 2_250), (1_500, 1_125), (1_500, 1_125)]
    with pytest.raises(BadPhoto, match="12000 x 9000 pixels are more than 1,661,538"):
        decode(phone_photo, 12_000 * 9_000 // 65)


def test_a_larger_jpeg_takes_the_memory_of_the_smaller(phone_photo: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(phone_photo)
    code = (
        "import resource, sys\nfrom core.data.photo import decode\n"
        "most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = most()\nassert decode(sys.argv[1]).width == 6000\nprint(most() - before)"
    )
    pytest.importorskip("resource")
    ran = subprocess.run([sys.executable, "-c", code, tmp_path / "a.jpg"], capture_output=True, check=True, cwd=ROOT)
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(ran.stdout) * unit < 300_000_000, "it was turned, so there are two of 27 megapixels; whole it has 432 MB"


@pytest.mark.parametrize("make", [costly.progressive, costly.sequential])
def test_a_larger_jpeg_that_is_kept_whole_is_refused(make: Callable[[int, int], bytes]) -> None:
    for scans in (1, 2):
        with pytest.raises(BadPhoto, match="9000 x 9000 pixels are more than 64,000,000"):
            decode(make(scans, 9_000))


def test_a_200_megapixel_phone_passes_and_not_much_more() -> None:
    small = costly.encoded(Image.new("L", (8, 8)), "JPEG")
    phone, more = (
        small.replace(b"\0\x08\0\x08", struct.pack(">HH", *size), 1) for size in ((12240, 16320), (20000,) * 2)
    )
    assert decode(phone, photo.UNTRUSTED_PIXELS).size == (8_160, 6_120)
    with pytest.raises(TooMuchWork, match="20000 x 20000 pixels"):
        decode(more)


def test_a_jpeg_inside_a_tiff_has_few_scans() -> None:
    assert decode(costly.tiff_scans(8, 64)).size == (64, 64)
    with pytest.raises(BadPhoto):
        decode(costly.tiff_scans(40, 64))


@pytest.mark.parametrize(
    ("data", "decodes"),
    [
        (costly.jpeg_exif(60_000), True),
        (costly.jpeg_exif(3_000_000), True),
        (costly.png_exif(60_000), True),
        (costly.png_with(costly.chunk(b"eXIf", b"Exif\0\0" * 2 + costly.exif(60_000))), True),
        (costly.tiff_tags(20_000), False),
    ],
    ids=["jpeg", "long jpeg", "png", "prefixed png", "tiff"],
)
def test_tags_that_claim_the_same_bytes_take_no_memory(data: bytes, decodes: bool) -> None:
    assert peak(data, decodes) < 4 * len(data) + FEW


def test_a_raw_profile_is_bounded_as_well() -> None:
    text = "\n\n\n" + costly.exif(60_000).hex()
    data = costly.png_with(costly.chunk(b"tEXt", b"Raw profile type exif\0" + text.encode()))
    assert peak(data, True) < 4 * len(data) + FEW


def test_an_avif_whose_tags_claim_the_same_bytes() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a" * 60_000
    whole = costly.encoded(Image.new("RGB", (64, 64)), "AVIF", exif=exif)
    at = bounds.TIFF.search(whole)
    assert at and decode(whole).size == (64, 64)
    block = costly.exif(60_000)
    assert peak(whole[: at.start()] + block + whole[at.start() + len(block) :], False) < FEW


def test_a_long_exif_block_costs_the_orientation_alone() -> None:
    turned = Image.Exif()
    turned[0x0112], turned[0x010E] = 6, "a" * 50_000
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8))
    assert decode(costly.encoded(image, "JPEG", exif=turned)).size == (8, 16)
    turned[0x010E] = "a" * (bounds.MAX_EXIF + 1)
    assert decode(costly.encoded(image, "PNG", exif=turned)).size == (16, 8)


@pytest.mark.parametrize(
    "data",
    [
        costly.png_chunks(10_000),
        costly.png_profiles(20),
        costly.gif_comments(5000),
        b"P1 9 9\n" + b"#\n" * 5000 + b"1" * 81,
        b"\xff\xd8" + b"\xff\xfe\0\2" * 5000,
    ],
    ids=["png", "profiles", "gif", "pbm", "jpeg"],
)
def test_a_file_of_very_many_parts_is_refused(data: bytes) -> None:
    with pytest.raises(BadPhoto, match="more than 4,000 parts"):
        decode(data)


def test_a_large_png_is_written_in_many_chunks() -> None:
    head = costly.chunk(b"IHDR", struct.pack(">IIBBBBB", 2500, 2500, 8, 0, 0, 0, 0))
    pixels = zlib.compress(bytes(2501 * 2500), 0)
    parts = [costly.chunk(b"IDAT", pixels[i : i + 1024]) for i in range(0, len(pixels), 1024)]
    assert len(parts) > bounds.MAX_PARTS
    assert decode(b"\x89PNG\r\n\x1a\n" + head + b"".join(parts) + costly.chunk(b"IEND", b"")).size == (2500, 2500)


def test_a_tile_is_unpacked_whole() -> None:
    with pytest.raises(BadPhoto, match=r"9008 x 9008 pixels are more than"):
        decode(costly.tiff_tile(9008))
    assert decode(costly.tiff_tile(64)).size == (64, 64)


@pytest.mark.parametrize("data", [costly.rle(4000), b"P5 4000 4000 254\n" + bytes(16_000_000)], ids=["bmp", "pgm"])
def test_slow_decoders_get_fewer_pixels(data: bytes) -> None:
    with pytest.raises(TooMuchWork, match="4000 x 4000 pixels take too many passes"):
        decode(data)
    assert decode(b"P5 9 9 254\n" + bytes(81)).size == (9, 9)
    assert decode(costly.rle(9)).size == (9, 9)


def test_a_costly_format_gets_fewer_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    image: dict[str, Any] = {kind: costly.encoded(Image.new("RGB", (60, 60)), kind) for kind in ("WEBP", "JPEG")}
    assert decode(image["JPEG"], max_pixels=4000).size == (60, 60)
    with pytest.raises(BadPhoto, match="60 x 60 pixels are more than 2,000"):
        decode(image["WEBP"], max_pixels=4000)


def test_a_file_that_is_cut_off_anywhere_is_refused_by_its_decoder() -> None:
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP"):
        whole = costly.encoded(Image.effect_noise((32, 32), 80), kind)
        for end in range(0, len(whole) - 64, 31):
            with pytest.raises(BadPhoto, match=r"\w"):
                decode(whole[:end])
            assert isinstance(bounds.stream(whole[:end]), io.BytesIO)


def test_a_large_avif_with_an_orientation_is_decoded_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8))
    data = costly.encoded(noise, "AVIF", exif=exif, quality=100, subsampling="4:4:4", speed=10)
    assert len(data) > bounds.MAX_EXIF
    assert photo.decode(data).size == (900, 1200)
