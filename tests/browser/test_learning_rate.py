"""The chart of the learning-rate finder: it grows as that runs, and a click on it chooses."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.panels.kit.views.html import rate
from tests.browser.conftest import Prepare, Serve, Visit
from tests.browser.steps import TRAINS, expect, until


def test_curve_suggestions_and_clicks(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared(size=288, batch_size=12)  # for some seconds, in which the page asks for news
    page = visit(serve(project.folder), page="learning_rate")
    page.locator("#rate-test").click()
    sizes = [until(lambda: points(page), TRAINS)]
    while page.locator("#rate-test").inner_text().strip() == "Stop LR finder":
        sizes.append(points(page))
        page.wait_for_timeout(300)
    assert len(set(sizes)) > 2 and sizes == sorted(sizes), sizes  # it was drawn as it happened

    cards = page.locator("#rate-chart .choice")
    expect(cards.first).to_be_visible()
    until(lambda: page.locator("#rate-chart circle.mark").count() >= cards.count() >= 2)

    card = cards.nth(1)
    value = float(card.get_attribute("data-x"))
    card.click()
    expect(cards.nth(1)).to_have_attribute("aria-pressed", "true")
    chosen(page, project, value)

    chart = page.locator("#rate-chart svg.pick")
    frame = {name: float(chart.get_attribute(f"data-{name}")) for name in ("left", "right", "low", "high")}
    share = 0.37
    box = chart.bounding_box()
    x = (frame["left"] + share * (frame["right"] - frame["left"])) * box["width"]
    chart.click(position={"x": x, "y": box["height"] / 2})
    chosen(page, project, frame["low"] * (frame["high"] / frame["low"]) ** share)
    expect(page.locator("#rate-chart circle.mark.chosen")).to_have_count(1)


def points(page: Any) -> int:
    """Points of the curve."""
    curve = page.locator("#rate-chart polyline")
    return len(curve.get_attribute("points").split()) if curve.count() else 0


def chosen(page: Any, project: Any, value: float) -> None:
    """The recipe takes this rate, and the page says so, everywhere."""
    until(lambda: project.recipe.training.base_lr == pytest.approx(value, rel=0.02), what=f"{value} in the recipe")
    said = rate(project.recipe.training.base_lr)
    expect(page.locator("#rate-train")).to_have_text(f"Use {said} and train")
    expect(page.locator('#rail [data-go="learning_rate"] small')).to_have_text(f"{said} chosen")
    option = page.locator('#page-train [data-path="training.base_lr"]')
    expect(option).to_have_value(f"{project.recipe.training.base_lr:.10g}")
