"""Names in pictures: as they are where that tells them apart, else numbers, and a legend that spells the names."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence

from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont, ImageFont

Font = ImageFont | FreeTypeFont
WIDTH, LINE, EDGE = 480, 20, 12  # pixels: of a legend at least, from line to line, around it
NO_CHARACTER = "\U0010ffff"


def labelled(names: Sequence[str], width: float, font: Font) -> tuple[list[str], list[str]]:
    """What to draw for each name, at most `width` pixels wide, and the lines of the legend that it takes.

    Two names never look the same. There is no legend where the names say enough by themselves.
    """
    characters = {c: c.isprintable() and _look(c, font) != _look(NO_CHARACTER, font) for c in set("".join(names))}
    if all(characters.values()):
        drawn = {name: _cut(name, width, font) for name in names}
        if len({_look(text, font) for text in drawn.values()}) == len(drawn):
            return [drawn[name] for name in names], []
    numbers = {name: str(number) for number, name in enumerate(dict.fromkeys(names), 1)}
    return [numbers[name] for name in names], [f"{number}  {name!a}" for name, number in numbers.items()]


def with_legend(image: Image.Image, lines: Sequence[str], ink: tuple[int, int, int], font: Font) -> Image.Image:
    """A picture and below it the lines, each as long as it is."""
    if not lines:
        return image
    width = max(WIDTH, image.width)
    rows = [row for line in lines for row in _wrapped(line, width - 2 * EDGE, font)]
    both = Image.new("RGB", (width, image.height + len(rows) * LINE + EDGE), "white")
    both.paste(image)
    draw = ImageDraw.Draw(both)
    for number, row in enumerate(rows):
        draw.text((EDGE, image.height + number * LINE), row, ink, font)
    return both


def _look(text: str, font: Font) -> tuple[tuple[int, int], bytes]:
    """The pixels that a text leaves, wherever they are."""
    mask = font.getmask(text)
    if not (box := mask.getbbox()):
        return (0, 0), b""
    ink = mask.crop(box)
    return ink.size, bytes(ink)


def _cut(text: str, width: float, font: Font) -> str:
    if font.getlength(text) <= width:
        return text
    return text[: _fitting(text, width - font.getlength("…"), font)] + "…"


def _wrapped(text: str, width: float, font: Font) -> Iterator[str]:
    while text:
        end = _fitting(text, width, font)
        yield text[:end]
        text = text[end:]


def _fitting(text: str, width: float, font: Font) -> int:
    """How many of the characters fit, one at least."""
    return max(1, bisect(range(1, len(text) + 1), width, key=lambda n: font.getlength(text[:n])))
