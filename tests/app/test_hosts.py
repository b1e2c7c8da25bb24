"""Only known hosts are answered, and only to pages of ours."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from plugins.panels.kit.serving.guards import Addresses, KnownHosts, Visitors, is_loopback, known_hosts
from tests.app.running import OTHER, App

FOREIGN = (
    "evil.example",
    "evil.example:80",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "10.1.2.3",
    "",
    "[::1",
)


HTTP = httpx.Client()


def dummy(*middleware: Middleware) -> Starlette:
    async def there(request: object) -> PlainTextResponse:
        return PlainTextResponse("here")

    return Starlette(routes=[Route("/{path:path}", there, methods=["GET", "POST"])], middleware=[*middleware])


def test_another_host_is_refused(local: App) -> None:
    for host in FOREIGN:
        for origin in ({}, {"Origin": f"http://{host}"}):
            for path in ("/", "/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=x"):
                assert HTTP.get(f"{local.url}{path}", headers={"Host": host, **origin}).status_code == 400, (
                    host,
                    path,
                )
    for host in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert HTTP.get(f"{local.url}/config", headers={"Host": f"{host}:{local.port}"}).status_code == 200


def test_the_page_of_another_site_is_refused(local: App, space: App) -> None:
    for origin in (
        "http://evil.example",
        "https://evil.example:7860",
        "null",
        "http://127.0.0.1.evil.example",
        "file://",
    ):
        for app in (local, space):
            answer = HTTP.post(f"{app.url}/gradio_api/upload", files={"files": b"x"}, headers={"Origin": origin})
            assert answer.status_code == 403, origin
            assert HTTP.get(f"{app.url}/config", headers={"Origin": origin}).status_code == 403
    assert HTTP.get(f"{local.url}/config", headers={"Origin": local.url}).status_code == 200


def test_the_given_host_is_known(served: App) -> None:
    assert HTTP.get(f"{served.url}/config").status_code == 200
    if OTHER != "127.0.0.1":
        assert HTTP.get(f"{served.url}/config", headers={"Host": "127.0.0.3"}).status_code == 400


def test_the_host_of_a_space_is_known(space: App, local: App) -> None:
    name = {"Host": "someone-presize.hf.space", "Origin": "https://someone-presize.hf.space"}
    assert HTTP.get(f"{space.url}/config", headers=name).status_code == 200
    assert HTTP.get(f"{space.url}/config", headers={"Host": "presize.example"}).status_code == 200
    assert HTTP.get(f"{space.url}/config", headers={"Host": "other-presize.hf.space"}).status_code == 400
    assert HTTP.get(f"{local.url}/config", headers=name).status_code == 400


def test_the_hosts_may_grow() -> None:
    hosts = known_hosts("127.0.0.1")
    client = TestClient(dummy(Middleware(KnownHosts, hosts=hosts, proxied=False)), "https://abc.gradio.live")
    assert client.get("/").status_code == 400
    hosts += known_hosts("https://ABC.gradio.live")
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("192.168.1.5", "192.168.1.5"),
        ("My-Computer", "my-computer"),
        ("https://abc.gradio.live/", "abc.gradio.live"),
        ("name.hf.space", "name.hf.space"),
        ("fe80::1", "fe80::1"),
        ("::1", "::1"),
    ],
)
def test_hosts_as_they_are_given(given: str, name: str) -> None:
    assert name in known_hosts(given)


def test_every_address_of_this_machine_is_no_name() -> None:
    for everywhere in ("0.0.0.0", "::"):
        hosts = known_hosts(everywhere, "")
        assert "127.0.0.1" in hosts
        assert not {everywhere, "", "*"} & set(hosts)


def test_what_only_this_machine_reaches() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.0.0.2", "localhost", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "", "192.168.1.5", "localhost.example", "my-computer")))


def test_a_page_on_another_port_is_another_site(local: App, served: App) -> None:
    for app in (local, served):
        name = app.url.rpartition(":")[0]
        for origin in (f"{name}:{app.port + 1}", name, f"{name}:80"):
            assert HTTP.get(f"{app.url}/config", headers={"Origin": origin}).status_code == 403, origin
        assert HTTP.get(f"{app.url}/config", headers={"Origin": app.url}).status_code == 200


def test_no_client_says_where_others_find_the_app(served: App, local: App) -> None:
    for app in (served, local):
        for name in ("X-Forwarded-Host", "X-Gradio-Server", "Forwarded", "X-Forwarded-Prefix"):
            for path in ("/", "/config", "/gradio_api/info"):
                for value in ("evil.example", "http://evil.example", "127.0.0.9:1"):
                    text = HTTP.get(f"{app.url}{path}", headers={name: value}).text
                    assert value not in text, (name, path)
                assert "evil.example" not in HTTP.get(f"{app.url}{path}").text


@pytest.mark.parametrize(
    ("peer", "said", "space", "link", "counted"),
    [
        ("1.2.3.4", "9.9.9.9", False, False, "1.2.3.4"),
        ("1.2.3.4", "9.9.9.9", False, True, "1.2.3.4"),
        ("127.0.0.1", "9.9.9.9", False, False, "127.0.0.1"),
        ("127.0.0.1", "6.6.6.6, 9.9.9.9", False, True, "9.9.9.9"),
        ("10.0.0.1", "6.6.6.6, 9.9.9.9", True, False, "9.9.9.9"),
        ("10.0.0.1", "", True, False, "10.0.0.1"),
        ("2001:db8::1:2:3:4", "", False, False, "2001:db8::/64"),
        ("::ffff:1.2.3.4", "", False, False, "1.2.3.4"),
        ("testclient", "", False, False, "testclient"),
    ],
)
def test_where_a_request_comes_from(peer: str, said: str, space: bool, link: bool, counted: str) -> None:
    async def there(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.client.host if request.client else "")

    middleware = [Middleware(Addresses, space=space, link=link)]
    client = TestClient(Starlette(routes=[Route("/", there)], middleware=middleware), client=(peer, 1))
    assert client.get("/", headers={"X-Forwarded-For": said} if said else {}).text == counted


def test_what_browsers_are_told(local: App, shared: App, served: App, space: App) -> None:
    for app in (local, shared, served, space):
        for path in ("/", "/config", "/gradio_api/upload", "/nothing"):
            headers = HTTP.get(f"{app.url}{path}").headers
            policy = headers["content-security-policy"]
            framed = "frame-ancestors 'self' https://huggingface.co" if app is space else "frame-ancestors 'none'"
            assert framed in policy and "default-src 'self'" in policy and "connect-src 'self' data: blob:" in policy
            assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "cookie", ["a,b=1; c", "presize_visitor=../../x", "presize_visitor=", "a/b=c", "\xff=\xfe", "=;=;"]
)
def test_odd_cookies_break_nothing(cookie: str) -> None:
    client = TestClient(dummy(Middleware(Visitors, framed=False)))
    answer = client.get("/", headers={"Cookie": cookie.encode("latin-1")})  # type: ignore[dict-item]
    assert answer.status_code == 200
    assert answer.headers["set-cookie"].startswith("presize_visitor=")


def test_a_cookie_among_odd_ones_is_kept() -> None:
    client = TestClient(dummy(Middleware(Visitors, framed=False)))
    for before in ("a/b=1; ", "a,b; ", 'x="; '):
        answer = client.get("/", headers={"Cookie": f"{before}presize_visitor={'0' * 32}"})
        assert "set-cookie" not in answer.headers, before
