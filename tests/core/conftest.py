"""A tiny data set that the tests draw themselves, and what is trained on it once for all of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.block import CategoryBlock, DataBlock, ImageBlock, using_attr
from core.data.files import get_image_files
from core.data.loaders import DataLoaders
from core.recipe import Recipe
from core.registry import labellers, splitters, transforms
from core.runs.run import Run
from core.runs.train import train

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (210, 50, 40)}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny tensors gain nothing from threads, and lose much where another process has the cores."""
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def draw_photos() -> Callable[..., Path]:
    """Draws `count` noisy photos of each colour, of various shapes, as FOLDER/red_1.jpg."""

    def draw(folder: Path, count: int = 8, seed: int = 0, colours: tuple[str, ...] = tuple(COLOURS)) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        for name in colours:
            for i in range(1, count + 1):
                height, width = rng.integers(44, 90, 2)
                ramp = np.linspace(0.5, 1, width)[None, :, None]
                pixels = ramp * np.array(COLOURS[name]) + rng.normal(0, 25, (height, width, 3))
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{name}_{i}.jpg", quality=90)
        return folder

    return draw


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory, draw_photos: Callable[..., Path]) -> Path:
    """24 photos: 8 each of blue, green and red."""
    return draw_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def make_loaders(photos: Path) -> Callable[..., DataLoaders]:
    """Batches of the drawn photos; keywords are those of `DataBlock.dataloaders` and the two lists of transforms."""

    def make(item_tfms: Any = None, batch_tfms: Any = None, **knobs: Any) -> DataLoaders:
        block = DataBlock(
            blocks=(ImageBlock, CategoryBlock),
            get_items=get_image_files,
            splitter=splitters.create("random", seed=42),
            get_y=using_attr(labellers.create("regex"), "name"),
            item_tfms=item_tfms or transforms.create("resize", size=40),
            batch_tfms=batch_tfms,
        )
        return block.dataloaders(photos, **{"bs": 10, "device": "cpu", **knobs})

    return make


@pytest.fixture(scope="session")
def recipe_dict(photos: Path) -> Callable[..., dict[str, Any]]:
    """A recipe's document on the drawn photos, quick to train; keywords replace its keys, `training` is merged."""

    def make(training: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
        quick = {"epochs": 1, "freeze_epochs": 1, "batch_size": 10, "base_lr": 0.01}
        return {
            "version": 1,
            "source": {"name": "folder", "path": str(photos)},
            "labeller": {"name": "regex"},
            "splitter": {"name": "random", "seed": 42},
            "item_tfms": [{"name": "resize", "size": 40}],
            "batch_tfms": [{"name": "aug_transforms", "size": 32, "min_scale": 0.75}],
            "architecture": {"name": "efficientnet_lite0"},
            "training": quick | (training or {}),
            **keys,
        }

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
