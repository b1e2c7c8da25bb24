"""fastai's `verify_images`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from core.data import photo
from core.data.files import Files
from core.data.photo import BadPhoto
from core.data.threads import photo_threads


def verify_images(fns: Iterable[Path | str]) -> Files:
    """The files that cannot be read as photos; each is decoded completely."""
    files = Files.of(fns)
    with photo_threads(min(8, os.cpu_count() or 1)) as pool:
        return files.take([i for i, good in enumerate(pool.map(_is_readable, files)) if not good])


def _is_readable(file: Path) -> bool:
    try:
        photo.load(file)
    except BadPhoto:
        return False
    return True
