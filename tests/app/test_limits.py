"""One client takes no more than its share, and makes nobody else wait."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import httpx
import psutil
import pytest

from plugins.panels.kit.serving import limits
from plugins.panels.kit.serving.limits import AtOnce, Bodies, Logins, Waiting
from tests.app.running import PASSWORD, USER, App, jpeg
from tests.matrix import thinned


def memory(app: App) -> int:
    """Bytes that an app holds."""
    return int(psutil.Process(app.process.pid).memory_info().rss)


BODIES = {"wide": b"[" + b"[]," * 9_000_000 + b"[]]", "deep": b"[" * 30_000_000, "text": b'"' + b"x" * 30_000_000}
PATHS = ("queue/join", "call/predict", "cancel")


@pytest.mark.parametrize(
    ("path", "kind"), thinned(product(PATHS, BODIES), tuple(zip(PATHS, BODIES, strict=True)).__contains__, "-".join)
)
def test_a_large_body_is_refused_unread(served: App, path: str, kind: str) -> None:
    before = memory(served)
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{served.url}/gradio_api/{path}", content=BODIES[kind], headers=headers, timeout=60)
    assert (answer.status_code, "send less" in answer.text) == (413, True)
    assert memory(served) - before < 500_000_000, "it takes two gigabytes once it is read"
    assert served.visitor().predict(jpeg()).error is None


def test_a_dense_or_deep_body_is_refused(served: App) -> None:
    for body, status in (
        (b'{"data": [' + b"0," * 250_000 + b"0]}", 413),
        (b"[" * 100_000, 422),
        (b"{", 422),
        (b"\xff", 400),
    ):
        headers = {"Content-Type": "application/json"}
        answer = httpx.post(f"{served.url}/gradio_api/queue/join", content=body, headers=headers)
        assert 400 <= answer.status_code < 500 and (answer.status_code == 413) == (status == 413), body[:20]


def test_the_owner_may_drop_many_files(local: App) -> None:
    files = [{"path": f"/x/{i}.jpg", "rel": f"folder/{i}.jpg"} for i in range(100_000)]
    answer = local.visitor().do("data-drop", "upload", {"files": files})
    assert "not in the cache folder" in answer.said or "was not uploaded here" in answer.said


def test_an_unfinished_login_blocks_nobody(shared: App) -> None:
    with socket.create_connection(("127.0.0.1", shared.port)) as half:
        half.sendall(
            f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{shared.port}\r\nContent-Length: 99\r\n\r\nuser".encode()
        )
        assert shared.visitor().http.get("/config").status_code == 200


def test_wrong_passwords_do_not_lock_the_right_one_out(shared: App) -> None:
    def login(password: str | bytes) -> int:
        data = {"username": USER, "password": password}
        return httpx.post(f"{shared.url}/login", data=data, timeout=60).status_code

    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(login, ["wrong"] * 9 + [b"\xff\xfe", "", "x" * 1000]))
    assert all(400 <= status < 500 for status in statuses)
    assert login(PASSWORD) == 200


class Played:
    """A middleware around an app that answers at once, with the seconds that it let it wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int = 400) -> None:
        self.status, self.pauses = status, list[float]()
        monkeypatch.setattr(limits.asyncio, "sleep", self._sleep)
        self.logins = Logins(self._answer)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": self.status})

    async def login(self, address: str) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/login", "headers": [], "client": (address, 1)}
        await self.logins(scope, None, send)  # type: ignore[arg-type]
        return int(sent[0]["status"])


def test_each_address_waits_for_its_own_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(monkeypatch)
    for _ in range(20):
        asyncio.run(played.login("1.1.1.1"))
    assert played.pauses[:5] == [0, 0, 0, 0.5, 1.0] and played.pauses[-1] == limits.SLOWEST_LOGIN
    asyncio.run(played.login("2.2.2.2"))
    assert played.pauses[-1] == 0
    played.status = 200
    asyncio.run(played.login("1.1.1.1"))
    asyncio.run(played.login("1.1.1.1"))
    assert played.pauses[-1] == 0
    assert not played.logins.waiting


def test_few_logins_of_an_address_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(monkeypatch)

    async def all_at_once() -> list[int]:
        release = asyncio.Event()

        async def wait(seconds: float) -> None:
            await release.wait()

        monkeypatch.setattr(limits.asyncio, "sleep", wait)
        tasks = [asyncio.create_task(played.login("1.1.1.1")) for _ in range(9)]
        other = asyncio.create_task(played.login("2.2.2.2"))
        while sum(task.done() for task in tasks) < 9 - limits.LOGINS_OF_ADDRESS:
            await asyncio.wait({asyncio.create_task(asyncio.Event().wait())}, timeout=0.01)
        release.set()
        assert await other == 400
        return [await task for task in tasks]

    statuses = asyncio.run(all_at_once())
    assert statuses.count(429) == 9 - limits.LOGINS_OF_ADDRESS


def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SLOWEST_BODY", 0.05)
    sent: list[Any] = []

    async def nothing_more() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    async def never(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it was passed on")

    scope = {"type": "http", "method": "POST", "path": "/login", "headers": []}
    asyncio.run(Bodies(never, trusted=False)(scope, nothing_more, send))
    assert sent[0]["status"] == 408


def test_an_address_has_so_many_requests_open() -> None:
    async def all_at_once() -> list[int]:
        release, statuses = asyncio.Event(), list[int]()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await release.wait()
            await send({"type": "http.response.start", "status": 200})

        async def send(message: Any) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        guard = AtOnce(app)
        addresses = ["1.1.1.1"] * (limits.REQUESTS_OF_ADDRESS + 3) + ["2.2.2.2"]
        scopes = [{"type": "http", "headers": [], "client": (address, 1)} for address in addresses]
        tasks = [asyncio.create_task(guard(scope, None, send)) for scope in scopes]  # type: ignore[arg-type]
        while len(statuses) < 3:
            await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*tasks)
        assert not guard.open
        return statuses

    statuses = asyncio.run(all_at_once())
    assert statuses.count(429) == 3 and statuses.count(200) == limits.REQUESTS_OF_ADDRESS + 1


class Queue:
    """What `Waiting` knows of gradio's queue."""

    def __init__(self) -> None:
        self.pending_event_ids_session: dict[str, set[str]] = defaultdict(set)
        self._queue = self

    def get_blocks(self) -> Queue:
        return self


def test_one_client_does_not_fill_the_queue() -> None:
    queue, count = Queue(), 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal count
        count += 1
        session = json.loads((await receive())["body"]).get("session_hash") or f"event {count}"
        queue.pending_event_ids_session[session].add(f"event {count}")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": json.dumps({"event_id": f"event {count}"}).encode()})

    guard = Waiting(app)

    def ask(session: str, address: str, path: str = "/gradio_api/queue/join") -> int:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps({"session_hash": session}).encode()}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "headers": [], "client": (address, 1), "app": queue}
        asyncio.run(guard(scope, receive, send))
        return int(sent[0]["status"])

    asked = [ask("a", "1.1.1.1") for _ in range(limits.EVENTS_OF_SESSION + 1)]
    assert asked[-2:] == [200, 429]
    asked = [ask("", "1.1.1.1", "/gradio_api/call/predict") for _ in range(limits.EVENTS_OF_ADDRESS)]
    assert asked.count(200) == limits.EVENTS_OF_ADDRESS - limits.EVENTS_OF_SESSION and asked[-1] == 429
    assert ask("b", "2.2.2.2") == 200
    queue.pending_event_ids_session.clear()  # all was fetched
    assert ask("a", "1.1.1.1") == 200


def test_a_flood_of_events_leaves_room_for_others(served: App) -> None:
    """From one address, so it counts as one client; another address is still answered."""
    visitor = served.visitor()
    event = next(d for d in visitor.config["dependencies"] if d["api_name"] == "predict")
    statuses = []
    for i in range(limits.EVENTS_OF_ADDRESS + 60):
        body = {"fn_index": event["id"], "data": [None, ""], "session_hash": f"flood{i}"}
        statuses.append(visitor.http.post("/gradio_api/queue/join", json=body).status_code)
    assert statuses.count(429) >= 60 and statuses.count(200) <= limits.EVENTS_OF_ADDRESS
    for i in range(limits.EVENTS_OF_ADDRESS):  # fetch the answers, so that the next test may ask
        with visitor.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": f"flood{i}"}) as stream:
            for _ in stream.iter_lines():
                pass
    assert served.visitor().predict(jpeg()).error is None


class Answers:
    """A session's answers."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = list(sizes)

    def qsize(self) -> int:
        return self.sizes.pop(0) if len(self.sizes) > 1 else self.sizes[0]


def test_answers_that_nobody_fetches_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    class Messages:
        def __init__(self) -> None:
            answers = {"gone": Answers(1), "fetched": Answers(1, 0, 3, 0), "none": Answers(0)}
            self.pending_messages_per_session = answers
            self.pending_event_ids_session = {"gone": {"x"}, "fetched": {"y"}}
            self.cleaned: list[str] = []

        async def clean_events(self, session_hash: str) -> None:
            self.cleaned.append(session_hash)

    queue = Messages()
    looks = 0

    async def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks > 4:
            raise asyncio.CancelledError

    monkeypatch.setattr(limits.asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(limits._expire(queue))
    assert queue.cleaned == ["gone"]
    assert set(queue.pending_messages_per_session) == {"fetched", "none"}
    assert set(queue.pending_event_ids_session) == {"fetched"}


@pytest.mark.parametrize("name", ["predict", "predict_many"])
def test_no_address_is_fetched(served: App, local: App, name: str) -> None:
    for app in (served, local):
        for url in ("http://93.184.216.34/a.jpg", "https://localhost/a.jpg", "HTTP://1.1.1.1/"):
            file = {"path": url, "meta": {"_type": "gradio.FileData"}}
            answer = app.visitor().api(name, [file] if name == "predict_many" else file, "")
            assert answer.values.get("answer") is None and answer.error, url
    assert "93.184" not in served.log.read_text()
