"""A Hugging Face Hub on 127.0.0.1 that the real client talks to, with faults where a test wants them."""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.routing import Match

from tests.hub.calls import router
from tests.hub.jobs import Jobs
from tests.hub.jobs import router as jobs
from tests.hub.state import Repo, User, XetFolder

ROUTES = [route for route in (*jobs.routes, *router.routes) if isinstance(route, APIRoute)]
CALLS = frozenset(route.name for route in ROUTES)
UNKNOWN = "unknown"
DROPPED = 0


@dataclass(frozen=True)
class Call:
    """A request and the status of its answer, 0 where the connection was dropped."""

    name: str
    method: str
    path: str
    status: int
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body)


@dataclass
class Fault:
    """What happens to the next `times` calls of a name: before the Hub did what was asked, or after."""

    name: str
    status: int | Literal["drop"]
    times: int
    headers: Mapping[str, str]
    when: Literal["before", "after"]
    json: Mapping[str, Any]


class Hub:
    """A Hub for who holds one of its tokens; with a `xet` folder it offers that storage too."""

    token = "hf_of_anna"
    reader_token = "hf_of_anna_to_read"
    poor_token = "hf_of_paul"
    other_token = "hf_of_zoe"

    def __init__(self, xet: Path | None = None) -> None:
        self.users = {
            self.token: User("anna"),
            self.reader_token: User("anna", role="read"),
            self.poor_token: User("paul", pro=False),
            self.other_token: User("zoe"),
        }
        self.repos: dict[tuple[str, str], Repo] = {}
        self.jobs = Jobs(self)
        self.calls: list[Call] = []
        self.xet = XetFolder(xet) if xet else None
        self._faults: list[Fault] = []
        self._app = FastAPI(openapi_url=None, redirect_slashes=False)
        self._app.state.hub = self
        self._app.include_router(jobs)
        self._app.include_router(router)
        self._app.add_exception_handler(HTTPException, _as_the_hub_says)
        # with its protocol named asyncio does not wait for the client between the head of an answer and its body
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self._serve, interface="asgi3", loop="asyncio", http="h11", lifespan="off", log_config=None
        )
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more, and end all jobs."""
        self.jobs.close()
        self._server.should_exit = True
        self._thread.join()

    def fail(
        self,
        call: str,
        status: int | Literal["drop"] = 503,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        when: Literal["before", "after"] = "before",
        json: Mapping[str, Any] | None = None,
    ) -> None:
        """Answer the next `times` calls of a name with `status`, or "drop" the connection without an answer.

        "after" does what was asked first, so that only the answer is lost. Raises ValueError for an unknown name.
        """
        if call not in CALLS:
            raise ValueError(f"There is no call {call!r}; there are {', '.join(sorted(CALLS))}.")
        self._faults.append(Fault(call, status, times, headers or {}, when, json or {"error": "injected"}))

    def forgive(self) -> None:
        """Let nothing fail any more."""
        self._faults.clear()

    def named(self, name: str) -> list[Call]:
        """The calls of a name so far."""
        return [call for call in self.calls if call.name == name]

    def sent(self) -> bytes:
        """Everything that anybody sent: addresses, headers but Authorization, bodies, and what base64 hides in them.

        The files in the xet storage too, committed or not.
        """
        found = []
        for call in self.calls:
            headers = [b"%s: %s" % header for header in call.headers if header[0].lower() != b"authorization"]
            hidden = re.findall(rb'"(?:content|sample)": ?"([A-Za-z0-9+/=]*)"', call.body)
            found += [call.path.encode(), *headers, call.body, *map(base64.b64decode, hidden)]
        if self.xet:
            found += [self.xet.read(stored) for stored in self.xet]
        return b"\n".join(found)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        name = next((r.name for r in ROUTES if r.matches(scope)[0] is Match.FULL), UNKNOWN)
        fault = next((f for f in self._faults if f.name == name and f.times), None)
        answer = await self._answered(self._app, scope, body) if not fault or fault.when == "after" else []
        if fault:
            fault.times -= 1
            wrong = JSONResponse(fault.json, 200 if fault.status == "drop" else fault.status, dict(fault.headers))
            answer = [] if fault.status == "drop" else await self._answered(wrong, scope, body)
        path = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        status = answer[0]["status"] if answer else DROPPED
        self.calls.append(Call(name, scope["method"], path.decode(), status, tuple(scope["headers"]), body))
        for message in answer:
            await send(message)
        if not answer:
            send.__self__.transport.abort()  # ASGI has no word for it; this is uvicorn's
            await receive()

    async def _answered(self, app: Any, scope: Any, body: bytes) -> list[Any]:
        """All that an application would send."""
        messages: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            messages.append(message)

        await app(scope, receive, send)
        return messages


async def _as_the_hub_says(request: Request, error: Any) -> JSONResponse:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)
