"""A Hub of its own for a test, and the real client of this process set to it."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import unwrap
from pathlib import Path
from typing import Any

import pytest

from core import hub as core_hub
from tests.hub.server import Hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub without xet; the client has it as its endpoint, an empty cache and no login."""
    yield from running(Hub(), tmp_path, monkeypatch)


@pytest.fixture
def xet_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The same with xet, which the client uses where it can."""
    yield from running(Hub(xet=tmp_path / "cas"), tmp_path, monkeypatch)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client does not pause."""
    without_pauses(monkeypatch)


def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client tries again as often as ever (5 times), but at once; a Retry-After it still waits out."""
    from huggingface_hub.utils import _http, _xet

    for function in (_http.http_backoff, _http.http_stream_backoff):
        monkeypatch.setitem(unwrap(function).__kwdefaults__, "base_wait_time", 0.01)
        monkeypatch.setitem(unwrap(function).__kwdefaults__, "max_wait_time", 0.01)
    monkeypatch.setenv("HF_XET_CLIENT_RETRY_BASE_DELAY", "10ms")
    monkeypatch.setattr(_xet, "_GLOBAL_XET_HOLDER", _xet.XetSessionHolder())  # a session reads it once


def environment(hub: Hub, home: Path) -> dict[str, str]:
    """The variables with which the client of another process is set like that; it is logged in as anna."""
    known = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": hub.token}
    return known if hub.xet else {**known, "HF_HUB_DISABLE_XET": "1"}


def running(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """That Hub, and the client of this process set to it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", not hub.xet)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    try:
        yield hub
    finally:
        hub.close()


@pytest.fixture
def signed_in(quick: None, hub: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Hub without xet, for which this machine has a login; nobody waits long before a new try."""
    return _known(hub, monkeypatch)


@pytest.fixture
def signed_in_by_xet(quick: None, xet_hub: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same with xet."""
    return _known(xet_hub, monkeypatch)


def _known(hub: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setattr(core_hub, "WAITS", (0.01, 0.02, 0.03))
    return hub
