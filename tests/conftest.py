"""Where the photos are, and one drawn data set for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.discovery import discover

discover()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with pets, tiny_pets, clothing and hostile_images."""
    folder = Path(os.environ.get("PRESIZE_TEST_DATA", "../shared/data"))
    if not folder.is_dir():
        absent = f"the photos are not at {str(folder)!r}; set PRESIZE_TEST_DATA"
        pytest.fail(absent) if os.environ.get("CI") else pytest.skip(absent)
    return folder.resolve()
