"""What panels are built from: forms out of signatures, charts, and HTML in which no text can become code."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from core.errors import BadInput
from core.recipe import TRAINING, Training
from core.registry import Entry, Param, Range, params_of, registries
from plugins.panels.kit.project.project import REGISTRY_OF, Project
from plugins.panels.kit.views.charts import Axes, Line, Mark, chart, nice, smoothed, thinned
from plugins.panels.kit.views.form import choose, chooser, edit, form, option, parsed, typed
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
from plugins.panels.kit.views.pictures import grid
from tests.plugins.panels.markup import HOSTILE, Page

ENTRIES = [
    pytest.param(registries[kind], entry, id=f"{kind}-{entry.name}")
    for kind in ("labellers", "splitters", "transforms", "architectures")
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
        assert parsed(entry.params, param.name, str(value)) == default


def options(
    kind: Literal["a", "b"] = "b",
    count: Annotated[int, "How many", Range(1, 9)] = 3,
    share: Annotated[float | None, "Of it", Range(0, 1)] = None,
    on: bool = True,
    name: str = "x",
) -> None:
    """Options of every sort."""


@pytest.mark.parametrize(
    ("name", "sent", "value"),
    [
        ("kind", "a", "a"),
        ("count", "7", 7),
        ("share", "", None),
        ("share", "0.25", 0.25),
        ("on", "false", False),
        ("name", "7", "7"),
        ("name", "", ""),
        ("count", "many", "many"),
    ],
)
def test_values_come_back_in_their_own_type(name: str, sent: str, value: Any) -> None:
    found = parsed(params_of(options), name, sent)
    assert (found, type(found)) == (value, type(value))


def test_a_number_has_its_bounds() -> None:
    page = Page(form(params_of(options), {"count": 5}, "x"))
    (count,) = (a for a in page.all("input") if a["data-path"] == "x.count")
    assert (count["type"], count["min"], count["max"], count["step"], count["value"]) == ("number", "1", "9", "1", "5")


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Project:
    project = Project(tmp_path)
    project.open({"name": "folder", "path": str(photos)})
    return project


def test_what_is_sent_reaches_the_recipe(project: Project) -> None:
    edit(project, {"option": "training.base_lr", "value": "0.01"})
    edit(project, {"option": "training.metrics", "value": '["accuracy", "error_rate"]'})
    edit(project, {"option": "batch_tfms.0.size", "value": "64"})
    choose(project, {"option": "splitter", "value": "stratified"})
    edit(project, {"option": "splitter.valid_pct", "value": "0.5"})
    recipe = project.require_recipe()
    assert recipe.training.base_lr == 0.01 and recipe.training.metrics == ({"name": "accuracy"}, {"name": "error_rate"})
    assert recipe.batch_tfms[0]["size"] == 64
    assert recipe.splitter == {"name": "stratified", "valid_pct": 0.5}


@pytest.mark.parametrize(
    "path",
    ["", "x", "training", "training.x", "source.path", "labeller.x", "labeller.name", "batch_tfms.9.size",
     "batch_tfms.x.size", "training.epochs.x", "version", "__class__"],
)  # fmt: skip
def test_a_place_that_is_none_is_refused(project: Project, path: str) -> None:
    before = project.recipe
    with pytest.raises(BadInput):
        edit(project, {"option": path, "value": "3"})
    with pytest.raises(BadInput):
        choose(project, {"option": path, "value": "regex"})
    assert project.recipe == before


@pytest.mark.parametrize("data", [{}, {"option": None}, {"option": "training.epochs"}, {"option": ["a"], "value": {}}])
def test_nonsense_is_a_sentence(project: Project, data: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        edit(project, data)


def test_every_option_of_training_can_be_sent(project: Project) -> None:
    for param in TRAINING:
        value = getattr(Training(), param.name)
        path, sent = typed(project, {"option": f"training.{param.name}", "value": _as_sent(value)})
        assert path == f"training.{param.name}" and sent == (list(value) if isinstance(value, tuple) else value)


def _as_sent(value: Any) -> str:
    if isinstance(value, (tuple, dict)):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_all_places_of_choosers_are_known() -> None:
    assert set(REGISTRY_OF) == {"labeller", "splitter", "item_tfms", "batch_tfms", "architecture"}


def test_a_chart_is_thinned_by_means() -> None:
    points = [(float(i), float(i % 2)) for i in range(10_000)]
    few = thinned(points, 100)
    assert len(few) == 100 and all(y == 0.5 for _, y in few) and few[-1][0] == 9_999
    assert thinned([(0.0, math.nan), (1.0, 2.0)]) == [(1.0, 2.0)]


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
    assert [rate(r) for r in (4e-3, 1.42e-3, 1e-7, 0.19)] == ["4e-3", "1.4e-3", "1e-7", "1.9e-1"]
    assert percent(0.9164) == "91.6%"
    assert Html.escape("plain words") == "plain words"
    assert Html("<b>{}</b>").format("caf\udce9") == "<b>caf?</b>", "half a letter, as in a broken file name"


@pytest.mark.parametrize(
    ("hint", "typed", "value"),
    [
        (Path, "photos", "photos"),
        (Path, "5", "5"),
        (str | None, "5", "5"),
        (Path | None, "", None),
        (dict[str, float], '{"cat": 2}', {"cat": 2}),
        (dict[str, float], "{", "{"),
        (Sequence[str], '["a"]', ["a"]),
        (float, "NaN", "NaN"),
        (list, "[" * 100_000, "[" * 100_000),
    ],
)
def test_a_form_gives_them_in_their_own_type(hint: Any, typed: str, value: Any) -> None:
    assert parsed([Param("value", hint, None)], "value", typed) == value


@pytest.mark.parametrize(
    ("hint", "value"), [(Path, Path("a b")), (dict[str, Path], {"a": Path("b")}), (Sequence[str], ("a",)), (dict, {})]
)
def test_a_form_shows_an_option_of_any_type_that_json_can_carry(hint: Any, value: Any) -> None:
    assert 'type="text"' in option(Param("value", hint, value), value, "source.value")
