"""Where the photos are, and one drawn data set for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.discovery import discover

discover()
COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (210, 50, 40)}


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
