"""Photos with a colour profile are shown as sRGB, whatever the profile says."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from core.data import colours
from core.data.cache import Cache
from core.data.decoder import prepare
from core.data.photo import View, as_seen, decode, fit, load, thumbnail
from core.data.pil_image import opened
from core.data.pipeline import Pipeline
from core.registry import transforms
from tests.cpu import takes_at_most

CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # of sRGB and of Display P3, IEC 61966-2-1
P3_TO_D50 = ((0.515102, 0.291965, 0.157153), (0.241182, 0.692236, 0.066582), (-0.001049, 0.041882, 0.784378))
# SMPTE EG 432-1 and IEC 61966-2-1: linear light, both with the white of D65
P3_TO_SRGB = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
COLOURS = [
    (128, 64, 32),
    (100, 150, 120),
    (30, 60, 200),
    (200, 180, 40),
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 0),
    (77,) * 3,
]


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def curve(*values: float) -> bytes:
    """A curve by its parameters: one for a gamma, five for sRGB's kind."""
    return b"para\0\0\0\0" + struct.pack(">HH", 3 if len(values) == 5 else 0, 0) + fixed(*values)


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A colour profile as ICC.1:2010 describes it."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)} | tags
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    head = struct.pack(">IIIII", start + len(body), 0, 0x04000000, *struct.unpack(">II", b"mntr" + space))
    head += b"XYZ " + struct.pack(">6H", 2022, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def rgb_profile(to_d50: Sequence[Sequence[float]]) -> bytes:
    columns = zip((b"r", b"g", b"b"), np.array(to_d50).T, strict=True)
    colorants = {name + b"XYZ": b"XYZ \0\0\0\0" + fixed(*column) for name, column in columns}
    return profile(b"RGB ", colorants | {name + b"TRC": curve(*CURVE) for name in (b"r", b"g", b"b")})


P3 = rgb_profile(P3_TO_D50)
GREY = profile(b"GRAY", {b"kTRC": curve(1.8)})
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def patches(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.array([COLOURS], np.uint8)).convert(mode, palette=Image.Palette.ADAPTIVE)


def tagged(image: Image.Image, icc_profile: bytes, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, icc_profile=icc_profile, **options)
    return buffer.getvalue()


def encode(linear: Any) -> Any:
    """Linear light in 0..1 as sRGB in 0..255."""
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def p3_as_srgb(pixels: Any) -> Any:
    v = np.asarray(pixels, float) / 255
    linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return encode(linear @ P3_TO_SRGB.T)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_display_p3_is_shown_as_its_specification_says(mode: str, kind: str) -> None:
    if (mode, kind) == ("P", "WEBP"):
        pytest.skip("it has no palettes")
    data = tagged(patches(mode), P3, kind, **({"lossless": True} if kind == "WEBP" else {}))
    shown = decode(data)
    assert shown.mode == "RGB"
    np.testing.assert_allclose(np.asarray(shown), p3_as_srgb(patches()), atol=1.6)


@pytest.mark.parametrize("kind", ["JPEG", "AVIF", "HEIF"])
def test_display_p3_of_phones(kind: str) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif")
    for colour in COLOURS:
        image = Image.new("RGB", (32, 32), colour)
        shown, plain = decode(tagged(image, P3, kind, quality=95)), decode(tagged(image, b"", kind, quality=95))
        np.testing.assert_allclose(shown.getpixel((9, 9)), p3_as_srgb(plain.getpixel((9, 9))), atol=1.6)


def test_the_photo_of_a_phone(data_folder: Path) -> None:
    file = data_folder / "hostile_images/pillow/Tests/images/frame_size.mpo"
    with Image.open(file) as image:
        plain = np.asarray(image, float)
    found = np.asarray(decode(file), float)
    assert np.abs(found - p3_as_srgb(plain)).max() < 1 < np.abs(found - plain).max()


def test_grey_by_its_profile() -> None:
    levels = np.arange(256, dtype=np.uint8)[None]
    for image in (Image.fromarray(levels), Image.fromarray(levels.astype(np.uint16) * 257)):
        shown = np.asarray(decode(tagged(image, GREY)), float)
        np.testing.assert_allclose(shown, np.repeat(encode((levels / 255) ** 1.8)[..., None], 3, 2), atol=1.6)


def test_inks_by_their_profile() -> None:
    """A printer whose cyan is a middle grey, and whose other inks are black."""
    steps = struct.pack(">HH", 0, 65535)
    paper, cyan, black = (struct.pack(">3H", lightness, 0x8000, 0x8000) for lightness in (0xFF00, 0x7F80, 0))  # of Lab
    table = b"mft2\0\0\0\0" + bytes((4, 3, 2, 0)) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + struct.pack(">HH", 2, 2)
    corners = paper + black * 7 + cyan + black * 7
    inks = bytearray(profile(b"CMYK", {b"A2B0": table + steps * 4 + corners + steps * 3}))
    inks[12:16], inks[20:24], inks[8] = b"prtr", b"Lab ", 2
    image = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    assert decode(tagged(image, b"", "TIFF")).getpixel((4, 4)) == (0, 255, 255)
    for kind in ("TIFF", "JPEG"):
        np.testing.assert_allclose(decode(tagged(image, bytes(inks), kind)).getpixel((4, 4)), 119, atol=2)  # L* = 50


@pytest.mark.parametrize(
    "icc_profile",
    [
        b"junk" * 100,
        P3[:200],
        P3.replace(b"RGB ", b"GRAY"),
        P3.replace(b"RGB ", b"CMYK"),
        P3.replace(b"RGB ", b"Luv "),
        P3.replace(b"para", b"junk"),
        P3[:-300] + b"\xff" * 300,
        GREY,
        SRGB,
        P3.ljust(colours.MAX_PROFILE + 1, b"\0"),
    ],
)
def test_a_profile_that_fits_nothing_changes_nothing(icc_profile: bytes) -> None:
    data = tagged(patches(), icc_profile, "TIFF")
    assert np.array_equal(decode(data), patches())
    assert Image.open(io.BytesIO(data)).info["icc_profile"]


def test_a_profile_that_takes_long_to_read_is_left_alone() -> None:
    """Of 160 kB with 10,000 calculations, which would take eight seconds."""
    step = b"matf\0\0\0\0" + struct.pack(">HH12f", 3, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
    steps = struct.pack(">II", 16 + 8 * 10_000, len(step)) * 10_000
    program = b"mpet\0\0\0\0" + struct.pack(">HHI", 3, 3, 10_000) + steps + step
    with takes_at_most(2):
        assert np.array_equal(decode(tagged(patches(), profile(b"RGB ", {b"D2B0": program}), "TIFF")), patches())


def test_of_srgb_not_a_byte_changes() -> None:
    image = Image.effect_noise((64, 64), 90).convert("RGB")
    assert decode(tagged(image, SRGB)).tobytes() == image.tobytes()


def test_an_image_of_the_caller_s_stays_as_it_is() -> None:
    image = Image.open(io.BytesIO(tagged(patches(), P3)))
    first, second = as_seen(image), as_seen(image)
    assert first.tobytes() == second.tobytes() != image.tobytes() == patches().tobytes()
    assert as_seen(first).tobytes() == first.tobytes(), "what is sRGB already is not changed again"


def test_one_profile_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []
    made = ImageCms.ImageCmsTransform.__init__
    monkeypatch.setattr(ImageCms.ImageCmsTransform, "__init__", lambda *given: (built.append(1), made(*given))[1])
    mine = P3.replace(b"\x07\xe6", b"\x07\xe7", 1)  # of the year after
    photos = [tagged(Image.new("RGB", (8, 8), colour), mine) for colour in COLOURS]
    for photo in photos:
        decode(photo)
    assert len(built) == 1


def test_a_turned_photo_is_converted_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = np.asarray(decode(tagged(patches(), P3, exif=exif)))[:, ::-1]
    np.testing.assert_array_equal(turned, decode(tagged(patches(), P3)))


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes of the images whose colours are converted from now on."""
    sizes: list[tuple[int, int]] = []
    apply = ImageCms.ImageCmsTransform.apply
    monkeypatch.setattr(
        ImageCms.ImageCmsTransform, "apply", lambda self, image, *out: (sizes.append(image.size), apply(self, image))[1]
    )
    return sizes


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_only_what_is_left_of_a_photo_is_converted(mode: str, converted: list[tuple[int, int]]) -> None:
    image = Image.new(mode, (400, 300), (128, 64, 32))
    pipeline = Pipeline(transforms.create("resize", size=90), transforms.create("aug_transforms", size=32))
    photo = load(tagged(image, P3))
    converted.clear()
    for pixels in (fit(photo, [View((20, 20))]), pipeline.presized(photo)):
        np.testing.assert_allclose(pixels[10, 10], p3_as_srgb((128, 64, 32)), atol=1.6)
    assert converted == [(20, 20), (120, 90)]


@pytest.mark.parametrize("icc_profile", [b"", SRGB], ids=["none", "sRGB"])
def test_nothing_is_converted_where_nothing_would_change(
    icc_profile: bytes, converted: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tagged(patches(), icc_profile, "JPEG")
    decode(data)  # which looks at the profile once
    converted.clear()
    monkeypatch.setattr(ImageCms.ImageCmsTransform, "__init__", lambda *given: pytest.fail("it is known"))
    fit(load(data), [View((20, 20))])
    assert converted == []


@pytest.mark.parametrize("icc_profile", [P3, GREY, SRGB, b""], ids=["P3", "grey", "sRGB", "none"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "I;16", "CMYK"])
def test_one_input_in_training_validation_prediction_and_space(mode: str, icc_profile: bytes, tmp_path: Path) -> None:
    y, x = np.mgrid[:30, :40]
    levels = np.stack([90 + 2 * x, 80 + 2 * y, 60 + x + y], -1).astype(np.uint8)
    image = Image.fromarray(levels[..., 0].astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(levels)
    file = tmp_path / "photo.tiff"
    file.write_bytes(tagged(image if mode == "I;16" else image.convert(mode), icc_profile, "TIFF"))
    pipeline = Pipeline(transforms.create("resize", size=24))
    seen = pipeline.read(file, False)
    small = np.asarray(decode(file).resize((24, 24), Image.Resampling.BILINEAR, (5, 0, 35, 30)))
    assert np.abs(seen.astype(int) - small).mean() < 1, "curves are not straight"
    for other in (
        fit(opened(file), pipeline.views),
        fit(opened(Image.open(file)), pipeline.views),
        prepare(file, pipeline.views, 8).pixels,
        pipeline.read(file, False, Cache(tmp_path / "cache").pixels),
    ):
        assert np.array_equal(seen, other)
    shown = prepare(file, pipeline.views, 8).shown
    assert shown.size == (8, 6) and shown.tobytes() == thumbnail(file, 8).tobytes()
