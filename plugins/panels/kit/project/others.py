"""Whether a run was trained on other photos or labels than the draft's; every page that shows one says so."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from core.errors import BadInput
from core.model.file_names import CLASSES, read_json
from core.runs.run import Run
from plugins.panels.kit.project.naming import recipe_of
from plugins.panels.kit.project.project import Project

NAMED = 2


def others(project: Project, run: Run | None) -> str:
    """`from other photos: balloon, boat and 3 more`, for example; empty if photos and labels are those of the draft."""
    here = project.recipe
    if run is None or (here is None and not project.refused):
        return ""
    try:
        trained = recipe_of(run)
    except BadInput:  # the page of the run reports it
        return ""
    if here is None or trained.source != here.source:
        return f"from other photos{_labels(run.folder)}"
    return f"with other labels{_labels(run.folder)}" if trained.labeller != here.labeller else ""


def _labels(folder: Path) -> str:
    try:
        file = folder / CLASSES
        return _named(file, file.stat().st_mtime_ns)
    except (OSError, ValueError, TypeError):  # the run has no model yet
        return ""


@lru_cache(maxsize=64)
def _named(file: Path, changed: int) -> str:
    names = list(map(str, read_json(file)))
    more = len(names) - NAMED
    if more > 0:
        return f": {', '.join(names[:NAMED])} and {more} more"
    return f": {' and '.join(names)}" if names else ""
