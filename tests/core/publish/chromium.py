"""Chromium without a window, for tests of the page that is exported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from core.errors import BadInput
from core.publish.browser import find_browser
from core.publish.runtime import runtime_files

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
WAITS = 60_000  # milliseconds, on a busy machine
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]  # a green picture with a clock


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of playwright's; skips without Chromium."""
    sync = pytest.importorskip("playwright.sync_api")
    if (program := find_browser()) is None:
        absent("Chromium is not installed")
    sync.expect.set_options(timeout=WAITS)
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *CAMERA])
        yield browser
        browser.close()


def fetched_runtime() -> dict[str, bytes]:
    """ONNX Runtime Web by npm; skips where npm does not reach a registry."""
    try:
        return runtime_files()
    except BadInput as error:
        absent(str(error))
        raise


def absent(reason: str) -> None:
    """Skip the test, or fail it on CI."""
    pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
