"""The boxes under every page: the recipe, edited and loaded again, and the same as Python."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from core.as_python import as_python
from tests.browser.conftest import Prepare, Serve, Visit
from tests.browser.steps import expect, go, until

BROKEN = {
    "half": ('{"version": 1, "source"', "JSON"),
    "nothing": ("[]", "recipe"),
    "plugin": ({"architecture": {"name": "nonesuch"}}, "nonesuch"),
    "option": ({"training": {"epochs": -3}}, "epochs"),
}


def test_edit_and_load(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared()
    page = visit(serve(project.folder))
    page.locator("#drawer-recipe").get_by_role("button", name=re.compile("^Recipe")).click()
    assert project.recipe
    recipe = project.recipe
    document = json.loads(recipe.to_json())
    until(lambda: json.loads(shown(page, "recipe") or "{}") == document)

    for said, word in BROKEN.values():
        write(page, said if isinstance(said, str) else json.dumps(document | said))
        page.locator("#drawer-load").click()
        message = page.locator("#message .said")
        expect(message).to_contain_text(word)
        expect(message).not_to_contain_text("Something went wrong")
        assert project.recipe == recipe
        message.get_by_role("button", name="Close").click()

    go(page, "train")
    document["training"] |= {"epochs": 7, "base_lr": 0.0123}
    write(page, json.dumps(document))
    page.locator("#drawer-load").click()
    expect(page.locator("#page-data")).to_be_visible()
    until(lambda: project.recipe and json.loads(project.recipe.to_json()) == document)
    expect(page.locator("#message .said")).to_have_count(0)
    expect(page.locator('#page-train [data-path="training.epochs"]')).to_have_value("7")
    expect(page.locator("#rate-train")).to_have_text("Use 0.012 and train")
    until(lambda: json.loads(shown(page, "recipe")) == document)


@pytest.mark.slow
def test_show_as_python(prepared: Prepare, serve: Serve, visit: Visit) -> None:
    project = prepared(epochs=7)
    page = visit(serve(project.folder), page="results")
    page.locator("#drawer-python").get_by_role("button", name="Show as Python").click()
    assert project.recipe
    code = as_python(project.recipe).rstrip()
    until(lambda: shown(page, "python").rstrip() == code)
    compile(code, "as shown", "exec")
    assert "7" in code


def shown(page: Any, box: str) -> str:
    """All of the text of an editor, also what is scrolled out of sight."""
    return str(
        page.locator(f"#drawer-{box} .cm-content").evaluate(
            "e => { const v = e.cmView?.view ?? e.cmTile?.view; return v ? v.state.doc.toString() : e.innerText; }"
        )
    )


def write(page: Any, document: str) -> None:
    """Put a text without line ends in place of what the recipe's editor has."""
    page.locator("#drawer-recipe .cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(document)
    until(lambda: shown(page, "recipe") == document)
    page.wait_for_timeout(300)  # until the editor has told its value
