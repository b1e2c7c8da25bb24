"""What panels are built from: forms out of signatures, charts, and HTML in which no text can become code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest

from core.registry import Entry, Param, Range, registries
from plugins.panels.kit.project.edits import parsed
from plugins.panels.kit.views import pictures
from plugins.panels.kit.views.charts import Axes, Line, Mark, chart, nice, smoothed, thinned
from plugins.panels.kit.views.form import chooser, chooser_list, form, option
from plugins.panels.kit.views.html import (
    Html,
    alert,
    bars,
    button,
    card,
    clock,
    content,
    doing,
    empty,
    figures,
    notes,
    percent,
    rate,
    table,
)
from plugins.panels.kit.views.pictures import grid, thumbnail
from tests.plugins.panels.markup import HOSTILE, Page

ENTRIES = [
    pytest.param(registries[kind], entry, id=f"{kind}-{entry.name}")
    for kind in ("labellers", "splitters", "transforms", "architectures", "losses", "metrics", "optimizers")
    for entry in registries[kind]
]


HOSTILE_PARAM = Param(HOSTILE, Literal[HOSTILE, "b"], HOSTILE, HOSTILE)  # type: ignore[valid-type]
HOSTILE_TEXT = Param(HOSTILE, str, HOSTILE, HOSTILE)


@pytest.mark.parametrize(
    "html",
    [
        card(HOSTILE, HOSTILE, HOSTILE),
        doing(HOSTILE, 0.5),
        alert(HOSTILE),
        grid([("", HOSTILE), ("data:,", HOSTILE)]),
        option(HOSTILE_PARAM, HOSTILE, HOSTILE),
        option(HOSTILE_TEXT, HOSTILE, HOSTILE),
        chooser(registries["labellers"], {"name": "regex", "pattern": HOSTILE}, HOSTILE, HOSTILE),
        chooser_list(registries["metrics"], [{"name": "accuracy"}], HOSTILE, HOSTILE),
        Html("<p>{}</p>").format(HOSTILE),
        content(HOSTILE),
        figures([(HOSTILE, HOSTILE, HOSTILE)]),
        bars([(HOSTILE, 0.5, HOSTILE)]),
        table([HOSTILE], [[HOSTILE]], HOSTILE),
        button(HOSTILE, HOSTILE, {"run": HOSTILE}),
        notes([HOSTILE]),
        empty(HOSTILE, HOSTILE),
        chart(HOSTILE, Axes((0, 1), (0, 1), x_name=HOSTILE), [Line(HOSTILE, [(0, 0), (1, 1)], "batch")], [
            Mark(HOSTILE, (0.5, 0.5))
        ]),
    ],
)  # fmt: skip
def test_a_text_stays_a_text(html: str) -> None:
    page = Page(html)
    assert not [image for image in page.all("img") if image["src"] == "x"]
    assert not any("onerror" in attributes for _, attributes in page.tags)
    said = [*page.texts, *(value for _, attributes in page.tags for value in attributes.values())]
    assert HOSTILE in said


@pytest.mark.parametrize(("registry", "entry"), ENTRIES)
def test_every_plugin_has_a_form(registry: Any, entry: Entry[Any]) -> None:
    page = Page(chooser(registry, {"name": entry.name}, "place", "Choose"))
    paths = [attributes["data-path"] for _, attributes in page.tags if "data-path" in attributes]
    assert paths == ["place", *(f"place.{p.name}" for p in entry.params)]
    chosen = [o for o in page.all("option") if o["value"] == entry.name and "selected" in o]
    assert len(chosen) == 1
    assert len(page.all("label")) == len(paths), "every option has a label"
    for param in entry.params:
        assert not param.help or param.help in page.texts


@pytest.mark.parametrize(("registry", "entry"), ENTRIES)
def test_what_a_form_shows_is_what_the_plugin_has(registry: Any, entry: Entry[Any]) -> None:
    """Sent back unchanged, every option has its default again."""
    page = Page(form(entry.params, {}, "place"))
    shown = {a["data-path"]: a for _, a in page.tags if "data-path" in a}
    for param in entry.params:
        if param.required or param.choices:
            continue
        option = shown[f"place.{param.name}"]
        value = ("true" if "checked" in option else "false") if param.type is bool else option["value"]
        default = list(param.default) if isinstance(param.default, tuple) else param.default  # JSON has lists alone
        assert parsed(param, str(value)) == default


LISTED = [pytest.param(registries[kind], id=kind) for kind in ("transforms", "metrics")]


@pytest.mark.parametrize("registry", LISTED)
def test_every_plugin_of_a_list_has_its_form_and_its_buttons(registry: Any) -> None:
    choices = [{"name": entry.name} for entry in registry]
    page = Page(chooser_list(registry, choices, "place", "Plugin"))
    paths = [attributes["data-path"] for _, attributes in page.tags if "data-path" in attributes]
    expected = [[f"place.{i}", *(f"place.{i}.{p.name}" for p in e.params)] for i, e in enumerate(registry)]
    assert paths == [path for of_one in expected for path in of_one]
    buttons = page.all("button")
    moves = {(b["data-do"], b["data-option"]): b for b in buttons if b["data-do"] != "add"}
    last = len(choices) - 1
    assert set(moves) == {(do, f"place.{i}") for do in ("up", "down", "remove") for i in range(last + 1)}
    assert {key for key, b in moves.items() if "disabled" in b} == {("up", "place.0"), ("down", f"place.{last}")}
    assert len({b["aria-label"] for b in moves.values()}) == len(moves), "each says what it does to which"
    assert [b["data-value"] for b in buttons if b["data-do"] == "add"] == [entry.name for entry in registry]


@pytest.mark.parametrize("names", [["flip"], ["flip", "resize"]])
def test_only_names_that_fit_are_offered(names: list[str]) -> None:
    page = Page(chooser_list(registries["transforms"], [{"name": "mixup"}], "place", "Transform", names))
    assert [b["data-value"] for b in page.all("button") if b["data-do"] == "add"] == names
    assert {o["value"] for o in page.all("option")} == {"mixup", *names}, "and what is chosen already"


def test_a_list_in_another_order_is_drawn_anew() -> None:
    """gradio keeps what is typed or ticked in fields of the same place, unless a tag around them has another name."""

    def around(choices: list[dict[str, Any]]) -> str:
        return next(t for t, _ in Page(chooser_list(registries["transforms"], choices, "x", "X")).tags if "of-" in t)

    one, other = {"name": "flip", "p": 0.1}, {"name": "flip", "p": 0.9}
    assert around([one, other]) == around([dict(one), dict(other)]) != around([other, one])


def test_a_number_has_its_bounds() -> None:
    page = Page(form([Param("count", int, 3, range=Range(1, 9))], {"count": 5}, "x"))
    (count,) = (a for a in page.all("input") if a["data-path"] == "x.count")
    assert (count["type"], count["min"], count["max"], count["step"], count["value"]) == ("number", "1", "9", "1", "5")


def test_a_chart_is_thinned_by_means() -> None:
    points = [(float(i), float(i % 2)) for i in range(10_000)]
    few = thinned(points, 100)
    assert len(few) == 100 and all(y == 0.5 for _, y in few) and few[-1][0] == 9_999
    assert thinned([(0.0, math.nan), (1.0, 2.0)]) == [(1.0, 2.0)]


def test_dots_are_drawn_while_they_can_be_told_apart() -> None:
    few, many = ([(i / n, 0.5) for i in range(n)] for n in (10, 300))
    assert [
        len(Page(chart("x", Axes((0, 1), (0, 1)), [Line("", points, "accuracy", dots=True)])).all("circle"))
        for points in (few, many)
    ] == [10, 0]


def test_smoothing_is_a_debiased_mean() -> None:
    assert smoothed([(i, 3.0) for i in range(50)]) == [(i, pytest.approx(3.0)) for i in range(50)]
    wild = [(float(i), float(i % 2)) for i in range(2_000)]
    assert smoothed(wild)[-1][1] == pytest.approx(0.5, abs=0.02)
    assert smoothed([(0.0, math.inf), (1.0, 1.0)]) == [(1.0, pytest.approx(1.0))]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0.37), (1.2, 17.9), (-3, 4), (0, 0), (5, 5), (1e-6, 3e-6)])
def test_the_lines_of_a_grid_are_round_and_enclose(low: float, high: float) -> None:
    ticks = nice(low, high)
    assert ticks[0] <= low + 1e-9 and ticks[-1] >= high - 1e-9 and 2 <= len(ticks) <= 9
    steps = {round(b - a, 9) for a, b in pairwise(ticks)}
    assert len(steps) == 1


def test_a_point_lies_where_its_axes_say() -> None:
    axes = Axes((1e-6, 1e0), (0, 2), log=True)
    left, bottom = axes.place((1e-6, 0))
    right, top = axes.place((1e0, 2))
    middle, half = axes.place((1e-3, 1))
    assert middle == pytest.approx((left + right) / 2) and half == pytest.approx((top + bottom) / 2)
    assert axes.place((1e-3, 99))[1] == top, "what is higher than the chart stays in it"


def test_a_chart_to_pick_from_says_where_its_axis_lies() -> None:
    axes = Axes((1e-6, 10.0), (0, 1), log=True)
    (svg,) = Page(chart("x", axes, [Line("", [(1e-6, 1), (1, 0)], "training")], pick=True)).all("svg")
    share = (axes.place((1e-2, 0))[0] / axes.width - float(svg["data-left"] or 0)) / (
        float(svg["data-right"] or 0) - float(svg["data-left"] or 0)
    )
    low, high = float(svg["data-low"] or 0), float(svg["data-high"] or 0)
    assert low * (high / low) ** share == pytest.approx(1e-2, rel=1e-3), "as the page's script reckons"


def test_numbers_as_people_read_them() -> None:
    assert [clock(s) for s in (None, 0, 59.6, 62, 3_725)] == ["–", "0:00", "1:00", "1:02", "1:02:05"]
    assert [rate(r) for r in (4e-3, 1.42e-3, 1e-7, 0.19)] == ["0.004", "0.0014", "1e-7", "0.19"]
    assert percent(0.9164) == "91.6%"
    assert Html.escape("plain words") == "plain words"
    assert Html("<b>{}</b>").format("caf\udce9") == "<b>caf?</b>", "half a letter, as in a broken file name"


@pytest.mark.parametrize(
    ("hint", "value"), [(Path, Path("a b")), (dict[str, Path], {"a": Path("b")}), (Sequence[str], ("a",)), (dict, {})]
)
def test_a_form_shows_an_option_of_any_type_that_json_can_carry(hint: Any, value: Any) -> None:
    assert 'type="text"' in option(Param("value", hint, value), value, "source.value")


def test_a_strangers_thumbnails_are_decoded_apart(
    monkeypatch: pytest.MonkeyPatch, photos: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(pictures, "_decode", None)  # this process decodes nothing
    pictures.decode_apart()
    good, bad = min(photos.rglob("*.jpg")), tmp_path / "bad.jpg"
    bad.write_bytes(b"no photo")
    assert thumbnail(good, 31).startswith("data:image/jpeg;base64,") and thumbnail(bad, 31) == ""
