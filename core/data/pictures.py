"""Plots as Pillow images: contact sheets, curves and confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from core.data.legend import labelled, with_legend

INK, SOFT, LINE, MARK = (31, 41, 55), (156, 163, 175), (79, 70, 229), (220, 38, 38)
MAX_NAME_WIDTH = 280  # of a class name, in pixels


Size = tuple[int, int]  # width and height of a whole picture in pixels


def contact_sheet(
    images: Any, captions: Sequence[str], columns: int | None = None, size: Size | None = None
) -> Image.Image:
    """`images` [N, 3, H, W] in 0..1 in a grid, with captions below them, scaled to fit into `size`."""
    pixels = (images.detach().cpu().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    columns = columns or math.ceil(math.sqrt(len(pixels)))
    (h, w), gap, foot = pixels.shape[1:3], 8, 26
    font = ImageFont.load_default(14)
    rows = math.ceil(len(pixels) / columns)
    if size:
        scale = min(((size[0] - gap) / columns - gap) / w, ((size[1] - gap) / rows - foot) / h)
        w, h = max(1, int(w * scale)), max(1, int(h * scale))
    names, legend = labelled(captions, w, font)
    sheet = Image.new("RGB", (columns * (w + gap) + gap, rows * (h + foot) + gap), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (photo, name) in enumerate(zip(pixels, names, strict=True)):
        x, y = gap + i % columns * (w + gap), gap + i // columns * (h + foot)
        image = Image.fromarray(photo)
        sheet.paste(image if image.size == (w, h) else image.resize((w, h)), (x, y))
        draw.text((x, y + h + 4), name, INK, font)
    return with_legend(sheet, legend, INK, font)


def curve(
    xs: Sequence[float],
    lines: dict[str, Sequence[float]],
    title: str,
    log_x: bool = False,
    marks: dict[str, float | None] | None = None,
    size: Size | None = None,
) -> Image.Image:
    """A line plot over `xs`, with the y range of all finite values; `marks` are named positions on the x axis."""
    image = Image.new("RGB", size or (900, 480), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    left, top, right, bottom = 70, 50, image.width - 30, image.height - 60
    values = [v for line in lines.values() for v in line if math.isfinite(v)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    scale = math.log10 if log_x else float
    first, last = (scale(xs[0]), scale(xs[-1])) if xs else (0.0, 1.0)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (scale(x) - first) / ((last - first) or 1)
        return left + across * (right - left), bottom - (y - low) / ((high - low) or 1) * (bottom - top)

    draw.text((left, 14), title, INK, font)
    for i in range(5):
        y = bottom - i * (bottom - top) / 4
        draw.line((left, y, right, y), (229, 231, 235))
        draw.text((8, y - 9), f"{low + i * (high - low) / 4:.3g}", SOFT, font)
        x = first + i * (last - first) / 4
        draw.text((left + i * (right - left) / 4 - 14, bottom + 8), f"{10**x if log_x else x:.2g}", SOFT, font)
    for (name, line), colour in zip(lines.items(), (LINE, MARK, (5, 150, 105)), strict=False):
        points = [at(x, y) for x, y in zip(xs, line, strict=False) if math.isfinite(y)]
        draw.line(points, colour, 2, "curve")
        if len(lines) > 1 and points:
            draw.text((points[-1][0] - 60, points[-1][1] - 20), name, colour, font)
    for row, (name, mark) in enumerate((marks or {}).items()):
        if mark is not None:
            x, _ = at(mark, low)
            draw.line((x, top, x, bottom), MARK)
            draw.text((x + 4, top + 18 * row), f"{name} {mark:.1e}", MARK, font)
    return image


def matrix(
    counts: Sequence[Sequence[int]],
    names: Sequence[str],
    title: str = "Confusion matrix",
    size: Size | None = None,
) -> Image.Image:
    """A confusion matrix: actual classes in rows, predicted in columns; darker means a larger share of the row."""
    font, heading = ImageFont.load_default(14), f"{title}: rows actual, columns predicted"
    names, legend = labelled(names, MAX_NAME_WIDTH, font)
    n, cell = len(names), max(22, min(60, 900 // max(1, len(names))))
    margin = 16 + int(max(font.getlength(name) for name in names))
    if size:
        cell = max(1, min(size[0] - margin - 16, size[1] - margin - 50) // n)
    title_width = 24 + int(font.getlength(heading))
    width = max(margin + n * cell + 16, min(title_width, size[0]) if size else title_width)
    image = Image.new("RGB", (width, 50 + n * cell + margin), "white")
    draw = ImageDraw.Draw(image)
    draw.text((12, 14), heading, INK, font)
    for r, row in enumerate(counts):
        draw.text((8, 50 + r * cell + cell / 2 - 8), names[r], INK, font)
        for c, count in enumerate(row):
            share = count / (sum(row) or 1)
            fill = tuple(round(255 + (v - 255) * share) for v in LINE)
            box = (margin + c * cell, 50 + r * cell, margin + (c + 1) * cell - 1, 50 + (r + 1) * cell - 1)
            draw.rectangle(box, fill)
            if count:
                ink = "white" if share > 0.5 else INK
                draw.text(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), str(count), ink, font, "mm")
    for c, name in enumerate(names):
        label = Image.new("RGB", (margin, 20), "white")
        ImageDraw.Draw(label).text((margin - 8, 10), name, INK, font, "rm")
        image.paste(label.rotate(90, expand=True), (margin + c * cell + cell // 2 - 10, 50 + n * cell))
    return with_legend(image, legend, INK, font)
