"""From bytes to pixels: what a person sees, or one line that says why not."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from core.data import photo, upright
from core.data.photo import BadPhoto, View, decode, fit

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
WHITE, RED = (255, 255, 255), (255, 0, 0)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """`image` as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def difference(a: Image.Image, b: Image.Image) -> float:
    """Mean absolute difference of two pictures, of 255."""
    return float(np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean())


@pytest.fixture(scope="module")
def hostile(data_folder: Path) -> Path:
    return data_folder / "hostile_images"


@pytest.fixture(scope="module")
def manifest(hostile: Path) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = json.loads((hostile / "manifest.json").read_text(encoding="utf-8"))["files"]
    return files


def outcome(file: Path) -> Image.Image | str:
    """The picture, or the reason why there is none; any other exception is a crash."""
    try:
        return decode(file)
    except BadPhoto as error:
        return str(error)


def test_hostile_files_give_a_picture_or_a_reason_and_stay_as_they_are(
    hostile: Path, manifest: list[dict[str, Any]]
) -> None:
    assert len(manifest) == 621
    wrong = []
    for entry in manifest:
        file = hostile / entry["file"]
        found = outcome(file)
        if isinstance(found, str):
            good = bool(found.strip()) and "\n" not in found and len(found) < 200 and "<" not in found
        else:
            good = found.mode == "RGB" and found.width * found.height <= photo.MAX_PIXELS
        if not good:
            wrong.append((entry["file"], found))
        if hashlib.sha256(file.read_bytes()).hexdigest() != entry["sha256"]:
            wrong.append((entry["file"], "was changed"))
    assert not wrong


def test_hostile_files_that_pillow_can_show_are_shown(hostile: Path, manifest: list[dict[str, Any]]) -> None:
    """Of the formats we take, what plain Pillow loads whole we load too, and nothing else but HEIC."""
    wrong = []
    for entry in manifest:
        file = hostile / entry["file"]
        try:
            with Image.open(file, formats=[f for f in photo.FORMATS if f != "HEIF"]) as image:
                image.load()
                loads = image.width * image.height <= photo.MAX_PIXELS
        except Exception:
            loads = False
        shown = not isinstance(outcome(file), str)
        if shown != loads and file.suffix != ".heif":
            wrong.append((entry["file"], loads, shown))
    assert not wrong


def test_hostile_files_have_the_size_that_the_manifest_says(hostile: Path, manifest: list[dict[str, Any]]) -> None:
    wrong, compared = [], 0
    for entry in manifest:
        if entry["pil"] != "ok" or isinstance(found := outcome(hostile / entry["file"]), str):
            continue
        turned = entry["orientation"] in (5, 6, 7, 8) and entry["format"] != "TIFF"  # Pillow turns these in loading
        compared += 1
        if list(found.size) != (entry["size"][::-1] if turned else entry["size"]):
            wrong.append((entry["file"], found.size, entry["size"]))
    assert compared > 300 and not wrong


def test_warnings_are_no_reason_to_refuse_a_photo(hostile: Path, manifest: list[dict[str, Any]]) -> None:
    """With warnings as errors in the whole process, as many files are readable as without."""
    noisy = [str(hostile / e["file"]) for e in manifest if "warns" in e["odd"]]
    assert len(noisy) > 10
    code = (
        "import sys\nfrom core.data.photo import BadPhoto, decode\n"
        "for file in sys.argv[1:]:\n"
        "    try: decode(file)\n    except BadPhoto as error: print('no')\n    else: print('yes')\n"
    )
    answers = [
        subprocess.run(
            [sys.executable, *flag, "-c", code, *noisy], capture_output=True, text=True, check=True
        ).stdout.split()
        for flag in ([], ["-W", "error::UserWarning", "-W", "error::RuntimeWarning"])
    ]
    assert answers[0] == answers[1] and "yes" in answers[0]


def test_threads_leave_the_filters_of_warnings_alone(hostile: Path) -> None:
    files = sorted(hostile.rglob("*.png")) * 2
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(outcome, files))
    assert list(warnings.filters) == before


@pytest.mark.parametrize("kind", ["landscape", "portrait"])
def test_orientations_of_a_camera_give_one_picture(hostile: Path, kind: str) -> None:
    files = sorted((hostile / "exif-samples/jpg/orientation").glob(f"{kind}_*.jpg"))
    assert len(files) == 7
    pictures = [decode(file) for file in files]
    assert {p.size for p in pictures} == {(600, 450) if kind == "landscape" else (450, 600)}
    unturned = decode(re.sub(b"Exif\0\0", b"Exit\0\0", files[0].read_bytes()))  # orientation 2: mirrored
    assert difference(pictures[0], ImageOps.mirror(unturned)) == 0
    # the files were compressed each by itself, so they differ a little; turned wrong they differ by much more
    assert max(difference(pictures[0], p) for p in pictures[1:]) < 10 < difference(pictures[0], unturned) / 2


@pytest.mark.parametrize("kind", ["jpg", "webp"])
def test_orientations_of_hopper_give_one_picture(hostile: Path, kind: str) -> None:
    files = sorted((hostile / "pillow/Tests/images").glob(f"hopper_orientation_*.{kind}"))
    assert len(files) == 7
    pictures = [decode(file) for file in files]
    assert max(difference(pictures[0], p) for p in pictures[1:]) < 10
    assert difference(pictures[0], Image.open(files[0]).convert("RGB")) > 30


def test_orientations_of_a_fax_give_one_picture(hostile: Path) -> None:
    """Pillow turns TIFF files by itself, so nobody may turn them again."""
    files = sorted((hostile / "pillow/Tests/images").glob("g4_orientation_*.tif"))
    assert len(files) == 8
    first, *others = map(decode, files)
    assert max(difference(first, other) for other in others) < 0.7  # as Pillow's own test has it
    assert difference(first, ImageOps.mirror(first)) > 10


def test_an_orientation_is_used_once() -> None:
    image = Image.new("RGB", (40, 20), RED)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode(encoded(image, "JPEG", exif=exif))
    assert turned.size == (20, 40)
    assert 0x0112 not in turned.getexif(), "or whoever saves it turns it again"


def test_a_broken_exif_block_does_not_matter() -> None:
    image = Image.new("RGB", (8, 8), RED)
    with_exif = encoded(image, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\0\0\0\0")
    assert difference(decode(with_exif), decode(encoded(image, "JPEG"))) == 0


def half_transparent() -> Image.Image:
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0))  # a colour that nobody sees
    image.putpixel((0, 0), (255, 0, 0, 255))
    image.putpixel((1, 0), (255, 0, 0, 128))
    return image


def palette_with_transparency() -> Image.Image:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([255, 0, 0, 0, 0, 255, *[0] * 762])
    image.putpixel((0, 0), 1)
    image.info["transparency"] = 0
    return image


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_what_is_transparent_is_white(kind: str) -> None:
    image = decode(encoded(half_transparent(), kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert image.getpixel((3, 3)) == WHITE and image.getpixel((0, 0)) == RED
    assert image.getpixel((1, 0)) == (255, 127, 127)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_is_white(kind: str) -> None:
    image = decode(encoded(palette_with_transparency(), kind, transparency=0))
    assert image.getpixel((0, 0)) == (0, 0, 255) and image.getpixel((3, 3)) == WHITE


@pytest.mark.parametrize("mode", ["L", "RGB", "1"])
def test_a_transparent_colour_without_alpha_is_white(mode: str) -> None:
    image = Image.new(mode, (4, 4), 0)
    image.putpixel((0, 0), RED if mode == "RGB" else 1 if mode == "1" else 200)
    transparent = (0, 0, 0) if mode == "RGB" else 0
    shown = decode(encoded(image, transparency=transparent))
    assert shown.getpixel((3, 3)) == WHITE
    assert mode == "1" or shown.getpixel((0, 0)) == (RED if mode == "RGB" else (200, 200, 200))


def test_grey_with_alpha_is_on_white() -> None:
    image = Image.new("LA", (2, 1), (100, 0))
    image.putpixel((1, 0), (100, 255))
    shown = decode(encoded(image))
    assert (shown.getpixel((0, 0)), shown.getpixel((1, 0))) == (WHITE, (100, 100, 100))


def test_a_transparent_level_of_16_bits_is_white() -> None:
    levels = np.full((8, 8), 0x1234, np.uint16)
    levels[4:] = 0x1280  # the same in 8 bits
    shown = np.asarray(decode(encoded(Image.fromarray(levels), "PNG", transparency=0x1234)))
    assert (shown[:4] == 255).all() and (shown[4:] == 0x12).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_rescaled_not_clipped(kind: str) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    shown = np.asarray(decode(encoded(Image.fromarray(ramp), kind)))
    assert shown.shape == (16, 16, 3)
    np.testing.assert_allclose(shown[..., 0], ramp / 257, atol=0.51)


def test_sixteen_bits_of_a_pgm_keep_their_range() -> None:
    """Pillow has them in a mode for 32 bits; a dim photo stays dim all the same."""
    values = np.array([[1000, 20000], [30000, 40000]], ">u2")
    shown = np.asarray(decode(b"P5 2 2 65535\n" + values.tobytes()))
    np.testing.assert_allclose(shown[..., 1], values.astype(float) / 257, atol=0.51)


def test_sixteen_bits_in_both_byte_orders(hostile: Path) -> None:
    folder = hostile / "pillow/Tests/images"
    little, big = (decode(folder / name) for name in ("16bit.cropped.tif", "16bit.MM.cropped.tif"))
    assert difference(little, big) == 0


def test_floats_are_shown_from_their_lowest_to_their_highest() -> None:
    values = np.array([[-3.0, np.nan], [0.0, 3.0]], np.float32)
    shown = np.asarray(decode(encoded(Image.fromarray(values), "TIFF")))[..., 0]
    assert (shown[0, 0], shown[1, 1]) == (0, 255) and shown[1, 0] in (127, 128)


def noise(mode: str) -> Image.Image:
    """Noise that is neither square nor symmetric."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, bands), np.uint8)
    return Image.frombytes(mode, (53, 37), pixels.tobytes())


def by_pillow(data: bytes) -> Image.Image:
    """The picture in one piece, with all the copies that it takes."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*WHITE, 255)), image)
    return image.convert("RGB")


@pytest.mark.parametrize("rows", [1, 5, 100])
@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        *(("JPEG", mode, options) for mode in ("RGB", "L", "CMYK") for options in ({}, {"progressive": True})),
        ("JPEG", "RGB", {"keep_rgb": True}),
        *(("PNG", mode, {}) for mode in ("RGB", "RGBA", "L", "LA", "1")),
        ("PNG", "L", {"transparency": 7}),
        ("PNG", "RGB", {"transparency": (7, 8, 9)}),
        *(("WEBP", mode, {}) for mode in ("RGB", "RGBA")),
        *(("TIFF", mode, {}) for mode in ("RGB", "RGBA", "CMYK", "LA")),
        ("BMP", "RGB", {}),
    ],
)
def test_in_strips_as_in_one_piece(
    kind: str, mode: str, options: dict[str, Any], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upright, "STRIP", rows * 53)
    data = encoded(noise(mode), kind, **options)
    assert np.array_equal(decode(data), by_pillow(data))


@pytest.mark.parametrize("rows", [1, 5, 100])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_numbers_in_strips_as_in_one_piece(dtype: Any, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 60000, (37, 53)).astype(dtype)
    monkeypatch.setattr(upright, "STRIP", rows * 53)
    low, high = (0, 65535) if dtype is np.uint16 else (values.min(), values.max())
    shown = np.asarray(decode(encoded(Image.fromarray(values), "TIFF")))[..., 0]
    np.testing.assert_array_equal(shown, ((values.astype(np.float64) - low) * (255 / (high - low))).round())


@pytest.mark.parametrize("orientation", range(11))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_any_orientation(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(noise("RGB"), kind, exif=exif)
    assert np.array_equal(decode(data), by_pillow(data))


def test_an_exif_block_damaged_anywhere_does_not_make_the_pixels_unreadable() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encoded(noise("RGB"), "JPEG", exif=exif)
    start = whole.index(b"Exif") + 6
    for at in range(start, start + 24, 2):
        assert decode(whole[:at] + b"\xff\xff" + whole[at + 2 :]).mode == "RGB"


def test_the_picture_can_be_used_after_its_file_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(encoded(noise("RGB"), "JPEG"))
    expected, image = by_pillow(file.read_bytes()), decode(file)
    file.unlink()
    for one, other in ((image, expected), (image.copy(), expected), (image.convert("L"), expected.convert("L"))):
        assert one.tobytes() == other.tobytes()
    assert np.array_equal(fit(image, [View((20, 20))]), fit(expected, [View((20, 20))]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(BadPhoto, match="it is not a file"):
        decode(tmp_path / "pipe.jpg")


def test_a_file_may_be_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(encoded(noise("RGB")))
    monkeypatch.setattr(photo, "MAX_PHOTO_BYTES", 10)
    with pytest.raises(BadPhoto, match="larger than"):
        decode(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["I;16", "F"])
def test_memory_of_a_conversion_is_bounded(mode: str) -> None:
    """Of what NumPy takes; a picture of these 4 megapixels has 16 MB."""
    image = Image.new(mode, (2000, 2000))
    tracemalloc.start()
    try:
        photo.as_seen(image)
        assert tracemalloc.get_traced_memory()[1] < 45_000_000  # in one piece it would be over 100
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"}]
)
def test_a_thumbnail_decodes_no_more_than_it_needs(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(noise("RGB").resize((1600, 1200)), "JPEG", **options)
    whole = decode(data)
    loaded: list[tuple[int, int]] = []
    load = ImageFile.ImageFile.load
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: loaded.append(self.size) or load(self))
    small = photo.thumbnail(data, 100)
    assert loaded[0] == (400, 300)
    whole.thumbnail((100, 100))
    assert small.size == whole.size and difference(small, whole) < 2


def test_a_thumbnail_is_never_larger_than_the_photo_and_has_the_same_bounds() -> None:
    image = noise("RGB")
    assert photo.thumbnail(encoded(image), 1000).tobytes() == image.tobytes()
    with pytest.raises(BadPhoto):
        photo.thumbnail(encoded(Image.new("L", (9000, 8000)), "JPEG", progressive=True), 100)
    with pytest.raises(BadPhoto, match="not an image"):
        photo.thumbnail(b"no photo", 100)


def loads(monkeypatch: pytest.MonkeyPatch, during: Callable[[], None]) -> None:
    """Decode two photos at once, with something that happens while each is loaded."""
    load = Image.Image.load
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: (during(), load(self))[1])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(decode, [encoded(noise("RGB"), "JPEG")] * 2))


def test_large_photos_wait_where_they_would_be_too_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Lock()

    def enter() -> None:
        assert alone.acquire(blocking=False)
        time.sleep(0.05)
        alone.release()

    pixels = noise("RGB").width * noise("RGB").height
    monkeypatch.setattr(photo, "LARGE_PIXELS", 0)
    monkeypatch.setattr(photo, "_large", photo._Budget(2 * pixels - 1))
    loads(monkeypatch, enter)
    both = Barrier(2, timeout=20)
    monkeypatch.setattr(photo, "_large", photo._Budget(2 * pixels))
    loads(monkeypatch, both.wait)  # type: ignore[arg-type]


def test_small_photos_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Barrier(2, timeout=20)
    loads(monkeypatch, both.wait)  # type: ignore[arg-type]


def test_cmyk_and_grey() -> None:
    cyan = decode(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "TIFF")).getpixel((4, 4))
    assert cyan == (0, 255, 255)
    red, green, blue = decode(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG")).getpixel((4, 4))
    assert red < 10 and green > 245 and blue > 245, "an inverted CMYK JPEG would be red"
    assert decode(encoded(Image.new("L", (8, 8), 77))).getpixel((4, 4)) == (77, 77, 77)
    assert decode(encoded(Image.new("1", (8, 8), 1))).getpixel((4, 4)) == WHITE


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), c) for c in (RED, (0, 0, 255), (0, 255, 0))]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert decode(data).getpixel((8, 8)) == RED


def test_heic(hostile: Path) -> None:
    pytest.importorskip("pillow_heif")
    assert decode(hostile / "exif-samples/heic/samplefilehub.heif").size == (640, 426)
    image = Image.linear_gradient("L").convert("RGB")
    assert difference(decode(encoded(image, "HEIF", quality=90)), image) < 3


def test_too_many_pixels_are_refused_before_memory_is_taken() -> None:
    bomb = encoded(Image.new("1", (9000, 9000)))
    assert len(bomb) < 20_000
    tracemalloc.start()
    try:
        with pytest.raises(BadPhoto, match=r"9000 x 9000 pixels are more than 64,000,000"):
            decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_the_cap_lets_a_phone_pass_and_looks_at_the_header_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert photo.MAX_PIXELS > 8064 * 6048, "48 megapixels"
    loaded: list[tuple[int, int]] = []
    load = Image.Image.load
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: loaded.append(self.size) or load(self))
    with pytest.raises(BadPhoto):
        decode(encoded(Image.new("L", (10, 10))), max_pixels=99)
    assert loaded == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not an image in a known format"),
        (b"GIF89a", "image"),
        (encoded(Image.new("RGB", (64, 64), RED), "JPEG")[:-200], "truncated|Truncated"),
        (encoded(Image.effect_noise((64, 64), 50))[:-900], r"truncated|Truncated"),
    ],
)
def test_bytes_that_are_no_photo(data: bytes, reason: str) -> None:
    with pytest.raises(BadPhoto, match=reason):
        decode(data)


def test_formats_that_run_programs_are_not_opened() -> None:
    with pytest.raises(BadPhoto, match="not an image in a known format"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")


def test_a_file_that_is_gone_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(BadPhoto, match=r"^\w[^\n]+$"):
            decode(path)


def test_bytes_and_path_and_text_are_one(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(encoded(Image.effect_noise((20, 10), 80)))
    pictures = [decode(file), decode(str(file)), decode(file.read_bytes())]
    assert {p.tobytes() for p in pictures} == {decode(file).tobytes()}


def columns(width: int = 100, height: int = 60) -> Image.Image:
    """A photo whose red says which column it was, and whose green which row."""
    values = np.zeros((height, width, 3), np.uint8)
    values[..., 0], values[..., 1] = np.arange(width)[None] * 2, np.arange(height)[:, None] * 4
    return Image.fromarray(values)


def seen(pixels: np.ndarray[Any, Any]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the part of `columns` that is shown."""
    xs, ys = pixels[..., 0].astype(float) / 2, pixels[..., 1].astype(float) / 4
    return xs.min(), ys.min(), xs.max(), ys.max()


@pytest.mark.parametrize(
    ("method", "box"), [("crop", (20, 0, 80, 60)), ("pad", (0, 0, 100, 60)), ("squish", (0, 0, 100, 60))]
)
def test_fit_shows_what_fastai_shows(method: Any, box: tuple[float, ...]) -> None:
    """The oracle: a photo of 100x60 to 30."""
    pixels = fit(columns(), [View((30, 30), method, "reflection")])
    assert pixels.shape == (30, 30, 3)
    np.testing.assert_allclose(seen(pixels), box, atol=2.5)


def test_fit_takes_height_and_width() -> None:
    pixels = fit(columns(), [View((20, 40))])
    assert Image.fromarray(pixels).size == (40, 20)
    np.testing.assert_allclose(seen(pixels), (0, 5, 100, 55), atol=2)


@pytest.mark.parametrize("method", ["crop", "squish"])
def test_fit_is_pillows_own_filtered_resize_of_the_box(method: Any, data_folder: Path) -> None:
    image = decode(data_folder / "tiny_pets/Abyssinian_107.jpg")
    view = View((96, 96), method)
    expected = image.resize((96, 96), Image.Resampling.BILINEAR, view.box((image.height, image.width)))
    assert np.array_equal(fit(image, [view]), np.asarray(expected))


@pytest.mark.parametrize(
    ("pad_mode", "first_rows"), [("zeros", [0, 0, 0]), ("border", [1, 1, 1]), ("reflection", [3, 2, 1])]
)
def test_pad_modes(pad_mode: Any, first_rows: list[int]) -> None:
    rows = np.repeat(np.arange(1, 7, dtype=np.uint8)[:, None, None], 12, 1).repeat(3, 2)  # 6 rows, 12 columns
    pixels = fit(Image.fromarray(rows), [View((12, 12), "pad", pad_mode)])
    assert pixels[:6, 5, 0].tolist() == [*first_rows, 1, 2, 3]
    assert pixels[::-1][:3, 5, 0].tolist() == [0 if v == 0 else 7 - v for v in first_rows]


def test_pad_takes_photos_much_longer_than_wide() -> None:
    for size in ((1000, 1), (1, 1000), (1, 1), (333, 2)):
        for pad_mode in ("zeros", "border", "reflection"):
            pixels = fit(Image.new("RGB", size, RED), [View((30, 20), "pad", pad_mode)])  # type: ignore[arg-type]
            assert pixels.shape == (30, 20, 3) and tuple(pixels[15, 10]) == RED


def test_crop_pct_shows_less() -> None:
    assert View((30, 30), crop_pct=0.5).box((60, 100)) == (35, 15, 65, 45)
    np.testing.assert_allclose(seen(fit(columns(), [View((30, 30), crop_pct=0.5)])), (35, 15, 65, 45), atol=2)
    for method in ("pad", "squish"):
        assert View((30, 30), method, crop_pct=0.5).box((60, 100)) == View((30, 30), method).box((60, 100))  # type: ignore[arg-type]


def test_two_views_in_a_row_are_one_box(monkeypatch: pytest.MonkeyPatch) -> None:
    image = columns(320, 240).resize((320, 240))
    boxes: list[Any] = []
    resize: Callable[..., Image.Image] = Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda self, size, how, box: boxes.append((size, box)) or resize(self, size, how, box)
    )
    both = fit(image, [View((120, 120)), View((60, 30), crop_pct=0.5)])
    # the first shows the square 40..280 x 0..240; of it the second the middle half in height, a quarter in width
    assert boxes == [((30, 60), (130.0, 60.0, 190.0, 180.0))]
    assert np.array_equal(both, np.asarray(resize(image, (30, 60), Image.Resampling.BILINEAR, (130, 60, 190, 180))))


def test_a_padded_photo_that_is_cropped_keeps_its_padding() -> None:
    image = Image.new("RGB", (100, 50), WHITE)
    pixels = fit(image, [View((40, 40), "pad", "zeros"), View((40, 20))])
    assert pixels.shape == (40, 20, 3)
    assert pixels[:9].max() == 0 and pixels[11:29].min() == 255 and pixels[31:].max() == 0


def test_normalise() -> None:
    pixels = np.array([[[0, 255, 128]]], np.uint8)
    out = photo.normalise(pixels, (0.5, 0.4, 0.3), (0.5, 0.2, 0.1))
    assert out.dtype == np.float32 and out.shape == (3, 1, 1) and out.flags.c_contiguous
    np.testing.assert_allclose(out.ravel(), [-1, 3, (128 / 255 - 0.3) / 0.1], rtol=1e-5)
