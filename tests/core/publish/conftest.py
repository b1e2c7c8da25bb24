"""A Hub on this machine, which the real client talks to as anna, and a run with its model as ONNX."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from core.publish import refusals
from core.publish.onnx import export_onnx
from core.runs.run import Run
from tests.hub.fixtures import hub, quick, xet_hub

__all__ = ["hub", "quick", "signed_in", "signed_in_by_xet", "xet_hub"]


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
    monkeypatch.setattr(refusals, "WAITS", (0.01, 0.02, 0.03))
    return hub


@pytest.fixture(scope="session")
def exported(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy of `trained` that has a model.onnx; tests must not change it."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("exported") / "runs" / "run"
    run = Run(Path(shutil.copytree(trained.folder, folder)))
    export_onnx(run)
    return run


@pytest.fixture
def mine(exported: Run, tmp_path: Path) -> Run:
    """A copy of `exported` to be changed."""
    return Run(Path(shutil.copytree(exported.folder, tmp_path / "w" / "runs" / "run")))
