"""A run with its model as ONNX."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.publish.onnx import export_onnx
from core.runs.run import Run


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
