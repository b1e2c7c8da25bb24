"""Batches of the drawn photos, what is trained on them once for all tests, and a Hub on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.data.block import CategoryBlock, DataBlock, ImageBlock, using_attr
from core.data.files import get_image_files
from core.data.loaders import DataLoaders
from core.recipe import Recipe
from core.registry import labellers, splitters, transforms
from core.runs.run import Run
from core.runs.train import train
from tests.hub.fixtures import hub, quick, signed_in, signed_in_by_xet, xet_hub

__all__ = ["hub", "quick", "signed_in", "signed_in_by_xet", "xet_hub"]


@pytest.fixture(scope="session")
def make_loaders(photos: Path) -> Callable[..., DataLoaders]:
    """Batches of the drawn photos; keywords are those of `DataBlock.dataloaders` and the two lists of transforms."""

    def make(item_tfms: Any = None, batch_tfms: Any = None, **options: Any) -> DataLoaders:
        block = DataBlock(
            blocks=(ImageBlock, CategoryBlock),
            get_items=get_image_files,
            splitter=splitters.create("random", seed=42),
            get_y=using_attr(labellers.create("regex"), "name"),
            item_tfms=item_tfms or transforms.create("resize", size=40),
            batch_tfms=batch_tfms,
        )
        return block.dataloaders(photos, **{"bs": 10, "device": "cpu", **options})

    return make


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of `trained`."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def trained(recipe_dict: Callable[..., dict[str, Any]], workspace: Path) -> Run:
    """A finished run of the quick recipe; tests must not change it."""
    run = Run.create(Recipe.from_dict(recipe_dict()), workspace)
    for _ in train(run):
        pass
    return run
