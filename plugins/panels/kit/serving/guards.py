"""The middleware in front of the app: known hosts, open routes, limits, visitors' cookies, and security headers."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from socket import AF_INET, AF_INET6
from typing import NamedTuple
from urllib.parse import urlsplit

import gradio as gr
import psutil
from gradio import processing_utils
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plugins.panels.kit.serving.limits import AtOnce, Bodies, Logins, Waiting
from plugins.panels.kit.serving.mode import COOKIE, TOKEN, Mode
from plugins.panels.kit.serving.uploads import Uploads

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")
UNTRUE = (b"x-forwarded-host", b"x-forwarded-prefix", b"x-gradio-server", b"forwarded")  # any client can forge these
HUB = "https://huggingface.co"


class Open(NamedTuple):
    """A Gradio route that is open, and the reason."""

    methods: str
    path: str
    reason: str


ROUTES = (
    Open("GET HEAD", "/", "the page"),
    Open("GET", "/config", "tells the page and programs which events there are; behind the login"),
    Open("GET", "/static/{path:path}", "files of gradio's package"),
    Open("GET", "/assets/{path:path}", "files of gradio's package"),
    Open("GET", "/svelte/{path:path}", "files of gradio's package"),
    Open("GET", "/favicon.ico", "the icon"),
    Open("GET", "/theme.css", "the colours"),
    Open("GET", "/manifest.json", "browsers ask for it; it names the app"),
    Open("GET", "/robots.txt", "search engines ask for it"),
    Open("GET", "/gradio_api/startup-events", "gradio calls it once when it starts; does nothing a second time"),
    Open("GET", "/gradio_api/info", "the named events, for programs; behind the login"),
    Open("POST", "/gradio_api/upload", "photos, tables and zips; behind the login, counted and bounded"),
    Open("GET", "/gradio_api/app_id", "a page that lost its connection asks whether the app was started anew"),
    Open("GET", "/gradio_api/upload_progress", "how far an upload is, by the random number the page gave it"),
    Open("POST", "/gradio_api/queue/join", "an event of the page; behind the login, bounded for each address"),
    Open("GET", "/gradio_api/queue/data", "the answers of a session, by its random name; behind the login"),
    Open("POST", "/gradio_api/call/{api_name}", "a named event of a program; behind the login, bounded as well"),
    Open("GET", "/gradio_api/call/{api_name}/{event_id}", "its answer, by a random number; behind the login"),
    Open(
        "POST",
        "/gradio_api/component_server/",
        "the grid of photos, and whether the page has news; behind the login",
    ),
    Open("POST", "/gradio_api/cancel", "ends an event, by the random names of its session and itself"),
    Open("GET", "/gradio_api/heartbeat/{session_hash}", "a page that is open, so that its state is dropped after it"),
    Open("GET HEAD", "/gradio_api/file={path_or_url:path}", "a download that an event answered with; behind the login"),
)
MCP = "/gradio_api/mcp"
WITH_MCP = (Open("GET POST", MCP + "/", "the tools of AI assistants on this computer"),)
WITH_PASSWORD = (Open("POST", "/login", "the password; slowed, the body bounded in size and time"),)
ON_A_SPACE = (
    Open("GET", "/login/huggingface", "signing in with the Hub"),
    Open("GET", "/login/callback", "the Hub's answer to that"),
    Open("GET", "/logout", "signing out: forgets the session of this browser alone"),
)


class OpenRoutes:
    """Answers only the listed routes, so that a route added by a new Gradio version is closed at first."""

    def __init__(self, app: ASGIApp, routes: Iterable[Open]) -> None:
        self.app = app
        self.routes = [(compile_path(route.path)[0], route.methods.split()) for route in routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests to open routes."""
        if scope["type"] == "http" and not self._is_open(scope):
            return await PlainTextResponse("This page does not exist.", 404)(scope, receive, send)
        if scope["type"] == "websocket":  # gradio has none
            return await send({"type": "websocket.close", "code": 1000})
        await self.app(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        return any(pattern.fullmatch(scope["path"]) and scope["method"] in methods for pattern, methods in self.routes)


class Addresses:
    """Sets the client address that limits count by: behind a known proxy, the one that the proxy reports.

    An IPv6 address is reduced to its /64 network, which is usually one household.
    """

    def __init__(self, app: ASGIApp, space: bool, link: bool) -> None:
        self.app, self.space, self.link = app, space, link

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the client's address set."""
        if scope["type"] == "http":
            address, port = scope.get("client") or ("", 0)
            if self.space or (self.link and is_loopback(address)):
                said = Headers(scope=scope).get("x-forwarded-for", "").rpartition(",")[2].strip()
                address = said or address
            scope["client"] = _household(address), port
        await self.app(scope, receive, send)


class KnownHosts:
    """Refuses requests for unknown hosts, as in DNS rebinding, and requests sent by pages of other sites.

    `hosts` may grow later.
    """

    def __init__(self, app: ASGIApp, hosts: list[str], proxied: bool) -> None:
        self.app, self.hosts, self.proxied = app, hosts, proxied

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests from and to known hosts, without headers that name other hosts."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if _place(headers.get("host", ""))[0] not in self.hosts:
                refused = PlainTextResponse("This host is unknown; open the address that the app printed.", 400)
                return await refused(scope, receive, send)
            if origin is not None and not self._is_ours(origin, headers["host"]):
                refused = PlainTextResponse(
                    "Pages of other sites may not use this app; open it at its own address.", 403
                )
                return await refused(scope, receive, send)
            scope["headers"] = [(name, value) for name, value in scope["headers"] if self._is_true(name, scope)]
        await self.app(scope, receive, send)

    def _is_ours(self, origin: str, host: str) -> bool:
        """Whether the request comes from a page of this app; the port is compared, except behind a proxy."""
        name, port = _place(origin)
        return (name, port) == _place(host) or (port is None and name in self.hosts and not is_loopback(name))

    def _is_true(self, name: bytes, scope: Scope) -> bool:
        """Whether Gradio may trust a header; it would show a host forged by one client to all others."""
        if name == b"x-forwarded-proto":
            return self.proxied or is_loopback((scope.get("client") or [""])[0])
        return name not in UNTRUE


class Visitors:
    """Sets a random cookie in every browser; in another site's frame, as on a Space, it must be partitioned."""

    def __init__(self, app: ASGIApp, framed: bool) -> None:
        self.app = app
        self.rest = "; Path=/; HttpOnly; Max-Age=2592000; " + (
            "SameSite=None; Secure; Partitioned" if framed else "SameSite=Lax"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and set a cookie if there is none."""
        if scope["type"] != "http" or scope["path"].strip("/") or _has_cookie(scope):  # only the page itself sets it
            return await self.app(scope, receive, send)

        async def given(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookie = f"{COOKIE}={secrets.token_hex(16)}{self.rest}".encode()
                message["headers"] = [*message["headers"], (b"set-cookie", cookie)]
            await send(message)

        await self.app(scope, receive, given)


class SafeHeaders:
    """Sets headers that keep the page from loading anything from elsewhere, and from being framed except by the Hub."""

    def __init__(self, app: ASGIApp, framed: bool) -> None:
        self.app = app
        self.policy = "; ".join(
            (
                "default-src 'self'",
                "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # gradio's page needs inline scripts
                "style-src 'self' 'unsafe-inline'",
                "img-src 'self' data: blob:",
                "media-src 'self' data: blob:",
                "font-src 'self' data:",
                "connect-src 'self' data: blob:",
                "worker-src 'self' blob:",
                "object-src 'none'",
                "base-uri 'self'",
                f"form-action 'self' {HUB}" if framed else "form-action 'self'",
                f"frame-ancestors 'self' {HUB}" if framed else "frame-ancestors 'none'",
            )
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and set the headers of the response."""

        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self.policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
            await send(message)

        await self.app(scope, receive, safe)


def guards(mode: Mode, hosts: list[str], logins: bool) -> list[Middleware]:
    """The list of middleware for a mode; `hosts` may grow while the app runs."""
    on_a_space = mode.kind == "space"
    routes = ROUTES + WITH_MCP * mode.mcp + WITH_PASSWORD * logins + ON_A_SPACE * mode.signs_in
    found = [
        Middleware(SafeHeaders, framed=on_a_space),
        Middleware(KnownHosts, hosts=hosts, proxied=on_a_space),
        Middleware(Addresses, space=on_a_space, link=mode.link),
        Middleware(OpenRoutes, routes=routes),
        *([] if mode.local else [Middleware(AtOnce)]),
        Middleware(Bodies, trusted=mode.local),
        Middleware(Uploads, limit=mode.uploads_limit),
    ]
    if logins:
        found.append(Middleware(Logins))
    if not mode.local:
        found.append(Middleware(Waiting))
        if not mode.model:
            found.append(Middleware(Visitors, framed=on_a_space))
    return found


def fetch_nothing() -> None:
    """Keep Gradio from downloading URLs that clients send, which it would read into memory whatever their size."""

    async def refuse(url: str, cache_dir: str) -> str:
        raise gr.Error("URLs are not downloaded here; upload the file itself.", print_exception=False)

    # all of its components download with this function; there is no setting
    processing_utils.async_ssrf_protected_download = refuse


def known_hosts(*given: str) -> list[str]:
    """Loopback and the given hosts or addresses, where 0.0.0.0 and :: stand for all addresses of this machine."""
    hosts = list(LOOPBACK)
    for host in filter(None, map(str.strip, given)):
        if host in EVERYWHERE:  # addresses only: unlike names, they cannot be rebound
            found = (a for addresses in psutil.net_if_addrs().values() for a in addresses)
            hosts += [a.address.split("%")[0] for a in found if a.family in (AF_INET, AF_INET6)]
        else:
            hosts.append(_place(f"[{host}]" if host.count(":") > 1 and "/" not in host else host)[0])
    return [host for host in hosts if host]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name may resolve to any address
        return False


def _household(address: str) -> str:
    try:
        number = ip_address(address)
    except ValueError:
        return address
    number = getattr(number, "ipv4_mapped", None) or number
    return str(number) if number.version == 4 else str(ip_network((int(number) >> 64 << 64, 64)))


def _place(host: str) -> tuple[str, int | None]:
    """Host name ("" if missing) and port (None if default) of `host:port` or of a URL."""
    try:
        parts = urlsplit(host if "://" in host else f"//{host}")
        usual = {"http": (80,), "https": (443,)}.get(parts.scheme, (80, 443))
        return parts.hostname or "", None if parts.port in usual else parts.port
    except ValueError:
        return "", None


def _has_cookie(scope: Scope) -> bool:
    return TOKEN.fullmatch(Request(scope).cookies.get(COOKIE, "")) is not None
