"""Runs that were deleted on a page: the last one can be had back until the next is deleted, or room is needed."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.atomic import disk_error, make_folder
from core.errors import BadInput
from core.runs.run import RUNS, Run

FOLDER = "discarded"


def discard(run: Run) -> None:
    """Take a run out of its workspace; raises BadInput while it has a process."""
    workspace = run.workspace
    empty(workspace)
    try:
        make_folder(workspace / FOLDER)
    except OSError as error:
        raise disk_error(workspace / FOLDER, error) from error
    run.move(workspace / FOLDER / run.name)


def discarded(workspace: Path) -> Run | None:
    """The run that was deleted last, if it can be had back."""
    try:
        found = next((workspace / FOLDER).iterdir(), None)
    except OSError:
        return None
    return Run(found) if found else None


def restore(workspace: Path) -> Run:
    """Put the run that was deleted last back; raises BadInput if it is gone for good."""
    if (run := discarded(workspace)) is None:
        raise BadInput("This run is gone for good: another was deleted after it, or its room was needed.")
    back = Run(workspace / RUNS / run.name)
    try:
        run.folder.rename(back.folder)
    except OSError as error:
        raise disk_error(back.folder, error) from error
    return back


def empty(workspace: Path) -> None:
    """Delete discarded runs for good."""
    shutil.rmtree(workspace / FOLDER, ignore_errors=True)
