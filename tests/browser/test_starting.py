"""What a click on Train starts: what the page says, and nothing while a field is wrong; a second one waits its turn."""

from __future__ import annotations

import shutil
from itertools import product
from typing import Any

import pytest

from core.runs.run import Run
from tests.browser.conftest import Prepare, Serve, Shoot, Visit
from tests.browser.steps import TRAINS, edit, epochs, expect, go, titled, until
from tests.browser.test_long_work import LONG
from tests.matrix import thinned

BUTTONS = {"data": "#data-train", "learning_rate": "#rate-train", "train": "#train-start"}


ALWAYS = {("train", "epochs")}


@pytest.mark.parametrize(
    ("name", "option"),  # in sight, and under Advanced
    thinned(product(BUTTONS, ("epochs", "seed")), ALWAYS.__contains__, "-".join),
)
def test_a_wrong_field_is_shown(name: str, option: str, prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared(**LONG)
    page = visit(serve(project.folder), page="train")
    advanced = page.locator("#train-advanced").get_by_role("button", name="Advanced")
    if option == "seed":
        advanced.click()
    field = page.locator(f'[data-path="training.{option}"]')
    field.fill("-3")
    if option == "seed":
        advanced.click()
    go(page, name)
    page.locator(BUTTONS[name]).click()
    expect(page.locator("#page-train")).to_be_visible()
    expect(field).to_be_focused()
    expect(page.locator(".option", has=field).locator(".why")).to_contain_text("greater than or equal to 0")
    assert project.runs == []

    field.fill("2")
    page.locator("#train-start").click()
    run = until(lambda: project.run)
    assert getattr(run.recipe.training, option) == 2


def test_the_last_change_comes_first(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    """However long it takes to the recipe."""
    project = prepared(**LONG)
    page = visit(serve(project.folder), page="train")
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route) if "training.epochs" in (route.request.post_data or "") else route.fallback()

    page.route("**/queue/join*", hold)
    page.locator('[data-path="training.epochs"]').fill("3")
    page.locator("#train-start").click()
    until(lambda: page.wait_for_timeout(50) or held)
    page.wait_for_timeout(1000)
    assert project.runs == [], "it waits for the answer"
    held[0].continue_()
    run = until(lambda: page.wait_for_timeout(50) or project.run)
    assert run.recipe.training.epochs == 3


def test_a_refused_change_starts_nothing(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared(**LONG)
    page = visit(serve(project.folder), page="train")
    page.locator("#train-augmentation").get_by_role("button", name="Presizing").click()
    field = page.locator('[data-path="item_tfms.0.size"]')
    field.fill("large")
    page.locator("#train-start").click()
    expect(page.locator(".option", has=field).locator(".why")).to_contain_text("'large'")
    expect(page.locator("#message .said")).to_have_count(0)
    expect(field).to_have_value("large")
    page.locator("#train-start").click()  # it still waits for the field
    expect(field).to_be_focused()
    assert project.runs == []
    edit(page, "item_tfms.0.size", 85)

    go(page, "data")
    page.locator("#data-forms summary").first.click()
    page.locator('#data-forms [data-path="labeller.pattern"]').fill("(")
    page.locator("#data-train").click()
    expect(page.locator("#page-data").get_by_text("correct it").first).to_be_visible()
    assert project.runs == []


def test_a_second_run_waits_and_can_be_cancelled(prepared: Prepare, serve: Serve, visit: Visit, shoot: Shoot) -> None:
    project = prepared(**LONG)
    page = visit(serve(project.folder), page="train")
    page.locator("#train-start").click()
    until(lambda: epochs(page) >= 1, TRAINS)
    (first,) = project.runs

    go(page, "data")
    page.locator("#data-train").click()
    expect(page.locator("#page-train")).to_be_visible()
    waiting = page.locator("#train-queue")
    expect(waiting).to_contain_text("queued, next", timeout=60_000)
    titled(page, "train", "Training")
    assert project.run == first
    expect(page.locator("#top .live")).to_contain_text("Training ·")
    expect(page.locator("#top .live")).to_have_attribute("title", first.name)
    seen = epochs(page)
    until(lambda: epochs(page) > seen)
    shoot(page, "queued-light")

    waiting.get_by_role("button", name="Cancel").click()
    expect(waiting).not_to_contain_text("queued")
    second = next(run for run in project.runs if run != first)
    until(lambda: second.status == "stopped")
    assert first.status == "running"

    page.locator(f'#train-runs .link[data-run="{second.name}"]').click()
    titled(page, "train", "Cancelled")
    go(page, "data")
    page.locator("#top .live").press("Enter")
    titled(page, "train", "Training")
    assert project.run == first

    page.on("dialog", lambda dialog: dialog.accept())
    row = page.locator("#train-runs tr", has=page.locator(f'[data-run="{second.name}"]'))
    row.get_by_role("button", name="Delete").click()
    until(lambda: project.runs == [first])
    titled(page, "train", "Training")


@pytest.mark.slow
def test_the_run_being_looked_at_is_taken_out_of_the_queue(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared(**LONG)
    page = visit(serve(project.folder), page="train")
    page.locator("#train-start").click()
    titled(page, "train", "Training", TRAINS)
    edit(page, "training.epochs", 2)
    go(page, "data")
    page.locator("#data-train").click()
    link = page.locator("#train-runs tr", has_text="queued, next").locator(".link")
    link.click(timeout=60_000)
    titled(page, "train", "Waiting")
    expect(page.locator("#train-pause")).to_be_hidden()
    page.locator("#train-cancel").click()
    titled(page, "train", "Cancelled")
    expect(page.locator("#top .live")).to_contain_text("Training ·")


def test_of_many_runs_the_newest_are_shown_and_all_are_found(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared()
    run = Run.create(project.require_recipe(), project.folder)
    old = [f"2020-01-01_00-00-{place:02d}_x" for place in range(59)]
    for name in old:
        shutil.copytree(run.folder, run.folder.with_name(name))
    page = visit(app := serve(project.folder), page="train")
    expect(page.locator("#train-runs tbody tr:visible")).to_have_count(50)
    page.locator("#train-runs [data-find]").fill("2020-01-01 00:00:00")
    expect(page.locator("#train-runs tbody tr:visible")).to_have_count(1)
    expect(page.locator("#train-runs [data-all]")).to_be_hidden()

    page = visit(app, page="train")
    rows = page.locator("#train-runs tbody tr:visible")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Show all 60").click()
    expect(rows).to_have_count(60)
    rows.last.locator(".link").click()
    expect(rows.last.locator(".link")).to_have_attribute("aria-current", "true")
    expect(rows).to_have_count(60)
