"""What a person does on the pages, and what one reads there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.runs.run import Run

if not os.environ.get("CI"):
    for package in ("playwright", "axe_playwright_python"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install -r tests/requirements.txt")
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

WAITS, TRAINS = 30, 240  # seconds, on a busy machine
PAGES = ("data", "learning_rate", "train", "results", "predict", "publish")

expect.set_options(timeout=1000 * WAITS)


def go(page: Any, name: str) -> None:
    """Press a step of the rail."""
    page.locator(f'#rail [data-go="{name}"]').click()
    expect(page.locator(f"#page-{name}")).to_be_visible()


def drop(page: Any, zone: str, paths: Sequence[Path]) -> None:
    """Drag files or folders from the desktop onto the zone, as Chromium's own input does."""
    box = page.locator(f"{zone} .drop").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 30
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})
    session.detach()


def labels(page: Any) -> dict[str, int]:
    """The counts of What was found, read at once: the page may be drawing them."""
    rows = page.locator("#data-found .bars li").evaluate_all(
        "rows => rows.map(row => [row.querySelector('span').textContent, row.querySelector('b').textContent])"
    )
    return {name: int(count.replace(",", "")) for name, count in rows}


def shows_labels(page: Any, counts: dict[str, int]) -> None:
    """Wait until What was found has these labels."""
    try:
        until(lambda: labels(page) == counts)
    except AssertionError:
        assert labels(page) == counts


def figure(page: Any, name: str, where: str) -> str:
    """One of the large numbers."""
    box = page.locator(f"{where} .figure", has=page.get_by_text(name, exact=True))
    return str(box.locator("b").text_content())


def edit(page: Any, option: str, value: object) -> None:
    """Type into an option of the page that is shown, and leave it."""
    field = page.locator(f'[data-path="{option}"]:visible')
    field.fill(str(value))
    field.press("Tab")


def until(true: Callable[[], Any], seconds: float = WAITS, what: str = "") -> Any:
    """Wait for something outside of the page."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"after {seconds} s still not: {what or true}"
        time.sleep(0.1)
    return found


def titled(page: Any, name: str, title: str, seconds: float = WAITS) -> None:
    """Wait until the page has this title."""
    expect(page.locator(f"#{name}-head h1")).to_have_text(title, timeout=1000 * seconds)


def faults(page: Any) -> list[str]:
    """What axe-core finds wrong with the page as it is shown, targets below 24 pixels included; none is right."""
    page.evaluate(f"window.axe || (() => {{{AXE_SCRIPT}}})()")
    options = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [f"{kind['id']}: {node['html'][:200]} {node['failureSummary']}" for kind in found for node in kind["nodes"]]


def epochs(page: Any) -> int:
    """Epochs in the table of the run being looked at."""
    return page.locator("#train-run tbody tr").count()


def log_size(run: Run) -> int:
    """Bytes that a run has said so far."""
    return (run.folder / "events.jsonl").stat().st_size
