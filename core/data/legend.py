"""Text labels in pictures: the names if they can be told apart, otherwise numbers and a legend."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache

from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont, ImageFont, truetype

Font = ImageFont | FreeTypeFont
WIDTH, LINE, EDGE = 480, 20, 12  # pixels: least width of a legend, line height, margin
SIZE = 14  # pixels; of system fonts
NOTHING: tuple[tuple[int, int], bytes] = (0, 0), b""
NO_CHARACTER = "\U0010ffff"
SYSTEM_FONTS = (  # on Linux, Windows and macOS
    "DejaVuSans.ttf",
    "arial.ttf",
    "seguiemj.ttf",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "msyh.ttc",
    "meiryo.ttc",
    "malgun.ttf",
    "NotoSansCJK-Regular.ttc",
    "DroidSansFallbackFull.ttf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "NotoEmoji-Regular.ttf",
)


def labelled(names: Sequence[str], width: float, font: Font) -> tuple[list[str], list[str]]:
    """The text to draw for each name, at most `width` pixels wide, and the lines of the legend.

    Two names never look the same. The legend is empty if the names can be drawn themselves.
    """
    if all(_draws(font, name) for name in names):
        drawn = {name: _cut(name, width, font) for name in names}
        if len({_look(text, font) for text in drawn.values()}) == len(drawn):
            return [drawn[name] for name in names], []
    numbers = {name: str(number) for number, name in enumerate(dict.fromkeys(names), 1)}
    return [numbers[name] for name in names], [f"{numbers[name]}  {text}" for name, text in _spelt(numbers, font)]


def with_legend(image: Image.Image, lines: Sequence[str], ink: tuple[int, int, int], font: Font) -> Image.Image:
    """The image with the lines of a legend below it, wrapped to its width."""
    if not lines:
        return image
    width = max(WIDTH, image.width)
    rows = [
        (row, drawing)
        for line in lines
        for drawing in [_font_for(line, font) or font]
        for row in _wrapped(line, width - 2 * EDGE, drawing)
    ]
    both = Image.new("RGB", (width, image.height + len(rows) * LINE + EDGE), "white")
    both.paste(image)
    draw = ImageDraw.Draw(both)
    for number, (row, drawing) in enumerate(rows):
        draw.text((EDGE, image.height + number * LINE), row, ink, drawing)
    return both


def _spelt(names: Iterable[str], font: Font) -> list[tuple[str, str]]:
    """Each name with a text for the legend: quoted, or escaped if no font can draw it or two look the same."""
    quoted = {name: repr(name) for name in names}
    fonts = {name: _font_for(text, font) for name, text in quoted.items()}
    looks = Counter(_look(text, found) for name, text in quoted.items() if (found := fonts[name]))
    return [
        (name, text if (found := fonts[name]) and looks[_look(text, found)] == 1 else ascii(name))
        for name, text in quoted.items()
    ]


def _font_for(text: str, font: Font) -> Font | None:
    """The first font that has all characters of a text, or None."""
    return next((one for one in (font, *_system_fonts(SYSTEM_FONTS, SIZE)) if _draws(one, text)), None)


@cache
def _system_fonts(names: tuple[str, ...], size: int) -> list[FreeTypeFont]:
    found = []
    for name in names:
        with suppress(OSError):  # not installed
            found.append(truetype(name, size))
    return found


def _draws(font: Font, text: str) -> bool:
    missing = _look(NO_CHARACTER, font)
    return all(c == " " or (c.isprintable() and _look(c, font) not in (missing, NOTHING)) for c in set(text))


def _look(text: str, font: Font) -> tuple[tuple[int, int], bytes]:
    """The size and pixels of a drawn text, without margins."""
    mask = font.getmask(text)
    if not (box := mask.getbbox()):
        return NOTHING
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
    """The number of characters that fit into `width` pixels, at least one."""
    return max(1, bisect(range(1, len(text) + 1), width, key=lambda n: font.getlength(text[:n])))
