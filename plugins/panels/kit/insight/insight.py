"""What the frozen backbone knows of a project's photos: found by a process of its own, shown by pages."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from core.atomic import write_atomic
from core.lock import holder
from plugins.panels.kit.insight.look import ASKED, LOCK, PROGRESS, RESULT, answer_about
from plugins.panels.kit.insight.process import begin
from plugins.panels.kit.project.labels import LEFT_OUT, RIGHT, Photos, listed, photos_of
from plugins.panels.kit.project.project import Project

FOLDER = "insight"  # of a workspace
LOG = "log.txt"
MOST_PHOTOS, MOST_JUDGED = 50_000, 20_000_000  # of a stranger: photos, and probabilities (photos x labels)
LONGEST = 1200.0  # seconds for which a stranger's photos are looked at
REMEMBERED = 1000  # folders

_starting = Lock()
_processes: dict[Path, subprocess.Popen[bytes]] = {}  # those that may be at work
_asked: dict[Path, tuple[str, tuple[int, ...]]] = {}  # what each was asked about, which is not asked twice


class Insight:
    """The findings about a project's photos; `look` starts the process that finds them."""

    def __init__(self, project: Project) -> None:
        self.project, self.folder = project, project.folder / FOLDER

    @property
    def looking(self) -> bool:
        """Whether the process is at work."""
        process = _processes.get(self.folder)
        return (process is not None and process.poll() is None) or holder(self.folder / LOCK) is not None

    @property
    def progress(self) -> tuple[int, int]:
        """Photos seen so far, and all of them."""
        with suppress(OSError, ValueError):
            done, total = json.loads((self.folder / PROGRESS).read_text(encoding="utf-8"))
            return int(done), int(total)
        return 0, 0

    @property
    def found(self) -> dict[str, Any]:
        """The newest findings about these photos, empty if there are none; labels may have changed since."""
        try:
            about = (self.folder / RESULT).stat()
            found = _read(self.folder / RESULT, about.st_mtime_ns)
        except (OSError, ValueError):
            return {}
        return found if self.project.recipe and found.get("key") == photos_of(self.project).key else {}

    @property
    def version(self) -> int:
        """What changes with the findings."""
        with suppress(OSError):
            return (self.folder / RESULT).stat().st_mtime_ns
        return 0

    @property
    def current(self) -> bool:
        """Whether the findings are those of the labels of now."""
        return self.found.get("labels") == list(self.project.said)

    def look(self) -> None:
        """Start looking, unless that is done, under way, or a run is under way; raises BadInput."""
        photos = photos_of(self.project)
        with _starting:
            for folder in [folder for folder, process in _processes.items() if process.poll() is not None]:
                if _processes.pop(folder).returncode:
                    _asked.pop(folder, None)  # it may be asked again
            about = photos.key, self.project.said
            if self.looking or self.current or self.project.under_way or _asked.get(self.folder) == about:
                return
            if self.project.confined and _processes:
                return  # strangers' photos are looked at one data set at a time
            self._ask(photos)
            _asked[self.folder] = about
            while len(_asked) > REMEMBERED:
                del _asked[next(iter(_asked))]

    def _ask(self, photos: Photos) -> None:
        project = self.project
        rows, corrections = listed(project), project.corrections
        project.check_network()
        project.check_room(0)  # what is found takes some, too
        about = {"key": photos.key, "version": project.said}
        self.folder.mkdir(parents=True, exist_ok=True)
        n, labels = len(photos.files), len(rows["vocab"])
        if project.confined and (n > MOST_PHOTOS or n * labels > MOST_JUDGED):
            why = f"{n:,} photos with {labels:,} labels are too many to be compared here; do it on your own computer."
            write_atomic(self.folder / RESULT, json.dumps(answer_about(about, {"error": why})))
            return
        names = ["", *rows["vocab"]]
        asked = about | {
            "seconds": LONGEST if project.confined else None,
            "recipe": project.require_recipe().to_dict(),
            "right": sorted(corrections.right),
            "photos": [
                [str(file), content, "" if content in corrections.left_out else names[label + 1], number]
                for file, content, label, number in zip(
                    photos.files, photos.contents, rows["labels"], rows["sets"], strict=True
                )
            ],
        }
        write_atomic(self.folder / ASKED, json.dumps(asked))
        (self.folder / PROGRESS).unlink(missing_ok=True)
        _processes[self.folder] = begin("plugins.panels.kit.insight.look", str(self.folder), log=self.folder / LOG)


def with_findings(project: Project, rows: dict[str, Any]) -> dict[str, Any]:
    """The rows of the grid, with the order by likeness, doubts and likely labels as far as they are known."""
    found = Insight(project).found
    if "map" not in found:
        return rows
    hints = sorted(set(found["hints"]) - {""})
    number = {"": -1} | {label: i for i, label in enumerate(hints)}
    more = {"hintNames": hints, "hints": [number[label] for label in found["hints"]]} if hints else {}
    names = [*rows["vocab"], ""]
    settled = (
        flags & (LEFT_OUT | RIGHT) or names[label] != given
        for label, flags, given in zip(rows["labels"], rows["flags"], found["given"], strict=True)
    )
    doubt = [0 if done else doubt for done, doubt in zip(settled, found["doubt"], strict=True)]
    return {**rows, "likeness": found["likeness"], "map": found["map"], "doubt": doubt, **more}


@lru_cache(maxsize=4)
def _read(file: Path, changed: int) -> dict[str, Any]:
    found = json.loads(file.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}
