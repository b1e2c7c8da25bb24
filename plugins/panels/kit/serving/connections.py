"""Idle connections are closed, since each occupies one of the files that the app may open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from uvicorn import Server

IDLE = 10.0  # seconds without a request after which a connection is closed, or up to twice as many


@asynccontextmanager
async def closing_idle(app: Any) -> AsyncIterator[None]:
    """While the app of Gradio runs, close connections that send no request."""
    task = asyncio.create_task(_close(app))
    try:
        yield
    finally:
        task.cancel()


async def _close(app: Any) -> None:
    while not isinstance(server := getattr(app.get_blocks(), "server", None), Server):
        await asyncio.sleep(IDLE)
    await close_idle(server)


async def close_idle(server: Server) -> None:
    """Close the connections of a server whose request, at two looks in a row, is the same and answered, or none."""
    before: dict[Any, Any] = {}
    while True:
        await asyncio.sleep(IDLE)
        http = [c for c in server.server_state.connections if hasattr(c, "cycle")]
        now = {c: c.cycle for c in http if c.cycle is None or c.cycle.response_complete}
        for connection, cycle in now.items():
            if connection in before and before[connection] is cycle:
                connection.transport.close()
        before = now
