"""A run that trains another's model further: it begins with its weights, on its photos, and names it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core.errors import BadInput
from core.events import EpochEnded, RunResumed
from core.recipe import Recipe
from core.runs.longer import create_longer, parent_of
from core.runs.run import Run
from core.runs.train import train

MakeRecipe = Callable[..., dict[str, Any]]
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}


@pytest.fixture
def parent(recipe_dict: MakeRecipe, photos: Path, tmp_path: Path) -> Run:
    """A run of three epochs on photos of its own."""
    options = {"epochs": 3, "freeze_epochs": 0, "base_lr": 0.02, "best_by": "last"}
    source = {"name": "folder", "path": str(shutil.copytree(photos, tmp_path / "own"))}
    run = Run.create(Recipe.from_dict(recipe_dict(options, architecture=TINY, source=source)), tmp_path)
    list(train(run))
    return run


def learned(run: Run) -> dict[str, torch.Tensor]:
    """The weights of a run's model, without the statistics of its norm layers."""
    return {k: v for k, v in load_file(run.folder / "model.safetensors").items() if ".running_" not in k and v.ndim}


def test_it_begins_with_the_model_and_the_photos_of_its_parent(parent: Run) -> None:
    run = create_longer(parent, 2)
    assert run.folder.parent == parent.folder.parent and parent_of(run) == parent
    assert parent_of(parent) is None
    assert (run.recipe.training.epochs, run.recipe.training.freeze_epochs) == (2, 0)
    slow = run.recipe.with_settings(["training.base_lr=1e-7"])  # which changes almost nothing
    run.write("recipe.json", slow.to_json())
    events = list(train(run))
    assert not any(isinstance(e, RunResumed) for e in events)
    assert sum(isinstance(e, EpochEnded) for e in events) == 2
    assert run.read("splits.json") == parent.read("splits.json")
    torch.testing.assert_close(learned(run), learned(parent), atol=1e-4, rtol=0)
    assert f"the model of the run `{parent.name}`" in run.read("README.md")


def test_photos_that_have_changed_are_not_mixed(parent: Run) -> None:
    run = create_longer(parent, 1)
    next(Path(run.recipe.source["path"]).glob("*.jpg")).unlink()
    with pytest.raises(BadInput, match="have changed"):
        list(train(run))
    assert not any(isinstance(e, EpochEnded) for e in run.events())


def test_what_cannot_be_trained_longer_says_why(parent: Run, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="0 more epochs"):
        create_longer(parent, 0)
    with pytest.raises(BadInput, match="no model"):
        create_longer(Run.create(parent.recipe, tmp_path), 1)
