"""Which network suits a project's photos: the installed ones are compared by a process of its own."""

from __future__ import annotations

import hashlib
import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.atomic import write_atomic
from core.data.check import Examined
from core.errors import BadInput
from core.model.pretrained import pretrained_of
from core.registry import architectures
from plugins.panels.kit.insight.process import begin
from plugins.panels.kit.project.project import Project

FOLDER = "which_model"  # of a workspace
RECIPE, ABOUT, RESULT, LOG = "recipe.json", "about.txt", "result.json", "log.txt"

_processes: dict[Path, subprocess.Popen[bytes]] = {}


def installed() -> list[str]:
    """The networks whose weights come with a package."""
    told = {entry.name: pretrained_of({"name": entry.name}) for entry in architectures}
    return [name for name, weights in told.items() if weights and weights.comes == "installed"]


class WhichModel:
    """The comparison of the installed networks on a project's photos; `look` starts it."""

    def __init__(self, project: Project) -> None:
        self.project, self.folder = project, project.folder / FOLDER

    @property
    def looking(self) -> bool:
        """Whether the process is at work."""
        process = _processes.get(self.folder)
        return process is not None and process.poll() is None

    @property
    def found(self) -> list[dict[str, Any]]:
        """The networks, the best first, as `compare --json` prints them; empty if these photos were not compared."""
        if self.looking or self._read(ABOUT) != self._about():
            return []
        with suppress(ValueError):
            return list(json.loads(self._read(RESULT)))
        return []

    @property
    def failed(self) -> str:
        """Why the last comparison failed, or ""."""
        process = _processes.get(self.folder)
        if process is None or not process.poll():
            return ""
        said = self._read(LOG).strip().splitlines() or ["It was ended."]
        return said[-1].removeprefix("error: ")

    def look(self) -> None:
        """Start the comparison, unless it is under way; raises BadInput."""
        project, found = self.project, self.project.examined
        if project.confined:
            raise BadInput("Networks are not compared here; do it on your own computer.")
        if not isinstance(found, Examined) or found.unready:
            raise BadInput(found.unready if isinstance(found, Examined) else "The photos have not been read yet.")
        if self.looking:
            return
        project.check_room(0)  # the features take some
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / RECIPE, json.dumps(project.require_recipe().to_dict()))
        write_atomic(self.folder / ABOUT, self._about())
        about = [str(self.folder / RECIPE), "--json", "--workspace", str(project.folder), "--architectures"]
        files = {"log": self.folder / LOG, "output": self.folder / RESULT}
        _processes[self.folder] = begin("plugins.panels.kit.insight.compare", *about, *installed(), **files)

    def _about(self) -> str:
        """What changes with the photos, their labels and their preprocessing."""
        recipe = self.project.recipe
        parts = {k: v for k, v in recipe.to_dict().items() if k not in ("architecture", "training")} if recipe else {}
        return hashlib.blake2b(json.dumps([parts, self.project.said]).encode(), digest_size=8).hexdigest()

    def _read(self, name: str) -> str:
        with suppress(OSError):
            return (self.folder / name).read_text(encoding="utf-8", errors="replace")
        return ""
