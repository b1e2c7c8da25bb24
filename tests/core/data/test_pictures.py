"""Pictures tell any two names apart, also those that their font cannot draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from core.data import legend
from core.data.legend import labelled
from core.data.pictures import contact_sheet, matrix

FONT = ImageFont.load_default(14)
PAIRS = [
    ("猫", "狗"),
    ("😀", "😁"),
    ("é", "e\u0301"),
    ("Größe", "Grüße"),
    ("cat", "cat "),
    ("cat", "cat\n"),
    ("\udcff", "\udcfe"),
    ("x" * 200 + "a", "x" * 200 + "b"),
    ("a" + "x" * 1000 + "b", "a" + "x" * 1000 + "c"),
    ("\u200b", "\u200c"),
    ("猫", "\\u732b"),
    (" ", "  "),
]


def sheet(names: Sequence[str]) -> Image.Image:
    return contact_sheet(torch.zeros(len(names), 3, 80, 80), names, len(names))


def differs(picture: Image.Image, one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return picture.crop(one).tobytes() != picture.crop(other).tobytes()


@pytest.mark.parametrize("names", PAIRS)
def test_two_labels_never_look_the_same(names: tuple[str, str]) -> None:
    table = matrix([[1, 1], [1, 1]], names)
    left = 16 + int(max(FONT.getlength(text) for text in labelled(names, 280, FONT)[0]))
    assert differs(table, (0, 50, left, 110), (0, 110, left, 170)), "the rows"
    assert differs(table, (left, 170, left + 60, 170 + left), (left + 60, 170, left + 120, 170 + left)), "the columns"
    assert differs(sheet(names), (8, 88, 88, 112), (96, 88, 176, 112))


@pytest.mark.parametrize("names", PAIRS)
def test_a_legend_spells_what_the_numbers_stand_for(names: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legend, "SYSTEM_FONTS", ())
    assert labelled(names, 280, FONT) == (["1", "2"], [f"1  {names[0]!a}", f"2  {names[1]!a}"])
    shown, plain = sheet(names), sheet(["a", "b"])
    assert shown.height >= plain.height + 40
    rows = [np.asarray(shown.crop((0, plain.height + top, shown.width, plain.height + top + 20))) for top in (0, 20)]
    assert rows[0].min() < 100 and rows[1].min() < 100 and not np.array_equal(*rows)


@pytest.mark.parametrize("names", [("кот", "собака"), ("Größe", "Grüße"), ("é", "e\u0301")])
def test_a_legend_is_read_where_the_system_has_a_font(names: tuple[str, str]) -> None:
    try:
        ImageFont.truetype("DejaVuSans.ttf")
    except OSError:
        pytest.skip("a font that this system lacks")
    readable = names[0] != "é"  # else the two would look the same
    assert labelled(names, 280, FONT)[1] == [f"{i}  {name!r}" if readable else f"{i}  {name!a}"
                                             for i, name in enumerate(names, 1)]  # fmt: skip
    one, other = (matrix([[1, 1], [1, 1]], order) for order in (names, names[::-1]))
    assert one.tobytes() != other.tobytes()


def test_all_of_a_long_name_is_in_the_legend() -> None:
    """Its end is below all that it has in common with the other."""
    names = "x" * 1000 + "猫", "x" * 1000 + "狗"
    one, other = (np.asarray(matrix([[1]], [name])) for name in names)
    assert one.shape == other.shape
    assert np.argwhere(one != other)[:, 0].min() > one.shape[0] - 40


def test_names_that_say_enough_are_drawn_as_they_are() -> None:
    assert labelled(["cat", "dog", "cat"], 280, FONT) == (["cat", "dog", "cat"], [])
    (long, _), legend = labelled(["a long name that is cut", "b"], 100, FONT)
    assert long.startswith("a long") and long.endswith("…") and FONT.getlength(long) <= 100 and not legend
    assert sheet(["cat", "dog"]).size == sheet(["c", "d"]).size


def test_one_name_has_one_number() -> None:
    assert labelled(["猫", "狗", "猫"], 280, FONT)[0] == ["1", "2", "1"]


def test_a_small_table_shows_its_title_whole() -> None:
    wide = matrix([[1]], ["a"], "A title that is much longer than a table of one class is wide")
    assert np.asarray(wide.crop((wide.width - 12, 0, wide.width, 40))).min() == 255
    assert np.asarray(wide.crop((wide.width - 60, 0, wide.width, 40))).min() < 100
