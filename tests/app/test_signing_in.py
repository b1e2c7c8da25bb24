"""On a Space a visitor publishes with an account of his own, never with that of the Space's owner."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from core.runs.run import Run
from plugins.panels.kit.project.naming import title_of
from tests.app.running import SPACE, Answer, App, Visitor, answers, begin
from tests.hub.fixtures import environment
from tests.hub.server import Hub

for package in ("authlib", "itsdangerous"):
    pytest.importorskip(package, reason="signing in needs gradio[oauth], which every Space has")
from tests.app.provider import SECRET, Provider  # noqa: E402

ZOE = Hub.other_token


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    """A Hub that knows anna, the owner of the Space, and zoe."""
    running = Hub()
    yield running
    running.close()


@pytest.fixture(scope="module")
def space(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A Space where zoe signs in, and in whose environment the token of anna lies."""
    folder = tmp_path_factory.mktemp("space")
    provider = Provider("zoe", ZOE)
    anna = {**environment(hub, folder / "home"), "HF_HUB_OFFLINE": "0"}
    running = begin(folder / "space", (), {**anna, **SPACE, "SPACE_HOST": "127.0.0.1", **provider.variables})
    try:
        yield answers(running)
    finally:
        running.end()
        provider.close()


@pytest.fixture
def visitor(space: App, hub: Hub, model: Run) -> Visitor:
    """Who has a model, and whom the Hub has not seen yet."""
    hub.calls.clear()
    return trained(space, model)


def trained(space: App, model: Run) -> Visitor:
    """A visitor who has a model."""
    visitor = space.visitor()
    shutil.copytree(model.folder, visitor.folder(space) / "runs" / model.name)
    return visitor


def publish(visitor: Visitor, token: str = "") -> Answer:
    """Press the button, with the form filled in."""
    event = visitor.events["publish-push", "click"]
    return visitor.send(event, data=[token, "zoe/my-pets", "", False, "none", False][: len(event["inputs"])])


def sign_in(visitor: Visitor) -> httpx.Response:
    """What the button does: to the provider and back."""
    there = visitor.http.get("/login/huggingface?_target_url=/")
    back = urlsplit(httpx.get(there.headers["location"]).headers["location"])
    assert (back.scheme, back.netloc, back.path) == ("https", "127.0.0.1", "/login/callback")
    return visitor.http.get(f"{back.path}?{back.query}")


def button(visitor: Visitor) -> str:
    """What stands on the button of a page that was just loaded."""
    return str(visitor.load().values["publish-login"]["value"])


def test_the_page_says_how_to_sign_in(visitor: Visitor, model: Run) -> None:
    assert button(visitor) == "Sign in with Hugging Face"
    assert f"Sign in to push the model of {title_of(model)} to your own account" in visitor.load().text
    assert "publish-token" not in visitor.names.values()


def test_nobody_publishes_with_the_owners_token(visitor: Visitor, hub: Hub) -> None:
    for token in ("", hub.token, ZOE):
        assert "Nobody is signed in" in publish(visitor, token).said
    visitor.http.cookies.set("session", "eyJvYXV0aF9pbmZvIjogeyJhY2Nlc3NfdG9rZW4iOiAieCJ9fQ==.x.x")
    assert "Nobody is signed in" in publish(visitor).said
    assert not hub.calls


def test_who_signed_in_publishes_with_an_own_token(visitor: Visitor, space: App, hub: Hub, model: Run) -> None:
    answer = sign_in(visitor)
    assert answer.is_redirect and answer.headers["location"] == "/"
    assert all(word in answer.headers["set-cookie"].lower() for word in ("httponly", "secure"))
    assert button(visitor) == "Signed in as zoe: sign out"
    published = publish(visitor)
    assert not published.said and f"{hub.url}/zoe/my-pets" in published.text
    assert ("model", "zoe/my-pets") in hub.repos
    logins = {dict(call.headers).get(b"authorization") for call in hub.calls}
    assert logins - {None} == {f"Bearer {ZOE}".encode()}  # None: a file goes to an address that the Hub gave
    texts = [published.text, space.log.read_text(), *(visitor.http.get(path).text for path in ("/", "/config"))]
    texts += [f.read_text(errors="replace") for f in space.workspace.rglob("*") if f.is_file()]
    for secret in (ZOE, hub.token, SECRET):
        assert secret.encode() not in hub.sent()
        assert not any(secret in text for text in texts)
    assert "Nobody is signed in" in publish(trained(space, model)).said
    visitor.http.get("/logout?_target_url=/")
    assert button(visitor) == "Sign in with Hugging Face"
    assert "Nobody is signed in" in publish(visitor).said


def test_a_login_that_was_not_begun_here_is_none(visitor: Visitor, hub: Hub) -> None:
    forged = visitor.http.get("/login/callback?code=x&state=y&_target_url=//evil.example")
    assert forged.is_redirect and "evil.example" not in urlsplit(forged.headers["location"]).netloc
    assert button(visitor) == "Sign in with Hugging Face"
