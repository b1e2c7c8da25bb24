"""Each page and run has an address, through which Back and Forward walk; the tab's title says where one is."""

from __future__ import annotations

import re

from tests.browser.conftest import App, Visit
from tests.browser.steps import expect, go


def test_back_and_forward_walk_through_the_pages(trained: App, visit: Visit) -> None:
    page = visit(trained)
    run = trained.project.runs[0].name
    expect(page).to_have_title("Data · Presize")
    for name in ("train", "results", "learning_rate"):
        go(page, name)
    expect(page).to_have_title("Learning rate · Presize")
    expect(page).to_have_url(re.compile("#learning_rate$"))
    page.go_back()
    expect(page.locator("#page-results")).to_be_visible()
    expect(page).to_have_url(re.compile(f"#results/{run}$"))
    page.go_back()
    expect(page.locator("#page-train")).to_be_visible()
    page.go_forward()
    expect(page.locator("#page-results")).to_be_visible()
    expect(page.locator('#rail [aria-current="step"]')).to_contain_text("Results")
    page.goto(f"{trained.url}#train/2001-01-01_no_such_run")
    expect(page.locator("#message .said")).to_contain_text("There is no run")
    expect(page).to_have_url(re.compile(f"#train/{run}$"))


def test_a_page_that_nobody_touches_rests(trained: App, visit: Visit) -> None:
    page = visit(trained)
    posted: list[str] = []
    page.wait_for_timeout(3000)
    page.on("request", lambda r: posted.append(r.url) if r.method == "POST" else None)
    page.wait_for_timeout(6000)
    assert not [url for url in posted if "queue/join" in url], "nothing has changed, so nothing is drawn"
    assert 1 <= len(posted) <= 3
    html = page.evaluate("fetch('/').then(answer => answer.text())")
    clock, gradio = html.index("window.requestAnimationFrame ="), html.index('type="module"')
    assert clock < gradio, "gradio's endless clock is slowed before its scripts find it"
