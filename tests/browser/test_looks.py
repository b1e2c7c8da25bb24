"""A picture of every page, light and dark, wide and on a phone, for a person to look at.

axe-core looks at them, too: it is to find no fault with any, nor with what opens on them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import LOOKS, App, Serve, Shoot, Visit
from tests.browser.steps import PAGES, drop, expect, faults, go, until
from tests.matrix import thinned


@pytest.mark.parametrize("look", thinned(LOOKS, {"phone-dark"}.__contains__))
def test_every_page(trained: App, visit: Visit, shoot: Shoot, held_out: Path, look: str) -> None:
    width, _, dark = LOOKS[look]
    page = visit(trained, look)
    expect(page.locator("#data-train")).to_be_enabled()
    assert page.evaluate("document.body.classList.contains('dark')") == dark
    for name in PAGES:
        go(page, name)
        until(lambda: page.evaluate("document.scrollingElement.scrollWidth") <= width, what=f"{name} is no wider")
        if name == "predict":
            drop(page, "#predict-drop", [held_out])
            page.locator(f'#predict-answer img[alt="{held_out.name}"]').wait_for()
        file = shoot(page, f"{name}-{look}")
        assert file.stat().st_size > 10_000
        assert not faults(page), name
    gallery = (file.parent / "index.html").read_text(encoding="utf-8")
    assert all(f"{name}-{look}.png" in gallery for name in PAGES)


@pytest.mark.parametrize("look", thinned(["light", "phone-dark"], {"light"}.__contains__))
def test_what_opens(trained: App, visit: Visit, shoot: Shoot, look: str) -> None:
    page = visit(trained, look)
    expect(page.locator("#data-train")).to_be_enabled()
    page.locator("#data-seen-box").get_by_role("button").first.click()
    expect(page.locator("#data-seen .walk li").first).to_be_visible()
    shoot(page, f"seen-{look}")
    assert not faults(page)

    go(page, "train")
    page.locator("#train-augmentation").get_by_role("button").first.click()
    page.locator("#train-draws").scroll_into_view_if_needed()
    expect(page.locator("#train-draws img").first).to_be_visible()
    page.locator("#train-advanced").get_by_role("button").first.click()
    expect(page.locator('[data-path="training.seed"]')).to_be_visible()
    shoot(page, f"advanced-{look}")
    assert not faults(page)
    page.locator("#train-advanced").get_by_role("button").first.click()

    go(page, "results")
    page.locator("#results-body .matrix button").first.click()
    page.locator("#results-photos figure button").first.click()
    expect(page.locator("#results-large dialog[open] img")).to_be_visible()
    shoot(page, f"large-{look}")
    assert not faults(page)
    page.keyboard.press("Escape")
    expect(page.locator("#results-large dialog[open]")).to_have_count(0)
    for box in ("python", "recipe"):
        page.locator(f"#drawer-{box}").get_by_role("button").first.click()
        expect(page.locator(f"#drawer-{box} .cm-content")).to_be_visible()
    shoot(page, f"opened-{look}")
    assert not faults(page)

    go(page, "predict")
    page.locator("#predict-drop").wait_for()
    page.get_by_role("tab", name="One photo").press("ArrowRight")
    expect(page.get_by_role("tab", name="Many photos")).to_be_focused()
    photos = sorted((trained.workspace / "sources").rglob("*.jpg"))[:6]
    page.locator("#predict-many input[data-kind=files]").set_input_files(photos)
    rows = page.locator("#predict-table tbody tr")
    expect(rows).to_have_count(len(photos))
    page.locator("#predict-table th").get_by_role("button", name="Confidence").click()
    shares = [float(row.get_attribute("data-confidence")) for row in rows.all()]
    assert shares == sorted(shares)
    page.locator("#predict-table [type=number]").fill("0")
    expect(page.locator("#predict-table output")).to_have_text("0 shown")
    page.locator("#predict-table [type=number]").fill("100")
    rows.first.get_by_role("button").click()
    expect(page.locator("#predict-large dialog[open] .guess")).to_be_visible()
    page.keyboard.press("Escape")
    shoot(page, f"many-{look}")
    assert not faults(page)


def test_a_matrix_that_is_wider_than_its_card_says_so(trained: App, visit: Visit) -> None:
    page = visit(trained, page="results")
    page.locator("#results-body .matrix").wait_for()
    hint = "document.querySelector('#results-body .sideways').offsetHeight > 0"
    wider = "(m => m.scrollWidth > m.clientWidth)(document.querySelector('#results-body .matrix'))"
    assert [page.evaluate(wider), page.evaluate(hint)] == [False, False]
    page.set_viewport_size({"width": 300, "height": 800})
    page.wait_for_function(wider)
    page.wait_for_function(hint)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_first_page_and_the_terminal(serve: Serve, visit: Visit, shoot: Shoot) -> None:
    app = serve()
    page = visit(app)
    for name in PAGES:
        go(page, name)
        shoot(page, f"empty-{name}-light")
        assert not faults(page), name
    go(page, "data")
    page.get_by_role("tab", name="Sample").click()
    page.locator("button:visible", has_text="More").click()
    page.locator("#data-sample-count").locator("input, textarea").fill("12")
    page.locator("#data-sample").click()
    expect(page.locator("#data-train")).to_be_enabled()
    page.watch.cut_off = True
    page.reload()
    expect(page.locator("#data-found .bars")).to_be_visible()
    page.close()
    assert app.said.splitlines() == [f"Presize is at {app.url}"]
