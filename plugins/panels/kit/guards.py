"""What stands before the app: only known hosts, slow wrong logins, a cookie that tells visitors apart."""

from __future__ import annotations

import asyncio
import secrets
from http.cookies import SimpleCookie
from socket import AF_INET
from typing import Any

import psutil
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plugins.panels.kit.mode import COOKIE, TOKEN

LOOPBACK = ("127.0.0.1", "localhost")
EVERYWHERE = ("0.0.0.0", "::")
SLOWEST = 10.0  # seconds


class KnownHosts(TrustedHostMiddleware):
    """Refuses a request for any other host, as DNS rebinding makes them; the list may grow later."""

    def __init__(self, app: ASGIApp, hosts: list[str]) -> None:
        super().__init__(app, allowed_hosts=hosts)
        self.allowed_hosts = hosts


class SlowLogins:
    """After a wrong password every login waits, the longer the more there were, one after the other."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.failures = 0
        self.turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, pass on, and count."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].rstrip("/").endswith("/login"):
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


def _has_cookie(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"cookie":
            known: Any = SimpleCookie(value.decode("latin-1"))
            if COOKIE in known and TOKEN.fullmatch(known[COOKIE].value):
                return True
    return False


def guards(hosts: list[str], logins: bool, visitors: bool, framed: bool) -> list[Middleware]:
    """The middleware for an app; `hosts` may get more members while it runs."""
    found = [Middleware(KnownHosts, hosts=hosts)]
    if logins:
        found.append(Middleware(SlowLogins))
    if visitors:
        found.append(Middleware(Visitors, framed=framed))
    return found


def known_hosts(*given: str) -> list[str]:
    """Loopback and the given hosts; for one that means every address of this machine, its addresses."""
    hosts = list(LOOPBACK)
    for host in filter(None, given):
        if host in EVERYWHERE:  # no name: an address cannot be rebound
            hosts += [a.address for found in psutil.net_if_addrs().values() for a in found if a.family == AF_INET]
        else:
            hosts.append(host.split("://")[-1].split("/")[0].split(":")[0].lower())
    return hosts
