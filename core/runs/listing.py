"""The runs of a workspace."""

from __future__ import annotations

import os
import time
from functools import lru_cache
from itertools import compress
from pathlib import Path

from core.runs.run import RUNS, Run

COARSE = 2 * 10**9  # nanoseconds within which a second change may not alter a folder's modification time


def runs_in(workspace: Path, kind: str = RUNS) -> list[Run]:
    """The runs of a workspace, newest first; the listing is cached until the folder changes."""
    parent = workspace / kind
    try:
        status = parent.stat()
        changed = status.st_dev, status.st_ino, status.st_mtime_ns
        is_new = time.time_ns() - status.st_mtime_ns < COARSE
        runs, others = _list(parent) if is_new else _listed(parent, changed)
    except OSError:
        return []
    if late := [run for run in others if run.is_created]:
        return sorted((*runs, *late), key=lambda run: run.folder, reverse=True)
    return list(runs)


@lru_cache(maxsize=256)
def _listed(parent: Path, changed: tuple[int, int, int]) -> tuple[list[Run], list[Run]]:
    return _list(parent)


def _list(parent: Path) -> tuple[list[Run], list[Run]]:
    """The runs in a folder, newest first, and other folders that may still become runs."""
    with os.scandir(parent) as entries:
        names = sorted((entry.name for entry in entries if not entry.name.startswith(".")), reverse=True)
    found = [Run(parent / name) for name in names]
    created = [run.is_created for run in found]
    return list(compress(found, created)), [run for run, is_one in zip(found, created, strict=True) if not is_one]
