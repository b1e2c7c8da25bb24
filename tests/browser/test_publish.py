"""A model is pushed from the page to a Hub on this machine, and used from there."""

from __future__ import annotations

import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest

from core.model.folder import load_model
from core.publish.fetch import load_learner
from tests.browser.conftest import Serve, Visit
from tests.browser.steps import TRAINS, expect, go
from tests.core.publish.chromium import fetched_runtime
from tests.hub.fixtures import environment
from tests.hub.fixtures import hub as hub
from tests.hub.server import Hub

REPO = "anna/my-shapes"


def test_from_the_page_to_the_hub(
    hub: Hub,
    drawn: Path,
    held_out: Path,
    serve: Serve,
    visit: Visit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment(hub, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_TOKEN")
    workspace = Path(shutil.copytree(drawn, tmp_path / "workspace"))
    app = serve(workspace)
    page = visit(app)
    expect(page.locator("#data-train")).to_be_enabled()
    go(page, "publish")

    page.locator("#publish-push").click()
    message = page.locator("#message .said")
    expect(message).to_contain_text("The name is empty")
    message.get_by_role("button", name="Close").click()

    page.locator("#publish-repo input, #publish-repo textarea").fill(REPO)
    page.locator("#publish-push").click()
    expect(message).to_contain_text("Nobody is signed in")
    message.get_by_role("button", name="Close").click()
    assert not hub.repos

    page.locator("#publish-token input").fill(hub.token)
    page.locator("#publish-private input").check()
    page.locator("#publish-space").get_by_text("The model alone").click()
    page.locator("#publish-push").click()
    result = page.locator("#publish-result")
    expect(result).to_contain_text(f"{hub.url}/{REPO}", timeout=1000 * TRAINS)
    expect(result).to_contain_text(f'load_learner("{REPO}")')
    assert hub.repos["model", REPO].private and len(hub.repos["model", REPO].commits) == 2
    assert hub.token not in page.content()
    page.watch.cut_off = True
    page.reload()
    go(page, "publish")
    expect(page.locator("#publish-token input")).to_have_value("")
    assert not [file for file in workspace.rglob("*") if file.is_file() and hub.token.encode() in file.read_bytes()]

    monkeypatch.setenv("HF_TOKEN", hub.token)
    ours, theirs = (model.predict(held_out) for model in (load_model(app.project.runs[0].folder), load_learner(REPO)))
    assert ours[0] == theirs[0] and ours[2].tolist() == pytest.approx(theirs[2].tolist())

    fetched_runtime()  # or the rest is skipped
    with page.expect_download(timeout=1000 * TRAINS) as download:
        page.locator("#publish-page").click()
        expect(page.locator("#publish-page")).to_be_disabled()
        expect(page.locator("#progress")).to_contain_text("a file for browsers")
    with ZipFile(download.value.path()) as archive:
        assert {name.partition("/")[2] for name in archive.namelist()} >= {"index.html", "model.onnx", "sw.js"}
