"""The lists of the page Train: plugins added, moved and removed, with the keyboard too; and Train after a choice."""

from __future__ import annotations

from typing import Any

from core.as_python import as_python
from plugins.panels.kit.project.project import Project
from tests.browser.conftest import Prepare, Serve, Visit
from tests.browser.steps import edit, expect, until
from tests.browser.test_recipe import shown


def transforms(project: Project) -> list[str]:
    """The names in the recipe's second list."""
    return [choice["name"] for choice in project.require_recipe().batch_tfms]


def press(page: Any, do: str, place: str) -> None:
    """Press a button of a list with the keyboard."""
    page.locator(f'[data-do="{do}"][data-option="{place}"]').press("Enter")


def focused(page: Any, place: str) -> None:
    """Wait until the focus is at a place of a list."""
    until(lambda: page.evaluate("document.activeElement.closest('[data-place]')?.dataset.place") == place)


def test_a_list_is_changed_with_the_keyboard(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared()
    page = visit(serve(project.folder), page="train")
    page.locator("#train-augmentation").get_by_role("button").first.click()
    page.locator('[data-place="batch_tfms"] summary').press("Enter")
    page.locator('[data-do="add"][data-option="batch_tfms"][data-value="mixup"]').press("Enter")
    focused(page, "batch_tfms.1")
    edit(page, "batch_tfms.1.alpha", 0.2)
    page.locator('[data-path="batch_tfms.0.do_flip"]').uncheck()
    press(page, "up", "batch_tfms.1")
    focused(page, "batch_tfms.0")
    until(lambda: transforms(project) == ["mixup", "aug_transforms"])
    expect(page.locator('[data-path="batch_tfms.0.alpha"]')).to_have_value("0.2")
    expect(page.locator('[data-path="batch_tfms.1.do_flip"]')).not_to_be_checked()
    page.locator("#drawer-python").get_by_role("button", name="Show as Python").click()
    until(lambda: shown(page, "python").rstrip() == as_python(project.require_recipe()).rstrip())

    before = project.recipe
    for place in ("batch_tfms.1", "batch_tfms.0"):
        press(page, "remove", place)
        focused(page, "batch_tfms")
    press(page, "remove", "item_tfms.0")
    expect(page.locator("#message .said")).to_contain_text("add one that does")
    kept = page.locator('[data-path="item_tfms.0"]')
    expect(kept).to_have_value("resize")
    assert kept.evaluate("field => field.checkValidity()"), "nothing is to be corrected, so Train need not wait"
    assert before and project.require_recipe().item_tfms == before.item_tfms


def test_train_after_a_choice(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared(epochs=0)
    page = visit(serve(project.folder), page="train")
    page.locator("#train-advanced").get_by_role("button").first.click()
    page.locator('[data-path="training.loss"]').select_option("focal")
    page.locator("#train-start").click()
    until(lambda: project.runs)
    assert project.runs[0].recipe.training.loss["name"] == "focal"
