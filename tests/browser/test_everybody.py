"""With the keyboard, with a screen reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plugins.panels.kit.views.seen import DRAWS
from tests.browser.conftest import App, Visit
from tests.browser.steps import PAGES, expect, go

NAMED = {"button", "textbox", "searchbox", "combobox", "checkbox", "radio", "spinbutton", "slider", "link", "switch"}
NAMED |= {"tab", "DisclosureTriangle", "progressbar", "img", "image", "listbox"}


def test_with_the_keyboard_alone(trained: App, visit: Visit) -> None:
    page = visit(trained)
    page.on("filechooser", lambda _: None)  # the browser hands them over from now on, not only while one is awaited
    expect(page.locator("#data-train")).to_be_enabled()
    tab(page, "e => e.matches('#data-drop .drop')")
    with page.expect_file_chooser() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.is_multiple()

    page.evaluate("document.activeElement.blur()")
    tab(page, "e => e.id === 'data-train'")
    for name in PAGES[1:]:
        page.locator("body").click(position={"x": 2, "y": 300})
        tab(page, f"e => e.matches('#rail [data-go={name}]')", most=60)
        page.keyboard.press("Enter" if name != "train" else "Space")
        expect(page.locator(f"#page-{name}")).to_be_visible()
        assert page.evaluate("document.activeElement.dataset.go") == name  # the focus is where it was
        expect(page.locator(f"#rail [data-go={name}]")).to_have_attribute("aria-current", "step")


def tab(page: Any, arrived: str, most: int = 40) -> None:
    """Press Tab until the focus is there, and can be seen to be."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(f"({arrived})(document.activeElement)"):
            style = (
                "(s => s.outlineStyle !== 'none' || s.boxShadow !== 'none')(getComputedStyle(document.activeElement))"
            )
            assert page.evaluate(style), f"the focus does not show: {arrived}"
            return
    pytest.fail(f"Tab does not come to it: {arrived}")


def test_everything_has_a_name(trained: App, visit: Visit) -> None:
    page = visit(trained)
    expect(page.locator("#data-train")).to_be_enabled()
    for opened in ("#drawer-python", "#drawer-recipe"):
        page.locator(opened).get_by_role("button").first.click()
    nameless = {}
    for name in PAGES:
        go(page, name)
        if name == "train":
            for fold in ("#train-augmentation", "#train-advanced"):
                page.locator(fold).get_by_role("button").first.click()
            page.locator("#train-draws").scroll_into_view_if_needed()
            expect(page.locator("#train-draws img")).to_have_count(DRAWS)
            expect(page.locator('[data-path="training.seed"]')).to_be_visible()
        expect(page.locator("h1:visible")).to_have_count(1)
        assert page.locator("img:not([alt])").count() == 0, name
        # gradio draws icons into buttons that have a name themselves
        nameless[name] = [node for node in without_name(page) if not node.startswith("svg ")]
    assert not any(nameless.values()), nameless


def without_name(page: Any) -> list[str]:
    """What Chromium would tell a screen reader nothing of."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    value: Callable[[Any, str], str] = lambda node, key: str(node.get(key, {}).get("value", ""))  # noqa: E731
    found = [
        node
        for node in nodes
        if not node["ignored"] and value(node, "role") in NAMED and not value(node, "name").strip()
    ]
    said = []
    for node in found:
        element = session.send("DOM.describeNode", {"backendNodeId": node["backendDOMNodeId"]})["node"]
        said.append(f"{element['nodeName']} {element.get('attributes')}"[:160])
    session.detach()
    return said
