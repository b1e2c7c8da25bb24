"""What a training will take on this computer, from the speed of earlier runs of the same network on it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from core.errors import BadInput
from core.events import EpochEnded
from core.recipe import Choice, Recipe
from core.runs.run import ALIVE, Run
from plugins.panels.kit.project.naming import recipe_of
from plugins.panels.kit.project.run_view import UNFROZEN, run_view

START = 8.0  # seconds that a run takes besides its epochs, about: starting, reading the photos, saving the model
LOOKED_AT = 20  # newest runs
EXPECTED = "expected.json"  # in the folder of a run


@dataclass(frozen=True)
class Speed:
    """Seconds per training photo in a frozen and an unfrozen epoch, and the peak memory in MB, of an earlier run."""

    frozen: float
    unfrozen: float
    memory: float
    run: Run

    def seconds(self, recipe: Recipe, photos: int) -> float:
        """The expected duration of training a recipe on that many photos."""
        training = recipe.training
        return START + photos * (training.freeze_epochs * self.frozen + training.epochs * self.unfrozen)


def speed_for(runs: Iterable[Run], recipe: Recipe) -> Speed | None:
    """The speed of the first run with the same network on photos of the same size, or None."""
    for run in islice(runs, LOOKED_AT):
        with suppress(BadInput):
            fits = run.status not in ALIVE and _kind(recipe_of(run)) == _kind(recipe)
            if fits and (speed := _measured(run, run.folder.stat().st_mtime_ns)):
                return speed
    return None


def expect(run: Run, speed: Speed | None, photos: int) -> None:
    """Keep what is expected of a run, so that its page can say how well that was met."""
    if speed and photos:
        run.write(EXPECTED, json.dumps({"seconds": round(speed.seconds(run.recipe, photos), 1)}))


def expected(run: Run) -> float | None:
    """The seconds that a run was expected to take, or None."""
    with suppress(BadInput, ValueError, KeyError, TypeError):
        return float(json.loads(run.read(EXPECTED))["seconds"]) if (run.folder / EXPECTED).exists() else None
    return None


def _kind(recipe: Recipe) -> tuple[Choice, list[Choice], object, object]:
    """What the speed depends on, besides the number of photos."""
    return recipe.architecture, recipe.batch_tfms, recipe.training.features, recipe.training.train_bn


@lru_cache(maxsize=64)
def _measured(run: Run, changed: int) -> Speed | None:
    shown = run_view(run)
    photos = shown.state.started.train if shown.state.started else 0
    seconds: dict[str, list[EpochEnded]] = {"frozen": [], "unfrozen": []}
    for _, stage, epoch in shown.epochs:
        seconds.setdefault(stage, []).append(epoch)
    each = {
        stage: sum(e.seconds for e in ended) / len(ended) / photos
        for stage, ended in seconds.items()
        if ended and photos
    }
    if not each:
        return None
    frozen = each.get("frozen") or each["unfrozen"] / UNFROZEN
    return Speed(frozen, each.get("unfrozen") or frozen * UNFROZEN, shown.end.memory if shown.end else 0.0, run)
