"""A tiny data set that the tests draw themselves, and what is trained on it once for all of them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
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


@pytest.fixture
def small_disk() -> Iterator[Callable[[str], Path]]:
    """Mounts a disk of that size; skips where that is not allowed."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="presize-disk-"))
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
            folder.rmdir()
            pytest.skip("a small disk can only be mounted as root on Linux")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()
