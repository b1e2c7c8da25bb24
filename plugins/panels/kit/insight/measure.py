"""The process that trains a few steps to time them: python -m plugins.panels.kit.insight.measure FOLDER."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.atomic import make_folder, write_atomic
from core.data.split import Split
from core.discovery import discover
from core.errors import BadInput
from core.events import EpochEnded
from core.lock import holder
from core.model.pretrained import pretrained_of
from core.recipe import VALID_LOSS, Recipe
from core.runs.host import peak_memory
from core.runs.run import PRESIZED
from plugins.panels.kit.insight.insight import FOLDER as INSIGHT
from plugins.panels.kit.insight.look import LOCK
from plugins.panels.kit.insight.process import ASKED, stay_behind
from plugins.panels.kit.project.estimate import speed_of
from plugins.panels.kit.project.expected import Speed
from plugins.panels.kit.project.project import Project

ENOUGH = 20.0  # seconds after which the first unfrozen epoch is taken as it is, although it warmed up the machine


def main(folder: Path) -> int:
    """Measure what `asked.json` says, and write the speed where it says; returns the exit code."""
    discover()
    asked, workspace = json.loads((folder / ASKED).read_text(encoding="utf-8")), folder.parent
    while holder(workspace / INSIGHT / LOCK):  # two at once would slow each other down
        time.sleep(0.5)
    try:
        speed = measured(asked, workspace)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if speed and Project(workspace).under_way is None:  # else that has slowed it down
        file = Path(asked["result"])
        make_folder(file.parent)
        write_atomic(file, json.dumps({name: value for name, value in asdict(speed).items() if name != "run"}))
    return 0


def measured(asked: Mapping[str, Any], workspace: Path) -> Speed | None:
    """Train a recipe on a few photos, frozen and unfrozen, and time the epochs; None if a run begins meanwhile.

    Raises BadInput.
    """
    from core.runs.plan import learner_of  # these import torch, which takes seconds
    from core.training.fine_tune import fine_tuning
    from core.training.loop import fit
    from core.training.state import TrainState

    recipe, n = Recipe.from_dict(asked["recipe"]), int(asked["train"])
    weights = pretrained_of(recipe.architecture)
    absent = weights is not None and not weights.here
    if absent:  # any numbers take as long, and nobody has asked for a download yet
        recipe = replace(recipe, architecture={**recipe.architecture, "pretrained": False})
    files, labels = zip(*asked["photos"], strict=True)
    split = Split(list(map(Path, files)), list(labels), list(range(n)), list(range(n, len(files))), asked["labels"])
    learner = learner_of(recipe, split, cache=workspace / PRESIZED)
    if absent:
        learner.task.architecture.pretrained = True
        learner.task = replace(learner.task, train_bn=recipe.training.train_bn)
    training = recipe.training
    stages = fine_tuning(
        learner.task,
        2,
        base_lr=1e-6,
        freeze_epochs=training.freeze_epochs,
        features=training.features,
        frozen_stages=training.frozen_stages,
    )
    state, began, epochs = TrainState(learner.task, stages, VALID_LOSS), time.perf_counter(), []
    with closing(fit(state)) as events:
        for event in events:
            if Project(workspace).under_way:
                return None
            if isinstance(event, EpochEnded):
                epochs.append((state.now.name, event))
                if state.now.name == "unfrozen" and (event.epoch or time.perf_counter() - began > ENOUGH):
                    break
    frozen = [(stage, epoch) for stage, epoch in epochs if stage == "frozen"]
    return speed_of([*frozen, *epochs[-1:]], n, memory=peak_memory())


if __name__ == "__main__":
    stay_behind(0)  # or it would be slower than a run
    sys.exit(main(Path(sys.argv[1])))
