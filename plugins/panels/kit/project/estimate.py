"""How fast this computer trains a network: from earlier runs of it here, else from a few steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from core.device import choose, wanted
from core.errors import BadInput
from core.events import EpochEnded
from core.recipe import Recipe
from core.runs.listing import runs_in
from core.runs.run import ALIVE, Run
from plugins.panels.kit.project.expected import UNFROZEN, Speed
from plugins.panels.kit.project.naming import recipe_of
from plugins.panels.kit.project.run_view import run_view

LOOKED_AT = 20  # newest runs
SPEEDS = "speeds"  # of a workspace: what was measured on a few steps


def speed_for(folder: Path, recipe: Recipe) -> Speed | None:
    """The speed of the newest run with the same network on this device, else as measured, or None.

    A run that trained the head alone is asked last, as it tells too little of unfrozen epochs.
    """
    head_alone = None
    for run in islice(runs_in(folder), LOOKED_AT):
        with suppress(BadInput, OSError):
            fits = run.status not in ALIVE and _kind(recipe_of(run)) == _kind(recipe)
            if fits and (speed := _of_run(run, run.folder.stat().st_mtime_ns)):
                if any(stage == "unfrozen" for _, stage, _ in run_view(run).epochs):
                    return speed
                head_alone = head_alone or speed
    with suppress(BadInput, OSError, ValueError, TypeError):
        return Speed(**json.loads(speed_file(folder, recipe).read_text(encoding="utf-8")))
    return head_alone


def speed_file(folder: Path, recipe: Recipe) -> Path:
    """The file for the speed that is measured of a recipe's network at its size on its device; raises BadInput."""
    name = hashlib.blake2b(json.dumps(_kind(recipe)).encode(), digest_size=8).hexdigest()
    return folder / SPEEDS / f"{name}.json"


def speed_of(epochs: Iterable[tuple[str, EpochEnded]], photos: int, **known: Any) -> Speed | None:
    """The speed of epochs, each with the name of its stage, on that many training photos; None without any."""
    seconds: dict[str, list[float]] = {}
    for stage, epoch in epochs:
        seconds.setdefault(stage, []).append(epoch.seconds / max(1, photos))
    each = {stage: sum(ended) / len(ended) for stage, ended in seconds.items()}
    if not each:
        return None
    frozen = each.get("frozen") or each["unfrozen"] / UNFROZEN
    return Speed(frozen, each.get("unfrozen") or frozen * UNFROZEN, **known)


def _kind(recipe: Recipe) -> list[object]:
    """What the speed depends on, besides the number of photos; raises BadInput if the device is not here."""
    training = recipe.training
    how = (training.features, training.train_bn, training.frozen_stages, training.precision, training.compile)
    batch = training.batch_size, training.micro_batch
    changes = [(choice["name"], choice.get("size")) for choice in (*recipe.item_tfms, *recipe.batch_tfms)]
    return [recipe.architecture, changes, *batch, *how, choose(wanted(training.device)).name]


@lru_cache(maxsize=64)
def _of_run(run: Run, changed: int) -> Speed | None:
    shown = run_view(run)
    started = shown.state.started
    if started is None or not started.train or started.device != choose(wanted(run.recipe.training.device)).name:
        return None  # it was trained elsewhere
    epochs = ((stage, epoch) for _, stage, epoch in shown.epochs)
    return speed_of(epochs, started.train, memory=shown.end.memory if shown.end else 0.0, run=run)
