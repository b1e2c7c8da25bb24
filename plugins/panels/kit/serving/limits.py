"""Limits for each client: size of request bodies, open requests, waiting events, unfetched answers, failed logins."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plugins.panels.kit.serving.connections import closing_idle
from plugins.panels.kit.serving.uploads import UPLOAD, Disconnected

CONNECTIONS = 65_536
LOGIN = "/login"
QUEUED = ("/gradio_api/queue/join", "/gradio_api/call/")
SERVER = "/gradio_api/component_server"
REMEMBERING = (*QUEUED, SERVER)  # gradio keeps a state for each session that they name
LONGEST_SESSION = 100  # characters
LARGEST = 4_000_000  # bytes of a body that is not an upload, such as a drop of ten thousand files
LARGEST_TRUSTED = 64_000_000  # the owner may drop a hundred thousand
DENSEST = 200_000  # values in a body, each of which takes about a hundred bytes once parsed
DENSEST_TRUSTED = 2_000_000
SLOWEST_BODY = 20.0  # seconds within which a body must arrive

REQUESTS_OF_ADDRESS = 300  # open at once; a school class may share an address, with about four streams per page
EVENTS_OF_SESSION, EVENTS_OF_ADDRESS = 20, 100  # waiting, or answered but not fetched
REMEMBERED = 5_000  # events and addresses
UNFETCHED = 60.0  # seconds until an unfetched answer is dropped

FREE_FAILURES = 3  # wrong passwords until the next login is delayed
SLOWEST_LOGIN = 5.0  # seconds of delay at most
LOGINS_AT_ONCE, LOGINS_OF_ADDRESS = 100, 5
FORGOTTEN = 900.0  # seconds after which a wrong password no longer counts


def allow_many_connections() -> None:
    """Raise this process's limit of open files, if the system has one, so that idle connections do not exhaust it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = CONNECTIONS if hard == resource.RLIM_INFINITY else min(CONNECTIONS, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


class Bodies:
    """Reads each body that is not an upload in full first, within limits of size and time.

    The grid of photos takes JSON alone, and names of sessions, which gradio remembers, are short.
    """

    def __init__(self, app: ASGIApp, trusted: bool) -> None:
        self.app, self.trusted = app, trusted
        self.largest, self.densest = (LARGEST_TRUSTED, DENSEST_TRUSTED) if trusted else (LARGEST, DENSEST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests whose body is small enough and arrives in time."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] == UPLOAD:
            return await self.app(scope, receive, send)
        try:
            body = await asyncio.wait_for(self._read(receive), SLOWEST_BODY)
        except TimeoutError:
            return await PlainTextResponse("The request timed out; send it again.", 408)(scope, receive, send)
        except Disconnected:
            return
        if body is None or sum(map(body.count, (b",", b"[", b"{"))) > self.densest:
            return await PlainTextResponse("The request is too large; send less at once.", 413)(scope, receive, send)
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        if not self.trusted and scope["path"].startswith(REMEMBERING) and not _is_fine(messages[0], scope):
            return await PlainTextResponse("Send JSON, with a short session_hash.", 422)(scope, receive, send)

        async def replayed() -> Message:
            return messages.pop() if messages else await receive()

        await self.app(scope, replayed, send)

    async def _read(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            body += message.get("body", b"")
            if len(body) > self.largest:
                return None
            if not message.get("more_body", False):
                return bytes(body)


class AtOnce:
    """Refuses requests from an address that has too many open, including streams of answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.open = Counter[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and count the request while it is open."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        address = scope["client"][0]
        if self.open[address] >= REQUESTS_OF_ADDRESS:
            return await PlainTextResponse("Too many requests at once; try again.", 429)(scope, receive, send)
        with _one_more(self.open, address):
            await self.app(scope, receive, send)


class Waiting:
    """Refuses events of a client that has too many waiting or with unfetched answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.addresses: OrderedDict[str, str] = OrderedDict()  # by event
        self.entering = Counter[str]()  # by address: events that are not in the queue yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on events within the limits."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith(QUEUED):
            return await self.app(scope, receive, send)
        body = await receive()  # `Bodies` passes it on in one message
        address = scope["client"][0]
        pending: dict[str, set[str]] = scope["app"].get_blocks()._queue.pending_event_ids_session
        of_address = self.entering[address] + sum(
            self.addresses.get(event) == address for events in list(pending.values()) for event in events
        )
        of_session = len(pending.get(_text_of(body, "session_hash"), ()))
        if of_session >= EVENTS_OF_SESSION or of_address >= EVENTS_OF_ADDRESS:
            refused = PlainTextResponse("Too many of your requests are waiting; fetch their answers first.", 429)
            return await refused(scope, receive, send)
        messages = [body]

        async def replayed() -> Message:
            return messages.pop() if messages else await receive()

        async def remembered(message: Message) -> None:
            if event := _text_of(message, "event_id"):
                self.addresses[event] = address
                while len(self.addresses) > REMEMBERED:
                    self.addresses.popitem(last=False)
            await send(message)

        with _one_more(self.entering, address):
            await self.app(scope, replayed, remembered)


class Logins:
    """Delays logins from an address after several wrong passwords, by at most five seconds."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # by address: number, time of the last
        self.waiting = Counter[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, pass on, and count failures."""
        if scope["type"] != "http" or scope["path"] != LOGIN:
            return await self.app(scope, receive, send)
        address = scope["client"][0]
        if self.waiting[address] >= LOGINS_OF_ADDRESS or self.waiting.total() >= LOGINS_AT_ONCE:
            refused = PlainTextResponse("Too many logins at once; try again in a few seconds.", 429)
            return await refused(scope, receive, send)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(address, message["status"] < 400)
            await send(message)

        with _one_more(self.waiting, address):
            await asyncio.sleep(self._pause(address))
            await self.app(scope, receive, counted)

    def _pause(self, address: str) -> float:
        failures, last = self.failures.get(address, (0, 0.0))
        if time.monotonic() - last > FORGOTTEN:
            return 0.0
        return min(SLOWEST_LOGIN, 0.5 * max(0, failures - FREE_FAILURES + 1))

    def _count(self, address: str, was_right: bool) -> None:
        failures = 0 if was_right else self.failures.get(address, (0, 0.0))[0] + 1
        self.failures[address] = failures, time.monotonic()
        self.failures.move_to_end(address)
        while len(self.failures) > REMEMBERED:
            self.failures.popitem(last=False)


@contextmanager
def _one_more(counts: Counter[str], address: str) -> Iterator[None]:
    """Count one more for an address within the context."""
    counts[address] += 1
    try:
        yield
    finally:
        counts[address] -= 1
        if not counts[address]:
            del counts[address]


@asynccontextmanager
async def expiring_answers(app: Any) -> AsyncIterator[None]:
    """While the app runs, drop answers that have not been fetched for a minute, and close idle connections."""
    task = asyncio.create_task(_expire(app.get_blocks()._queue))
    try:
        async with closing_idle(app):
            yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _expire(queue: Any) -> None:
    unread: dict[str, int] = {}  # number of answers by session at the last check
    while True:
        await asyncio.sleep(UNFETCHED / 2)
        now = {session: answers.qsize() for session, answers in list(queue.pending_messages_per_session.items())}
        for session, size in now.items():
            if size and size >= unread.get(session, size + 1):  # a client that fetches leaves fewer
                queue.pending_messages_per_session.pop(session, None)
                queue.pending_event_ids_session.pop(session, None)
                await queue.clean_events(session_hash=session)
        unread = {session: size for session, size in now.items() if size}


def _is_fine(message: Message, scope: Scope) -> bool:
    """Whether the session that a request names is short, and its body no form, in which it could be hidden."""
    is_form = Headers(scope=scope).get("content-type", "").lower().startswith("multipart/")
    return not is_form and len(_text_of(message, "session_hash")) <= LONGEST_SESSION


def _text_of(message: Message, name: str) -> str:
    """The text under a name in the JSON body of a message; empty for anything else, which Gradio refuses."""
    try:
        return str(json.loads(message.get("body", b"")).get(name) or "")
    except (ValueError, AttributeError, RecursionError):
        return ""
