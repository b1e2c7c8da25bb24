"""Which network suits a project's photos: networks are compared by a process of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.data.check import Examined
from core.errors import BadInput, quoted
from core.model.pretrained import pretrained_of
from core.recipe import Choice
from core.registry import architectures
from plugins.panels.kit.insight.compare import RESULT
from plugins.panels.kit.insight.process import Errand
from plugins.panels.kit.project.project import Project

FOLDER = "which_model"  # of a workspace
MOST = 12  # networks that a person may add


def installed() -> list[str]:
    """The networks whose weights come with a package."""
    told = {entry.name: pretrained_of({"name": entry.name}) for entry in architectures}
    return [name for name, weights in told.items() if weights and weights.comes == "installed"]


def network_named(name: str) -> Choice:
    """The choice of a registered network or of one of timm's, by its name; raises BadInput."""
    from core.model.timm_network import is_timm  # imports timm, which takes seconds

    if name in architectures and not any(p.required for p in architectures[name].params):
        return {"name": name}
    if "timm" in architectures and is_timm(name):
        return {"name": "timm", "model": name}
    known = ", ".join(entry.name for entry in architectures if entry.name != "timm")
    raise BadInput(f"There is no network {quoted(name)}; give {known}, or the name of one of timm's.")


def called(choice: Mapping[str, Any]) -> str:
    """The name by which a network is asked for."""
    return str(choice.get("model") or choice["name"])


class WhichModel(Errand):
    """The comparison of networks on a project's photos; `look` starts it."""

    def __init__(self, project: Project) -> None:
        super().__init__(project.folder / FOLDER)
        self.project = project

    @property
    def found(self) -> list[dict[str, Any]]:
        """The networks that were compared last, the best first, as `compare --json` prints them."""
        return list(self._result.get("rows", ()))

    @property
    def added(self) -> list[str]:
        """The networks among these that are not compared anyway."""
        return [name for row in self.found if (name := called(row["architecture"])) not in installed()]

    @property
    def current(self) -> bool:
        """Whether that was on these photos, with their labels and preprocessing of now."""
        return self._result.get("of") == self._about()

    def look(self, more: str = "") -> None:
        """Start comparing the installed networks and `more`, names with commas, unless that is under way.

        Raises BadInput.
        """
        project, found = self.project, self.project.examined
        if project.confined:
            raise BadInput("Networks are not compared here; do it on your own computer.")
        if not isinstance(found, Examined) or found.unready:
            raise BadInput(found.unready if isinstance(found, Examined) else "The photos have not been read yet.")
        if self.looking:
            return
        added = dict.fromkeys(more.replace(",", " ").split())
        if len(added) > MOST:
            raise BadInput(f"{len(added)} more networks are too many at once; give at most {MOST}.")
        networks = [{"name": name} for name in installed()]
        networks += [choice for choice in map(network_named, added) if choice not in networks]
        project.check_room(0)  # the features take some
        recipe = project.require_recipe().to_dict()
        self.begin("plugins.panels.kit.insight.compare", {"of": self._about(), "recipe": recipe, "networks": networks})

    def _about(self) -> str:
        """What changes with the photos, their labels and their preprocessing."""
        recipe, found = self.project.recipe, self.project.examined
        parts = {k: v for k, v in recipe.to_dict().items() if k not in ("architecture", "training")} if recipe else {}
        photos = len(found.split.items) if isinstance(found, Examined) else 0
        return hashlib.blake2b(json.dumps([parts, self.project.said, photos]).encode(), digest_size=8).hexdigest()

    @property
    def _result(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            return _read(self.folder / RESULT, (self.folder / RESULT).stat().st_mtime_ns)
        return {}


@lru_cache(maxsize=4)
def _read(file: Path, changed: int) -> dict[str, Any]:
    found = json.loads(file.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}
