"""The repository as a Space, and who finds nothing to publish with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from huggingface_hub import SpaceCard
from packaging.requirements import Requirement

from plugins.panels.kit.serving.visitors import SECONDS
from tests.app.running import PASSWORD, ROOT, USER, App, answers, begin
from tests.hub.fixtures import environment
from tests.hub.server import Hub

FIELDS = {"publish-login", "publish-token", "publish-repo"}


def test_the_readme_says_how_to_run_it() -> None:
    data = SpaceCard.load(ROOT / "README.md").data
    assert data["sdk"] == "gradio" and (ROOT / data["app_file"]).is_file()
    (gradio,) = (
        wanted
        for wanted in map(Requirement, (ROOT / "requirements.txt").read_text().splitlines())
        if wanted.name == "gradio"
    )
    assert data["sdk_version"] in gradio.specifier
    assert len(data["short_description"]) <= 60  # the Hub takes no more
    assert data["hf_oauth"] and data["hf_oauth_scopes"] == ["contribute-repos"]  # what it made itself, and no more


def test_without_a_way_to_sign_in_there_is_no_form(space: App) -> None:
    visitor = space.visitor()
    assert not FIELDS & set(visitor.names.values()) and ("publish-push", "click") not in visitor.events
    assert "Download the model on the Predict page" in visitor.load().text


def test_visitors_are_told_how_long_a_run_may_train(space: App, shared: App, local: App) -> None:
    said = f"Here a run finishes early after {SECONDS / 60:.0f} minutes."
    assert said in space.visitor().load().text and said in shared.visitor().load().text
    assert "finishes early" not in local.visitor().load().text


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A Hub that knows the owner."""
    running = Hub()
    yield running
    running.close()


def test_with_a_password_nobody_publishes(hub: Hub, local: App, tmp_path: Path) -> None:
    owner = {**environment(hub, tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
    shared = begin(tmp_path / "workspace", ["--auth", USER], {**owner, "PRESIZE_AUTH": PASSWORD})
    try:
        visitor = answers(shared).visitor()
        assert not FIELDS & set(visitor.names.values()) and ("publish-push", "click") not in visitor.events
        assert "Download the model on the Predict page" in visitor.load().text
        assert not [d for d in visitor.config["dependencies"] if d.get("oauth_token")]  # events that take a login
        pressed = local.visitor().events["publish-push", "click"]
        form = ["", "anna/my-pets", "", False, "none", False][: len(pressed["inputs"])]
        with suppress(httpx.HTTPStatusError):  # whatever the event of that number is here
            visitor.send({"id": pressed["id"], "outputs": []}, data=form)
        assert not hub.calls
    finally:
        shared.end()
