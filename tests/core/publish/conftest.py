"""A run with its model as ONNX."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.publish.onnx import export_onnx
from core.recipe import Recipe
from core.runs.run import Run
from core.runs.train import train


@pytest.fixture(scope="session")
def exported(recipe_dict: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of a tiny network that has a model.onnx; tests must not change it."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    tiny = {"name": "timm", "model": "test_resnet", "pretrained": False}
    run = Run.create(Recipe.from_dict(recipe_dict(architecture=tiny)), tmp_path_factory.mktemp("exported"))
    for _ in train(run):
        pass
    export_onnx(run)
    return run


@pytest.fixture
def mine(exported: Run, tmp_path: Path) -> Run:
    """A copy of `exported` to be changed."""
    return Run(Path(shutil.copytree(exported.folder, tmp_path / "w" / "runs" / "run")))
