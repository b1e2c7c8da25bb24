"""Where the photos are, and one drawn data set for all tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.discovery import discover

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (210, 50, 40)}


def pytest_configure(config: pytest.Config) -> None:
    """Import the plugins, and with them torch, where tests run: not where two workers are only waited for."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        discover()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Why a test was tried again."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"tried again: {report.nodeid}, {report.when}")
        terminalreporter.write_line(report.longreprtext)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with pets, tiny_pets, clothing and hostile_images."""
    folder = Path(os.environ.get("PRESIZE_TEST_DATA", "../shared/data"))
    if not folder.is_dir():
        absent = f"the photos are not at {str(folder)!r}; set PRESIZE_TEST_DATA"
        pytest.fail(absent) if os.environ.get("CI") else pytest.skip(absent)
    return folder.resolve()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny tensors gain nothing from threads, and lose much where another process has the cores."""
    import torch

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


@pytest.fixture
def forked_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """`start` forks runs off a process that has imported torch, which takes a run five seconds."""
    from tests.warm import FORKED

    monkeypatch.setattr("core.runs.start.subprocess", FORKED)


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
