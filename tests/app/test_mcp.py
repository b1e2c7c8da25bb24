"""`--mcp`: an AI assistant on this computer asks for predictions by the Model Context Protocol."""

from __future__ import annotations

import asyncio
import json
from ast import literal_eval
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

import app
from core.errors import BadInput
from core.runs.run import Run
from tests.app.running import answers, begin, jpeg


async def ask(url: str, *calls: tuple[str, dict[str, Any]]) -> tuple[list[str], list[tuple[bool, str]]]:
    """The names of the tools, and for each call whether it failed and what it said."""
    async with streamable_http_client(url) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        names = [tool.name for tool in (await session.list_tools()).tools]
        found = [await session.call_tool(name, values) for name, values in calls]
        return names, [(bool(a.isError), a.content[0].text) for a in found]  # type: ignore[union-attr]


def test_an_assistant_predicts_a_file_and_nothing_else(model: Run, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg())
    running = answers(begin(tmp_path / "w", ["--model", str(model.folder), "--mcp"]))
    try:
        url = f"{running.url}/gradio_api/mcp/?tools=predict_file"
        calls = [photo, Path(__file__), tmp_path / "missing.jpg", Path("photo.jpg")]
        names, said = asyncio.run(ask(url, *(("predict_file", {"path": str(path)}) for path in calls)))
    finally:
        running.end()
    assert names == ["predict_file"]
    assert [failed for failed, _ in said] == [False, True, True, True]
    found = literal_eval(said[0][1])
    assert found["label"] in json.loads((model.folder / "classes.json").read_text())
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert "cannot be read as a photo" in said[1][1] and "absolute path" in said[3][1]


def test_nobody_else_may_ask(model: Run) -> None:
    for given in (["--share"], ["--host", "0.0.0.0"], ["--auth", "anna"]):
        with pytest.raises(BadInput, match="this computer"):
            app.mode_of(app._parser().parse_args(["--model", str(model.folder), "--mcp", *given]))
