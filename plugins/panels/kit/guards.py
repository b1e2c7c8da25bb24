"""What stands before the app: known hosts and pages, room on the disk, slow wrong logins, a cookie for each visitor."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6
from urllib.parse import urlsplit

import psutil
from gradio.utils import get_upload_folder
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plugins.panels.kit.mode import COOKIE, TOKEN

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")
SLOWEST = 10.0  # seconds
SPARE = 2**28  # bytes of the disk that uploads leave


class KnownHosts:
    """Refuses a request for any other host, as DNS rebinding makes them, and one that the page of another site sends.

    `hosts` may grow later.
    """

    def __init__(self, app: ASGIApp, hosts: list[str]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes from and goes to a known host."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if _name(headers.get("host", "")) not in self.hosts:
                refused = PlainTextResponse("This host is not known here; open the address that the app printed.", 400)
                return await refused(scope, receive, send)
            if origin is not None and _name(origin) not in self.hosts:
                refused = PlainTextResponse("The page of another site may not use this app.", 403)
                return await refused(scope, receive, send)
        await self.app(scope, receive, send)


class Room:
    """Refuses uploads while the disk has no room for them; nobody's photos may fill it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what fits."""
        if _is_post(scope, "/upload"):
            size = Headers(scope=scope).get("content-length", "")
            disk = shutil.disk_usage(Path(get_upload_folder()).parent)
            if disk.free < SPARE + (int(size) if size.isdecimal() else 0):
                refused = PlainTextResponse("The disk has too little room for this file; make some.", 413)
                return await refused(scope, receive, send)
        await self.app(scope, receive, send)


class SlowLogins:
    """After a wrong password every login waits, the longer the more there were, one after the other."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.failures = 0
        self.turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, pass on, and count."""
        if not _is_post(scope, "/login"):
            return await self.app(scope, receive, send)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.failures = 0 if message["status"] < 400 else self.failures + 1
            await send(message)

        async with self.turn:
            await asyncio.sleep(min(SLOWEST, 0.5 * self.failures))
            await self.app(scope, receive, counted)


class Visitors:
    """Gives every browser a random cookie; inside another site's frame, as on a Space, it must be partitioned."""

    def __init__(self, app: ASGIApp, framed: bool) -> None:
        self.app = app
        self.rest = "; Path=/; HttpOnly; Max-Age=2592000; " + (
            "SameSite=None; Secure; Partitioned" if framed else "SameSite=Lax"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with a cookie where there is none."""
        if scope["type"] != "http" or scope["path"].strip("/") or _has_cookie(scope):  # the page comes first and alone
            return await self.app(scope, receive, send)

        async def given(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookie = f"{COOKIE}={secrets.token_hex(16)}{self.rest}".encode()
                message["headers"] = [*message["headers"], (b"set-cookie", cookie)]
            await send(message)

        await self.app(scope, receive, given)


def guards(hosts: list[str], logins: bool, visitors: bool, framed: bool) -> list[Middleware]:
    """The middleware for an app; `hosts` may get more members while it runs."""
    found = [Middleware(KnownHosts, hosts=hosts), Middleware(Room)]
    if logins:
        found.append(Middleware(SlowLogins))
    if visitors:
        found.append(Middleware(Visitors, framed=framed))
    return found


def known_hosts(*given: str) -> list[str]:
    """Loopback and the given hosts or addresses; for one that means every address of this machine, its addresses."""
    hosts = list(LOOPBACK)
    for host in filter(None, map(str.strip, given)):
        if host in EVERYWHERE:  # no name: an address cannot be rebound
            found = (a for addresses in psutil.net_if_addrs().values() for a in addresses)
            hosts += [a.address.split("%")[0] for a in found if a.family in (AF_INET, AF_INET6)]
        else:
            hosts.append(_name(f"[{host}]" if host.count(":") > 1 and "/" not in host else host))
    return [host for host in hosts if host]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what is served at that address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name, which may lead anywhere
        return False


def _name(host: str) -> str:
    """The host alone, of `host:port` or of an address with a scheme; empty where there is none."""
    try:
        return urlsplit(host if "://" in host else f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_post(scope: Scope, end: str) -> bool:
    path: str = scope.get("path", "")
    return scope["type"] == "http" and scope["method"] == "POST" and path.rstrip("/").endswith(end)


def _has_cookie(scope: Scope) -> bool:
    return TOKEN.fullmatch(Request(scope).cookies.get(COOKIE, "")) is not None
