"""Names in pictures: as they are where that tells them apart, else numbers, and a legend that spells the names."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache

from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont, ImageFont, truetype

Font = ImageFont | FreeTypeFont
WIDTH, LINE, EDGE = 480, 20, 12  # pixels: of a legend at least, from line to line, around it
SIZE = 14  # of a font of the system
NOTHING: tuple[tuple[int, int], bytes] = (0, 0), b""
NO_CHARACTER = "\U0010ffff"
SYSTEM_FONTS = (  # of Linux, Windows and macOS, from those with few scripts to those with many
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
    """What to draw for each name, at most `width` pixels wide, and the lines of the legend that it takes.

    Two names never look the same. There is no legend where the names say enough by themselves.
    """
    if all(_draws(font, name) for name in names):
        drawn = {name: _cut(name, width, font) for name in names}
        if len({_look(text, font) for text in drawn.values()}) == len(drawn):
            return [drawn[name] for name in names], []
    numbers = {name: str(number) for number, name in enumerate(dict.fromkeys(names), 1)}
    return [numbers[name] for name in names], [f"{numbers[name]}  {text}" for name, text in _spelt(numbers, font)]


def with_legend(image: Image.Image, lines: Sequence[str], ink: tuple[int, int, int], font: Font) -> Image.Image:
    """A picture and below it the lines, each as long as it is."""
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
    """Each name as a font can draw it, and with the numbers of its characters where none can, or two look the same."""
    quoted = {name: repr(name) for name in names}
    fonts = {name: _font_for(text, font) for name, text in quoted.items()}
    looks = Counter(_look(text, found) for name, text in quoted.items() if (found := fonts[name]))
    return [
        (name, text if (found := fonts[name]) and looks[_look(text, found)] == 1 else ascii(name))
        for name, text in quoted.items()
    ]


def _font_for(text: str, font: Font) -> Font | None:
    """The first font that has all characters of a text, if there is one."""
    return next((one for one in (font, *_system_fonts(SYSTEM_FONTS, SIZE)) if _draws(one, text)), None)


@cache
def _system_fonts(names: tuple[str, ...], size: int) -> list[FreeTypeFont]:
    found = []
    for name in names:
        with suppress(OSError):  # it is not on this system
            found.append(truetype(name, size))
    return found


def _draws(font: Font, text: str) -> bool:
    missing = _look(NO_CHARACTER, font)
    return all(c == " " or (c.isprintable() and _look(c, font) not in (missing, NOTHING)) for c in set(text))


def _look(text: str, font: Font) -> tuple[tuple[int, int], bytes]:
    """The pixels that a text leaves, wherever they are."""
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
    """How many of the characters fit, one at least."""
    return max(1, bisect(range(1, len(text) + 1), width, key=lambda n: font.getlength(text[:n])))
