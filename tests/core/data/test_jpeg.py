"""The faster way to decode gives the pixels and the reasons of `photo.decode`."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data import jpeg, photo
from core.data.photo import BadPhoto

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore::PIL.Image.DecompressionBombWarning")


def picture(mode: str = "RGB") -> Image.Image:
    """Noise that is neither square nor symmetric."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, bands), np.uint8)
    return Image.frombytes(mode, (53, 37), pixels.tobytes())


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """`image` as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation: int) -> bytes:
    """A JPEG with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture(), exif=exif)


def outcome(decode: Any, source: bytes | str | Path) -> tuple[str, tuple[int, int], bytes] | str:
    """Mode, size and pixels, or the reason why there are none; any other exception is a crash."""
    try:
        image = decode(source)
    except BadPhoto as error:
        return str(error)
    return image.mode, image.size, image.tobytes()


def same(source: bytes | str | Path) -> bool:
    """Whether both ways come to the same."""
    return outcome(jpeg.decode, source) == outcome(photo.decode, source)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"keep_rgb": True}, {"quality": 5}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_any_jpeg(mode: str, options: dict[str, Any]) -> None:
    assert same(encoded(picture(mode), **options))


@pytest.mark.parametrize("orientation", range(11))
def test_any_orientation(orientation: int) -> None:
    assert same(turned(orientation))


def test_a_broken_exif_block_does_not_make_the_pixels_unreadable() -> None:
    whole = turned(6)
    start = whole.index(b"Exif") + 6
    for at in range(start, start + 24, 2):
        damaged = whole[:at] + b"\xff\xff" + whole[at + 2 :]
        assert outcome(jpeg.decode, damaged)[0] == "RGB" and same(damaged)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_other_formats(kind: str, mode: str) -> None:
    assert same(encoded(picture(mode), kind))


def test_several_pictures_in_a_file() -> None:
    for kind in ("MPO", "GIF", "TIFF", "WEBP"):
        others = [Image.new("RGB", (53, 37), "red")]
        assert same(encoded(picture(), kind, save_all=True, append_images=others)), kind


def test_truncated_anywhere() -> None:
    whole = encoded(picture())
    outcomes = [outcome(jpeg.decode, whole[:end]) for end in range(0, len(whole), 7)]
    assert outcomes == [outcome(photo.decode, whole[:end]) for end in range(0, len(whole), 7)]
    assert sum(isinstance(o, str) for o in outcomes) > len(outcomes) / 2


def test_any_byte_damaged() -> None:
    whole = encoded(picture())
    for at in range(0, len(whole), 5):
        assert same(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]), f"byte {at}"


def test_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(encoded(picture()))
    assert same(file) and same(str(file)) and same(tmp_path) and same(tmp_path / "none.jpg")
    monkeypatch.setattr(photo, "MAX_PIXELS", 53 * 37 - 1)
    assert "pixels are more than" in str(outcome(jpeg.decode, file)) and same(file)
    monkeypatch.setattr(photo, "MAX_BYTES", 10)
    assert "larger than" in str(outcome(jpeg.decode, file)) and same(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert outcome(jpeg.decode, tmp_path / "pipe.jpg") == "it is not a file"


def test_the_picture_can_be_used_after_its_file_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(encoded(picture()))
    expected = photo.decode(file)
    image = jpeg.decode(file)
    file.unlink()
    for one, other in ((image, expected), (image.copy(), expected), (image.convert("L"), expected.convert("L"))):
        assert one.tobytes() == other.tobytes()
    view = photo.View((20, 20))
    assert np.array_equal(photo.fit(image, [view]), photo.fit(expected, [view]))


def test_real_and_hostile_photos(data_folder: Path) -> None:
    files = sorted((data_folder / "tiny_pets").glob("*.jpg"))
    files += sorted(f for f in (data_folder / "hostile_images").rglob("*") if f.is_file())
    assert len(files) > 100
    for file in files:
        assert same(file), file.name
