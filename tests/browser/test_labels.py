"""The regular expression that finds the labels, shown on the names as it is typed."""

from __future__ import annotations

from tests.browser.conftest import Prepare, Serve, Visit
from tests.browser.steps import expect, shows_labels, until

OPTION = '#data-forms [data-path="labeller.pattern"]'


def test_a_bad_pattern_and_then_a_good_one(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared()
    page = visit(serve(project.folder))
    train, preview, field = page.locator("#data-train"), page.locator("#data-preview"), page.locator(OPTION)
    expect(train).to_be_enabled()
    found = {"blue": 8, "green": 8, "red": 8}
    shows_labels(page, found)
    before = project.recipe

    expect(field).to_be_hidden()  # nobody needs it whose names are like these
    page.locator("#data-forms summary").first.click()
    field.fill("(")  # said while it is typed
    expect(preview.locator(".bad")).to_contain_text("is not a regular expression")
    assert project.recipe == before

    field.press("Tab")  # and refused, or shown as what is wrong, when the field is left
    expect(page.locator("#page-data").or_(page.locator("#message")).get_by_text("correct it").first).to_be_visible()
    page.wait_for_timeout(1500)
    if train.is_enabled():
        assert project.recipe == before
    assert project.recipe is not None and project.names()
    expect(field).to_have_value("(")

    field.fill("^(.)")
    expect(preview.locator("mark").first).to_have_text("b")  # before the field is left
    expect(preview.locator("td:nth-child(2)").first).to_have_text("b")
    expect(preview).to_contain_text("24 of 24 names give a label · 3 labels")
    assert page.evaluate(f"document.activeElement === document.querySelector({OPTION!r})")

    field.press("Tab")
    until(lambda: project.recipe and project.recipe.labeller.get("pattern") == "^(.)")
    expect(page.locator("#data-found .bars")).to_contain_text("r")
    shows_labels(page, {"b": 8, "g": 8, "r": 8})
    expect(train).to_be_enabled()
    expect(page.locator("#message .said")).to_have_count(0)
