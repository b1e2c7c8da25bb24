"""Who connects and says nothing is not kept, who waits for an answer is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn import Config, Server

from plugins.panels.kit.serving import connections

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"


def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE", 0.05)
    release = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def everything() -> None:
        server = Server(Config(slow, port=0, lifespan="off", log_level="error", timeout_keep_alive=99))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        closing = asyncio.create_task(connections.close_idle(server))
        port = server.servers[0].sockets[0].getsockname()[1]
        silent, half, waits = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        half[1].write(HEAD)
        waits[1].write(HEAD + b"\r\n")
        assert await silent[0].read() == await half[0].read() == b""
        release.set()
        assert (await waits[0].read()).endswith(b"ok"), "it is closed too, after its answer"
        closing.cancel()
        server.should_exit = True
        await serving

    asyncio.run(asyncio.wait_for(everything(), 30))
