"""How fast a project's network trains on this computer, before its first run: measured on a few steps."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from core.data.check import Examined
from plugins.panels.kit.insight.process import ASKED, Errand
from plugins.panels.kit.project.estimate import speed_file
from plugins.panels.kit.project.project import Project

FOLDER = "speed"  # of a workspace
BATCHES, MOST = 2, 96  # training batches, and photos of these, on which it is measured


class MeasuredSpeed(Errand):
    """The errand that measures, once for each network, size and device; strangers' networks are not measured."""

    def __init__(self, project: Project) -> None:
        super().__init__(project.folder / FOLDER)
        self.project = project

    @property
    def failed(self) -> str:
        """Why this could not be measured, or ""."""
        with suppress(OSError, ValueError):
            asked = json.loads((self.folder / ASKED).read_text(encoding="utf-8"))
            return super().failed if asked["result"] == str(self._file) else ""
        return ""

    @property
    def possible(self) -> bool:
        """Whether it may be measured now."""
        if self.project.confined or self.looking or self.failed:
            return False
        return self.project.ready and self.project.under_way is None

    def look(self) -> None:
        """Start measuring, if that is possible; raises BadInput."""
        project, found = self.project, self.project.examined
        if not self.possible or not isinstance(found, Examined):
            return
        recipe, split = project.require_recipe(), found.split
        n = min(MOST, BATCHES * recipe.training.batch_size, len(split.train))
        train = _spread(split.train, n)
        valid = _spread(split.valid, max(1, round(n * len(split.valid) / len(split.train))))
        asked = {
            "recipe": recipe.to_dict(),
            "photos": [[str(split.items[i]), split.labels[i]] for i in (*train, *valid)],
            "train": n,
            "labels": split.vocab,
            "result": str(self._file),
        }
        self.begin("plugins.panels.kit.insight.measure", asked)

    @property
    def _file(self) -> Path:
        return speed_file(self.project.folder, self.project.require_recipe())


def _spread(numbers: list[int], n: int) -> list[int]:
    """`n` of the numbers, from all parts of the list."""
    return [numbers[i * len(numbers) // n] for i in range(min(n, len(numbers)))]
