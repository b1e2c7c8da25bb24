"""Outlines drawn on a photo, which show the regions that transforms take from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from core.data.draws import Array
from core.data.photo import Size
from core.data.pictures import INK

MIN_SIDE, MAX_SIDE = 320, 640  # pixels of the longest side on a page
OUTSIDE, VEIL = (209, 213, 219), (255, 255, 255)
ROW = 22  # pixels; height of a line of the legend
FAR = 50_000.0  # pixels; the matrix of a third-party transform may send corners to infinity

Corners = np.ndarray[Any, np.dtype[np.float64]]  # [4, 2] as x, y


@dataclass(frozen=True)
class Outline:
    """Four corners in pixels of the photo, with their caption in the legend."""

    caption: str
    corners: Corners
    colour: tuple[int, int, int]
    dashed: bool = False


def corners(matrix: Array, size: Size) -> Corners:
    """Where the corners of an output of `size` (height, width) lie in the input: [4, 2]."""
    h, w = size
    points = np.array([[0, 0, 1.0], [w, 0, 1], [w, h, 1], [0, h, 1]]) @ matrix.T
    return np.asarray(points[:, :2] / points[:, 2:])


def outlined(image: Image.Image, outlines: Sequence[Outline]) -> Image.Image:
    """The photo, at most MAX_SIDE a side, veiled outside the first outline, grey outside itself, above a legend."""
    (left, top, right, bottom), scale = _window(image, outlines)
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    canvas = Image.new("RGB", size, OUTSIDE)
    small = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    canvas.paste(
        image.resize(small, Image.Resampling.BICUBIC, reducing_gap=3.0), (round(-left * scale), round(-top * scale))
    )
    placed = [((o.corners - (left, top)) * scale).clip(-FAR, FAR) for o in outlines]
    if placed:
        mask = Image.new("L", size, 130)
        ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in placed[0]], fill=0)
        canvas.paste(VEIL, (0, 0), mask)
    sheet = Image.new("RGB", (max(size[0], MIN_SIDE), size[1] + ROW * len(outlines) + 6 * bool(outlines)), "white")
    across = (sheet.width - size[0]) // 2
    # drawn on the canvas, so that corners far outside do not cross the legend
    draw = ImageDraw.Draw(canvas)
    for outline, points in zip(outlines, placed, strict=True):
        inside = points.clip(1, np.array(size) - 2) if np.all((points > -2) & (points < np.array(size) + 2)) else points
        for start, end in zip(inside, np.roll(inside, -1, axis=0), strict=True):
            _line(draw, start, end, outline)
    sheet.paste(canvas, (across, 0))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for i, outline in enumerate(outlines):
        y = size[1] + 6 + ROW * i
        _line(draw, np.array([4.0, y + 9]), np.array([36.0, y + 9]), outline)
        draw.text((44, y), outline.caption, INK, font)
    return sheet


def _window(image: Image.Image, outlines: Sequence[Outline]) -> tuple[tuple[float, float, float, float], float]:
    """The region (left, top, right, bottom) to draw, in pixels of the photo, and its scale."""
    own = np.array([[0.0, 0.0], [image.width, image.height]])
    points = np.concatenate([own, *(o.corners for o in outlines)])
    room = float(max(image.size))  # with more margin the photo would be too small
    points = np.nan_to_num(points).clip(own[0] - room, own[1] + room)
    (left, top), (right, bottom) = points.min(0), points.max(0)
    longest = max(right - left, bottom - top)
    return (float(left), float(top), float(right), float(bottom)), float(np.clip(longest, MIN_SIDE, MAX_SIDE) / longest)


def _line(draw: ImageDraw.ImageDraw, start: Corners, end: Corners, outline: Outline) -> None:
    length = float(np.hypot(*(end - start)))
    if not np.isfinite(length):
        return
    dash, step = (9.0, 15.0) if outline.dashed else (length + 1, length + 1)
    for at in np.arange(0, max(length, 1e-6), step):
        a, b = (start + (end - start) * min(1.0, x / max(length, 1e-6)) for x in (at, at + dash))
        draw.line((float(a[0]), float(a[1]), float(b[0]), float(b[1])), outline.colour, 3)
