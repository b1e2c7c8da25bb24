"""What gradio could answer and the app does not: a route is shut until it is listed with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio.routes import App as GradioApp
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import app
from plugins.panels.kit.serving.guards import ON_A_SPACE, ROUTES, WITH_PASSWORD, OpenRoutes
from plugins.panels.kit.serving.mode import Mode
from tests.app.running import App

SHUT = "This page does not exist."


def routes(router: Any) -> Iterator[tuple[str, str]]:
    """Every (method, path) that a router answers, routers inside it as well."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner)
        else:
            yield from ((method, route.path) for method in sorted(route.methods or ["GET"]))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """The routes of gradio's own app around our page."""
    demo = app.build(Mode("local", tmp_path_factory.mktemp("routes")))
    return list(routes(GradioApp.create_app(demo)))


@pytest.fixture(scope="module")
def client() -> TestClient:
    """Something that answers everywhere, behind the list."""

    async def there(request: object) -> PlainTextResponse:
        return PlainTextResponse("here")

    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
    behind = [Middleware(OpenRoutes, routes=ROUTES + WITH_PASSWORD)]
    return TestClient(Starlette(routes=[Route("/{path:path}", there, methods=methods)], middleware=behind))


def test_only_what_is_listed_is_answered(known: list[tuple[str, str]], client: TestClient) -> None:
    listed = {(method, route.path) for route in ROUTES + WITH_PASSWORD for method in route.methods.split()}
    assert ("POST", "/gradio_api/queue/join") in known and ("POST", "/gradio_api/vibe-edit") in known
    assert len(known) > 60
    for method, path in known:
        answer = client.request(method, re.sub(r"\{(\w+)(:path)?\}", "x", path))
        assert (answer.status_code == 200) == ((method, path) in listed), (method, path)
    assert listed <= set(known), "no entry outlives its route"


@pytest.mark.parametrize("path", ["/login/", "/login//", "//login", "/gradio_api/upload/", "/gradio_api//upload", "/x"])
def test_another_spelling_is_another_route(client: TestClient, path: str) -> None:
    assert client.post(path).status_code == 404


@pytest.mark.parametrize("path", ["/login%0A", "/gradio_api/upload%0A", "/login%0D", "/login%00", "/login%2F"])
def test_an_encoded_end_of_line_is_another_route(shared: App, path: str) -> None:
    assert httpx.post(f"{shared.url}{path}", data={"username": "x", "password": "y"}).status_code == 404


def test_each_has_its_reason() -> None:
    assert all(len(route.reason) > 7 for route in ROUTES + WITH_PASSWORD + ON_A_SPACE)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/deep_link?session_hash=x",
        "/logout",
        "/monitoring",
        "/monitoring/summary",
        "/openapi.json",
        "/gradio_api/openapi.json",
        "/gradio_api/token",
        "/gradio_api/dev/reload",
        "/gradio_api/proxy=https://huggingface.co/x",
        "/gradio_api/custom_component/x/client/y/z.js",
        "/gradio_api/runs",
        "/gradio_api/vibe-code",
        "/gradio_api/queue/status",
    ],
)
def test_the_real_app_has_no(local: App, shared: App, served: App, space: App, path: str) -> None:
    for running in (local, shared, served, space):
        answer = httpx.get(f"{running.url}{path}")
        assert (answer.status_code, answer.text) == (404, SHUT), running.url


@pytest.mark.parametrize(
    "path", ["component_server", "run/predict", "api/predict", "vibe-edit", "process_recording", "reset"]
)
def test_nor_does_it_take(local: App, shared: App, served: App, path: str) -> None:
    for running in (local, shared, served):
        answer = httpx.post(f"{running.url}/gradio_api/{path}", json={})
        assert (answer.status_code, answer.text) == (404, SHUT)


def test_no_other_session_is_logged_out(shared: App) -> None:
    one, other = shared.visitor(), shared.visitor()
    one.http.get("/logout")
    assert other.http.get("/config").status_code == 200
    assert not list(Path(shared.temporary).glob("deep_links"))
