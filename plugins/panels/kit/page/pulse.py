"""Whether anything has changed: browsers ask for a token, and redraw only when it is another one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from core.runs.events_file import EVENTS
from core.runs.listing import runs_in
from core.runs.run import RUN_FOLDERS
from core.runs.stop_signals import FINISH
from plugins.panels.kit.insight.insight import Insight
from plugins.panels.kit.insight.process import errands
from plugins.panels.kit.project.project import RECENT, Project

LIVE, IDLE = 2.0, 5.0  # seconds between two questions while something runs, or nothing does
WATCHED = (EVENTS, FINISH, "about.json", "hashes.json")  # files of a run on which its pages depend


def pulse(project: Project) -> dict[str, Any]:
    """A `token` that changes with everything that pages draw, and the `seconds` until it is worth asking again."""
    insight = Insight(project)
    looking, alive, parts = insight.looking, [], []
    for kind in RUN_FOLDERS:
        runs = runs_in(project.folder, kind)
        parts.append(str(len(runs)))
        for run in runs[:RECENT]:
            alive.append(run.process)
            parts.append(f"{run.name} {alive[-1]} {[_stamp(run.folder / name) for name in WATCHED]}")
    seen = insight.progress if looking else insight.version
    parts += [
        project.version,
        errands(project.folder),
        f"{looking} {seen} {project.may_examine} {_stamp(project.folder / 'discarded')}",
    ]
    token = hashlib.blake2b("\n".join(parts).encode(errors="replace"), digest_size=12).hexdigest()
    return {"token": token, "seconds": LIVE if looking or any(alive) else IDLE}


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
