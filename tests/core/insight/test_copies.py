"""Copies are found however they were changed, and photos that only look alike are not taken for copies."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from core.data import photo
from core.insight import copies as copies_module
from core.insight.copies import copies
from core.insight.features import THUMBNAIL
from core.insight.twins import MOST_ALIKE, _alike
from core.registry import sources


def encoded(image: Image.Image, quality: int = 85) -> Image.Image:
    content = io.BytesIO()
    image.convert("RGB").save(content, "JPEG", quality=quality)
    return Image.open(content)


def cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((round(width * 0.05), round(height * 0.05), round(width * 0.95), round(height * 0.95)))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "poor quality": lambda image: encoded(image, 30),
    "good quality": lambda image: encoded(image, 95),
    "half size": lambda image: encoded(image.resize((image.width // 2, image.height // 2)), 60),
    "quarter size": lambda image: encoded(image.resize((image.width // 4, image.height // 4))),
    "cropped": cropped,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.4),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "grey": lambda image: image.convert("L"),
    "mirrored": ImageOps.mirror,
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned and mirrored": lambda image: ImageOps.mirror(image).transpose(Image.Transpose.ROTATE_270),
}


def thumbnail(image: Image.Image) -> np.ndarray:
    return photo.fit(image.convert("RGB"), [THUMBNAIL]).mean(axis=2).round().astype(np.uint8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Image.Image]:
    """Twelve drawn pictures of each of five things, which look alike as far as drawings can."""
    files = sources.create("sample", tmp_path_factory.mktemp("drawn"), count=12)()
    return [Image.open(file).convert("RGB") for file in files]


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_changed_copy_is_found(change: Callable[[Image.Image], Image.Image], pictures: list[Image.Image]) -> None:
    shown = np.stack([thumbnail(image) for image in [*pictures, *map(change, pictures)]])
    n = len(pictures)
    found = {(i, j) for i, j, _ in copies(shown)}
    assert sum((i, n + i) in found for i in range(n)) >= 0.95 * n
    assert not [(i, j) for i, j in found if j - i != n]


def test_of_real_photos_only_the_real_copies_are_found(data_folder: Path) -> None:
    """Oxford's pets hold one photo in two sizes, under two numbers."""
    files = sorted((data_folder / "tiny_pets").glob("*.jpg"))
    found = copies(np.stack([thumbnail(Image.open(file)) for file in files]))
    assert [(files[i].name, files[j].name) for i, j, _ in found] == [("Abyssinian_11.jpg", "Abyssinian_177.jpg")]


def test_empty_pictures_are_no_copies() -> None:
    assert copies(np.full((3, 64, 64), 200, np.uint8)) == []
    assert copies(np.zeros((0, 64, 64), np.uint8)) == []


def test_a_film_does_not_take_the_square_of_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    film = np.stack([frame] * 60)
    monkeypatch.setattr(copies_module, "MOST_NEAR", 5)
    pairs = copies(film)
    assert len(pairs) <= 60 * 5
    seen = {0}
    for _ in film:
        seen |= {photo for i, j, _ in pairs if seen & {i, j} for photo in (i, j)}
    assert len(seen) == 60, "they are one group"


def test_features_that_are_all_alike_give_few_pairs() -> None:
    assert len(list(_alike(torch.ones(300, 4)))) <= 300 * MOST_ALIKE
    assert sorted(_alike(torch.eye(4)[[0, 1, 0, 2, 1]])) == [(0, 2), (1, 4)]
