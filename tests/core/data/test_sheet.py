"""Rows, columns and inches of pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.data import pictures
from core.data.files import get_image_files
from core.data.loaders import DataLoaders
from core.data.sheet import pixels, sheet, show_image


def cells(picture: Image.Image) -> tuple[int, int]:
    """Columns and rows of black photos on white, with room between them."""
    dark = np.asarray(picture.convert("L")) < 1
    return tuple(int((np.diff(line.astype(int)) == 1).sum()) for line in (dark.mean(0) > 0.2, dark.mean(1) > 0.2))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("count", "layout", "expected"),
    [
        (9, {}, (3, 3)),
        (4, {"nrows": 1}, (4, 1)),
        (8, {"nrows": 2}, (4, 2)),
        (7, {"nrows": 2}, (4, 2)),
        (6, {"ncols": 2}, (2, 3)),
        (9, {"nrows": 1, "ncols": 3}, (3, 1)),
        (2, {"nrows": 2, "ncols": 3}, (2, 1)),
    ],
)
@pytest.mark.parametrize("figsize", [None, (4, 3)])
def test_rows_and_columns(count: int, layout: dict[str, int], expected: tuple[int, int], figsize: Any) -> None:
    picture = sheet(torch.zeros(count, 3, 30, 40), [""] * count, **layout, figsize=figsize)
    assert cells(picture) == expected


@pytest.mark.parametrize("figsize", [(3, 3), (9, 2), (2, 9), (20, 20)])
def test_all_of_it_fits_into_the_inches(figsize: tuple[float, float]) -> None:
    width, height = pixels(figsize)  # type: ignore[misc]
    photos = sheet(torch.zeros(6, 3, 40, 60), ["a"] * 6, ncols=3, figsize=figsize)
    assert photos.width <= width and photos.height <= height
    assert photos.width > 0.9 * width or photos.height > 0.9 * height, "and as large as it can be"
    names = ["cat", "dog", "owl"]
    table = pictures.matrix([[1, 2, 3]] * 3, names, size=(width, height))
    assert table.width <= width and table.height <= height
    assert pictures.curve([1.0, 2.0], {"loss": [3.0, 1.0]}, "Loss", size=(width, height)).size == (width, height)


def test_inches_have_as_many_pixels_as_are_said() -> None:
    assert (pixels((12, 6), dpi=60), pixels((1.5, 2)), pixels(None)) == ((720, 360), (150, 200), None)


@pytest.mark.parametrize("side", ["train", "valid"])
def test_each_side_shows_its_photos_with_their_labels(
    side: str, make_loaders: Callable[..., DataLoaders], monkeypatch: pytest.MonkeyPatch
) -> None:
    dls = make_loaders()
    loader = getattr(dls, side)
    shown: list[str] = []
    monkeypatch.setattr(pictures.ImageDraw.ImageDraw, "text", lambda self, at, text, *rest: shown.append(text))
    loader.show_batch(max_n=3, nrows=1)
    order = loader.order(0)[0][:3]
    assert shown == [dls.vocab[loader.targets[i]] for i in order]
    shown.clear()
    loader.show_batch(max_n=2, unique=True)
    assert shown == [dls.vocab[loader.targets[0]]] * 2
    shown.clear()
    dls.test_dl(loader.items[:2]).show_batch()
    assert shown == ["", ""], "photos without labels"


@pytest.mark.parametrize(
    "of", [lambda f: f, Image.open, lambda f: torch.zeros(3, 30, 40), lambda f: torch.zeros(30, 40)]
)
def test_one_image(of: Any, photos: Path) -> None:
    picture = show_image(of(get_image_files(photos)[0]), title="a", figsize=(2, 2))
    assert isinstance(picture, Image.Image) and picture.width <= 200 and picture.height <= 200
