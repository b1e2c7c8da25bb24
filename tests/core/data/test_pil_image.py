"""PILImage, and the arrays that stand for photos."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.files import get_image_files
from core.data.photo import BadPhoto, decode
from core.data.pil_image import PILImage, opened


@pytest.mark.parametrize(
    "of", [Path, str, Path.read_bytes, Image.open, decode, lambda f: np.array(decode(f)),
           lambda f: torch.tensor(np.array(decode(f)))],
)  # fmt: skip
def test_a_photo_is_the_same_whatever_holds_it(of: Any, photos: Path) -> None:
    file = get_image_files(photos)[0]
    image = PILImage.create(of(file))
    assert isinstance(image, PILImage) and image.mode == "RGB"
    assert np.array_equal(np.asarray(image), np.asarray(decode(file)))


def test_it_is_upright_and_on_white() -> None:
    image = Image.new("RGB", (20, 10), "red")
    exif = image.getexif()
    exif[274] = 6  # turned by a quarter
    stream = io.BytesIO()
    image.save(stream, "JPEG", exif=exif)
    assert PILImage.create(stream.getvalue()).size == (10, 20)
    assert PILImage.create(np.zeros((4, 5, 4), np.uint8)).getpixel((0, 0)) == (255, 255, 255), "transparent"
    assert PILImage.create(np.full((4, 5), 7, np.uint8)).getpixel((0, 0)) == (7, 7, 7), "grey"


def test_a_thumb_is_a_copy_that_fits() -> None:
    image = PILImage.create(np.zeros((60, 100, 3), np.uint8))
    assert image.to_thumb(50).size == (50, 30) and image.to_thumb(30, 100).size == (50, 30)
    assert image.to_thumb(500).size == image.size == (100, 60)
    assert isinstance(image.to_thumb(50).to_thumb(10), PILImage)


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4, 3)), np.zeros((3, 4, 5), np.uint8), np.zeros((0, 4, 3), np.uint8), [1, 2], None]
)
def test_an_array_that_is_no_photo(array: Any) -> None:
    with pytest.raises(BadPhoto, match=r"is not a photo; give uint8 \[H, W"):
        opened(array)
