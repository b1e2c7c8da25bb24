"""Drawn sample pictures, to train on without photos and without a network.

From the 17th of a class on they also teach: some balloons and mushrooms look alike, and a few labels are wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from core.atomic import disk_error
from core.data.files import get_image_files
from core.registry import Range, sources

Colour = tuple[int, int, int]
Point = tuple[float, float]

CLEAR = 16  # pictures of each class before those that teach
FAR, WRONG = 3, 30  # from there on, every third balloon or mushroom is far away, and the label of every 30th is wrong
FINER = 2  # draw at twice the size and reduce, for smooth edges
WHITE, INK, CREAM, WOOD = (255, 255, 255), (52, 46, 58), (250, 240, 220), (133, 88, 60)
PALETTES: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((226, 74, 74), (250, 214, 120), (255, 246, 228)),
    ((38, 110, 168), (244, 162, 88), (248, 240, 226)),
    ((46, 139, 122), (242, 201, 98), (255, 250, 240)),
    ((122, 78, 160), (240, 138, 160), (250, 236, 216)),
    ((214, 102, 52), (70, 130, 150), (252, 238, 208)),
    ((198, 54, 108), (92, 182, 190), (255, 240, 232)),
    ((88, 128, 60), (224, 92, 72), (250, 244, 214)),
    ((58, 72, 128), (120, 190, 220), (244, 236, 226)),
)
SKIES: tuple[tuple[Colour, Colour], ...] = (  # top, horizon
    ((86, 162, 220), (214, 236, 246)),
    ((120, 190, 210), (250, 240, 214)),
    ((82, 74, 140), (248, 166, 120)),
    ((236, 120, 110), (252, 222, 160)),
    ((24, 30, 72), (88, 92, 150)),
    ((150, 164, 180), (226, 228, 230)),
    ((14, 80, 120), (60, 170, 180)),
    ((196, 150, 200), (252, 226, 226)),
)
LANDS: tuple[Colour, ...] = (
    (110, 160, 84), (64, 122, 92), (206, 172, 110), (72, 138, 176), (150, 110, 140), (230, 236, 242), (90, 84, 110),
)  # fmt: skip


@sources.register("sample", default={"source": {}})
class SampleSource:
    """Draws balloons, boats, fish, houses and mushrooms, some hard to tell apart, and a few with a wrong label."""

    for_visitors = True

    def __init__(
        self,
        workspace: Path,
        /,
        count: Annotated[int, "Number of pictures per class", Range(2, 999)] = 40,
        seed: Annotated[int, "The same seed draws the same pictures", Range(0, 2**32 - 1)] = 0,
    ) -> None:
        self.count, self.seed = count, seed
        self.root = workspace / "sources" / f"sample-{count}-{seed}"

    def __call__(self) -> Sequence[Path]:
        if not self.root.exists():
            try:
                self._draw()
            except OSError as error:
                raise disk_error(self.root, error) from error
        return get_image_files(self.root)

    def _draw(self) -> None:
        self.root.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.root.parent, prefix=".sample-", ignore_cleanup_errors=True) as unfinished:
            folder = Path(unfinished, "new")
            folder.mkdir()
            for thing in THINGS:
                for number in range(1, self.count + 1):
                    name = f"{thing.__name__}_{number:03}.jpg"
                    picture(drawn_as(thing, number), Random(f"{self.seed} {name}")).save(folder / name, quality=88)
            try:
                folder.rename(self.root)
            except OSError:
                if not self.root.exists():  # otherwise another process drew the same pictures
                    raise


class Pen:
    """Draws on a transparent square, with coordinates in percent of its side."""

    def __init__(self, side: int) -> None:
        self.image = Image.new("RGBA", (side, side))
        self._draw = ImageDraw.Draw(self.image)
        self._unit = side / 100

    def polygon(self, colour: Colour, *points: Point) -> None:
        """Fill the polygon through `points`."""
        self._draw.polygon([(x * self._unit, y * self._unit) for x, y in points], fill=colour)

    def ellipse(self, colour: Colour, x: float, y: float, rx: float, ry: float, start: int = 0, end: int = 360) -> None:
        """Fill an ellipse round (x, y), or its slice between two angles (0 is right, 90 is down)."""
        box = [(x - rx) * self._unit, (y - ry) * self._unit, (x + rx) * self._unit, (y + ry) * self._unit]
        self._draw.pieslice(box, start, end, fill=colour)

    def box(self, colour: Colour, left: float, top: float, right: float, bottom: float, round_by: float = 0) -> None:
        """Fill a rectangle, its corners rounded."""
        edges = [edge * self._unit for edge in (left, top, right, bottom)]
        self._draw.rounded_rectangle(edges, round_by * self._unit, fill=colour)

    def line(self, colour: Colour, width: float, *points: Point) -> None:
        """Draw a line through `points`."""
        places = [(x * self._unit, y * self._unit) for x, y in points]
        self._draw.line(places, fill=colour, width=max(1, round(width * self._unit)))


def balloon(pen: Pen, rng: Random, colours: Sequence[Colour]) -> None:
    """A hot-air balloon with striped gores."""
    main, second, light = colours
    wide = rng.uniform(27, 34)
    neck = rng.uniform(70, 76)
    for x in (-5, 5):
        pen.line(INK, 0.8, (50 + 2.2 * x, neck - 12), (50 + x, 86))
    gores = rng.choice(((1, 0.72, 0.4), (1, 0.8, 0.55, 0.28), (1, 0.5)))
    for n, part in enumerate(gores):
        colour = (main, second if len(gores) < 4 else light)[n % 2]
        pen.ellipse(colour, 50, 36, wide * part, 33)
        # The cone below the sphere meets it where the tangent leaves.
        pen.polygon(colour, (50 - wide * part * 0.88, 51.5), (50 + wide * part * 0.88, 51.5),
                    (50 + 7 * part, neck), (50 - 7 * part, neck))  # fmt: skip
    if rng.random() < 0.5:
        pen.box(light, 50 - wide * 0.99, 33, 50 + wide * 0.99, 40)
    pen.box(WOOD, 43.5, 84, 56.5, 95, 2)
    pen.box(second, 43, 83.5, 57, 86.5, 1)


def boat(pen: Pen, rng: Random, colours: Sequence[Colour]) -> None:
    """A sailing boat with two sails and a flag."""
    main, second, light = colours
    mast, top = rng.uniform(44, 52), rng.uniform(8, 16)
    pen.line(WOOD, 1.8, (mast, top - 4), (mast, 74))
    pen.polygon(second, (mast, top - 4), (mast + 11, top - 1), (mast, top + 3))
    boom = rng.uniform(60, 65)
    pen.polygon(light, (mast + 2, top + 5), (mast + 2, boom), (rng.uniform(82, 90), boom))
    jib = rng.choice((main, second))
    pen.polygon(jib, (mast - 2, top + 9), (mast - 2, boom), (rng.uniform(12, 20), boom))
    if rng.random() < 0.5:
        pen.polygon(second, (mast + 2, boom - 12), (mast + 2, boom - 6), (mast + 30, boom - 6), (mast + 25, boom - 12))
    deep = rng.uniform(88, 93)
    pen.polygon(main, (6, 70), (95, 68), (80, deep), (22, deep))
    pen.polygon(light, (6, 70), (95, 68), (93, 72), (8, 74))
    for x in range(34, 75, 13):
        pen.ellipse(light, x, 80, 2.4, 2.4)


def fish(pen: Pen, rng: Random, colours: Sequence[Colour]) -> None:
    """A fish in profile, with fins and bands."""
    main, second, light = colours
    tall = rng.uniform(19, 29)
    pen.polygon(second, (28, 50), (4, 28), (11, 50), (4, 72))
    pen.polygon(second, (40, 52 - tall), (54, 40 - tall), (70, 54 - tall), (60, 50))
    pen.polygon(second, (44, 48 + tall), (50, 60 + tall), (62, 46 + tall), (56, 50))
    pen.ellipse(main, 56, 50, 37, tall)
    for x in rng.choice(((42, 58), (36, 48, 60), ())):
        half = tall * math.sqrt(1 - ((x - 56) / 37) ** 2) * 0.97
        pen.ellipse(light, x, 50, 3.4, half)
    if rng.random() < 0.6:
        pen.polygon(second, (56, 50), (44, 47), (41, 57), (46, 62))
    pen.ellipse(WHITE, 78, 45, 5.6, 5.6)
    pen.ellipse(INK, 79.5, 45, 3, 3)
    pen.ellipse(INK, 86, 55.5, 4.2, 3.6, 20, 160)


def house(pen: Pen, rng: Random, colours: Sequence[Colour]) -> None:
    """A house with a gable roof, a door and windows."""
    main, second, light = colours
    left, right, eaves = rng.uniform(12, 20), rng.uniform(80, 88), rng.uniform(42, 52)
    ridge = (rng.uniform(35, 65), rng.uniform(10, 22))
    chimney = rng.uniform(62, 70)
    pen.box(INK if rng.random() < 0.4 else WOOD, chimney, 12, chimney + 9, 45)
    pen.box(light, left, eaves, right, 94)
    pen.polygon(light, (left, eaves), ridge, (right, eaves))
    pen.polygon(main, (left - 9, eaves + 5), (ridge[0], ridge[1] - 4), (right + 9, eaves + 5))
    door = rng.choice((24, 45, 62))
    pen.box(second, door, 66, door + 14, 94, 1.5)
    pen.ellipse(INK, door + 11, 81, 1.2, 1.2)
    glass = rng.choice(((255, 226, 130), (150, 200, 220), (92, 110, 150)))
    for x in (24, 45, 62):
        if x != door:
            pen.box(WHITE, x - 1.5, 60.5, x + 14.5, 79.5, 1)
            pen.box(glass, x, 62, x + 13, 78)
            pen.line(WHITE, 1.4, (x + 6.5, 62), (x + 6.5, 78))
            pen.line(WHITE, 1.4, (x, 70), (x + 13, 70))
    if rng.random() < 0.6:
        pen.ellipse(glass, ridge[0], eaves - 10, 5, 5)


def mushroom(pen: Pen, rng: Random, colours: Sequence[Colour]) -> None:
    """A toadstool with a spotted cap."""
    main, second, light = colours
    wide, tall, rim = rng.uniform(36, 46), rng.uniform(34, 46), rng.uniform(50, 56)
    stem = rng.uniform(8, 13)
    pen.polygon(CREAM, (50 - stem * 0.75, rim), (50 + stem * 0.75, rim), (50 + stem * 1.2, 92), (50 - stem * 1.2, 92))
    pen.ellipse(CREAM, 50, 91, stem * 1.2, 4)
    inner, outer = stem, stem * 1.5
    pen.polygon(light, (50 - inner, rim + 13), (50 + inner, rim + 13), (50 + outer, rim + 20), (50 - outer, rim + 20))
    pen.ellipse(main, 50, rim, wide, tall, 180, 360)
    pen.ellipse(second if rng.random() < 0.3 else (228, 206, 178), 50, rim, wide, 6.5)
    spots = ((-0.55, -0.3, 5), (-0.1, -0.42, 7), (0.42, -0.32, 6), (0.1, -0.8, 5), (-0.4, -0.68, 4), (0.68, -0.55, 3))
    for x, y, r in spots[: rng.choice((4, 6, 6))]:
        squeeze = math.sqrt(max(0.1, 1 - x * x))
        pen.ellipse(light, 50 + x * wide, rim + y * tall, r * squeeze * rng.uniform(0.8, 1.2), r * 0.9)


def far_balloon(pen: Pen, rng: Random, colours: Sequence[Colour]) -> None:
    """A balloon of one colour, far away, with its basket."""
    _round_top(pen, rng, colours)
    pen.box(WOOD, 46, 78, 54, 84, 1)


def far_mushroom(pen: Pen, rng: Random, colours: Sequence[Colour]) -> None:
    """A young mushroom, far away, with its foot."""
    _round_top(pen, rng, colours)
    pen.ellipse(WOOD, 50, 82, 5, 3)


def _round_top(pen: Pen, rng: Random, colours: Sequence[Colour]) -> None:
    main, second, light = colours
    wide = rng.uniform(20, 26)
    pen.polygon(light, (50 - wide * 0.5, 50), (50 + wide * 0.5, 50), (53, 79), (47, 79))
    pen.ellipse(main, 50, 40, wide, rng.uniform(20, 24))
    for x in rng.choice(((-0.4, 0.35), (-0.5, 0, 0.5), ())):
        pen.ellipse(second, 50 + x * wide, 36, 3, 9)


Thing = Callable[[Pen, Random, Sequence[Colour]], None]
THINGS: tuple[Thing, ...] = (balloon, boat, fish, house, mushroom)
FROM_FAR: dict[Thing, Thing] = {balloon: far_balloon, mushroom: far_mushroom}


def drawn_as(thing: Thing, number: int) -> Thing:
    """What is on the picture of that number whose label is `thing`."""
    after = number - CLEAR
    if after > 0 and after % WRONG == 1:
        return THINGS[(THINGS.index(thing) + 1) % len(THINGS)]
    return FROM_FAR.get(thing, thing) if after > 0 and after % FAR == 0 else thing


def picture(thing: Thing, rng: Random) -> Image.Image:
    """A picture of `thing` in a landscape, with size, position, tilt, colours and light drawn from `rng`."""
    long, short = rng.randint(300, 400), rng.randint(240, 300)
    width, height = (long, short) if rng.random() < 0.6 else (short, long)
    scene = landscape((width * FINER, height * FINER), rng)
    side = round(short * FINER * rng.uniform(0.5, 0.92))
    pen = Pen(side)
    thing(pen, rng, [*rng.sample(rng.choice(PALETTES)[:2], 2), rng.choice(PALETTES)[2]])
    layer = shaded(pen.image, rng)
    if rng.random() < 0.5:
        layer = ImageOps.mirror(layer)
    layer = layer.rotate(rng.gauss(0, 7), Image.Resampling.BILINEAR, expand=True)
    x = round((scene.width - layer.width) * rng.uniform(0.05, 0.95))
    y = round((scene.height - layer.height) * rng.uniform(0.1, 0.95))
    shadow = layer.getchannel("A").point(lambda a: a * 0.3)
    scene.paste((20, 20, 40), (x + side // 30, y + side // 22), shadow.filter(ImageFilter.BoxBlur(side / 50)))
    scene.paste(layer, (x, y), layer)
    if rng.random() < 0.4:
        hill(ImageDraw.Draw(scene), scene.size, rng, rng.uniform(0.86, 0.94), rng.choice(LANDS))
    finished = scene.reduce(FINER)
    for enhance, spread in ((ImageEnhance.Brightness, 0.14), (ImageEnhance.Contrast, 0.12), (ImageEnhance.Color, 0.25)):
        finished = enhance(finished).enhance(rng.uniform(1 - spread, 1 + spread))
    grain = Image.frombytes("L", finished.size, rng.randbytes(finished.width * finished.height))
    return ImageChops.overlay(finished, Image.blend(Image.new("L", grain.size, 128), grain, 0.05).convert("RGB"))


def shaded(layer: Image.Image, rng: Random) -> Image.Image:
    """`layer` lit from one side."""
    ramp = Image.linear_gradient("L").rotate(rng.uniform(-60, 60))
    ramp = ramp.crop((48, 48, 208, 208))  # without the corners, which rotation leaves black
    lit = layer.convert("RGB")
    lit.paste((60, 40, 90), mask=ramp.point(lambda v: v * 0.42).resize(layer.size, Image.Resampling.BILINEAR))
    lit.putalpha(layer.getchannel("A"))
    return lit


def landscape(size: tuple[int, int], rng: Random) -> Image.Image:
    """A sky with something in it, over hills or water."""
    sky = rng.choice(SKIES)
    scene = ImageOps.colorize(Image.linear_gradient("L"), *sky).resize(size, Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(scene, "RGBA")
    width, height = size
    if rng.random() < 0.6:  # sun or moon
        x, y, r = rng.uniform(0, width), rng.uniform(0, height * 0.5), rng.uniform(0.05, 0.12) * width
        for glow, alpha in ((1.8, 40), (1.35, 70), (1, 255)):
            draw.ellipse((x - r * glow, y - r * glow, x + r * glow, y + r * glow), fill=(255, 244, 200, alpha))
    for _ in range(rng.choice((0, 12, 40))):  # stars, snow or bubbles
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(1, 5)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 255, 255, 150))
    cloud = tuple((255 + part) // 2 for part in sky[1])
    for _ in range(rng.choice((0, 2, 4))):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height * 0.6), rng.uniform(0.03, 0.07) * width
        for dx, dy, part in ((-1.5, 0.3, 0.7), (-0.4, -0.2, 1), (0.9, 0, 0.9), (1.9, 0.4, 0.6)):
            cx, cy, cr = x + dx * r, y + dy * r, part * r
            draw.ellipse((cx - cr, cy - cr, cx + cr, cy + cr), fill=cloud)
    line = rng.uniform(0.5, 0.75)
    for n, land in enumerate(rng.sample(LANDS, rng.choice((1, 2, 3)))):
        hill(draw, size, rng, line + 0.13 * n, land)
    return scene


def hill(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: Random, line: float, colour: Colour) -> None:
    """Fill everything below a wavy line at about `line` of the height."""
    width, height = size
    waves = [(rng.uniform(0.01, 0.035) / n**2, rng.uniform(0.6, 1.4) * n, rng.uniform(0, 6.3)) for n in (1, 2, 4)]
    crest = [
        (x, height * (line + sum(a * math.sin(f * 6.3 * x / width + phase) for a, f, phase in waves)))
        for x in range(0, width + 8, 8)
    ]
    draw.polygon([(0, height), *crest, (width, height)], fill=colour)
