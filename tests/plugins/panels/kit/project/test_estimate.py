"""What a training will take, by the speed of earlier runs on this computer; and the presets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.device import choose
from core.errors import BadInput
from core.events import EpochEnded, Event, RunEnded, RunStarted, StageStarted, to_line
from core.recipe import Recipe
from core.runs.events_file import EVENTS
from core.runs.run import Run
from plugins.panels.kit.project.estimate import speed_for
from plugins.panels.kit.project.expected import START, UNFROZEN, expect, expected
from plugins.panels.kit.project.presets import PRESETS, choose_preset
from plugins.panels.kit.project.project import Project

MakeRecipe = Callable[..., dict[str, Any]]


def say(run: Run, *events: Event) -> None:
    with (run.folder / EVENTS).open("a") as file:
        file.writelines(f"{to_line(event)}\n" for event in events)


def epoch(seconds: float) -> EpochEnded:
    return EpochEnded(0, 1.0, 1.0, {"error_rate": 0.1}, seconds)


def test_it_goes_by_the_newest_run_of_the_same_network(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    recipe, here = Recipe.from_dict(recipe_dict({"freeze_epochs": 2, "epochs": 3})), choose("cpu").name
    run = Run.create(recipe, tmp_path)
    assert speed_for(tmp_path, recipe) is None, "it has no epochs"
    say(run, RunStarted("x", 3, 100, 20, here), StageStarted("frozen", 2, 4, [0.1]), epoch(15), epoch(5))
    speed = speed_for(tmp_path, recipe)
    assert speed and (speed.frozen, speed.unfrozen) == (0.1, pytest.approx(0.1 * UNFROZEN))

    say(run, StageStarted("unfrozen", 1, 2, [0.1]), epoch(30), RunEnded("completed", memory=900.0))
    (run.folder / "touched").touch()
    speed = speed_for(tmp_path, recipe)
    assert speed and speed.unfrozen == 0.3 and speed.memory == 900
    assert speed.seconds(recipe, 200) == pytest.approx(START + 200 * (2 * 0.1 + 3 * 0.3))
    quick = Run.create(recipe, tmp_path)
    say(quick, RunStarted("x", 3, 100, 20, here), StageStarted("frozen", 2, 4, [0.1]), epoch(9), RunEnded("completed"))
    assert speed_for(tmp_path, recipe) == speed, "one of the head alone tells nothing of unfrozen epochs"
    other = Recipe.from_dict(recipe_dict(architecture={"name": "timm", "model": "test_resnet"}))
    assert speed_for(tmp_path, other) is None

    later = Run.create(recipe, tmp_path)
    assert expected(later) is None
    expect(later, speed, 200)
    hoped = expected(later)
    assert hoped and (hoped.seconds, hoped.memory) == (pytest.approx(START + 220), 900)


def test_a_run_on_another_device_says_nothing_of_this_one(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    recipe = Recipe.from_dict(recipe_dict())
    run = Run.create(recipe, tmp_path)
    say(run, RunStarted("x", 3, 100, 20, "a rented GPU"), StageStarted("frozen", 1, 4, [0.1]), epoch(1))
    assert speed_for(tmp_path, recipe) is None


def test_presets_set_the_epochs_and_nothing_else(tmp_path: Path, photos: Path) -> None:
    project = Project(tmp_path)
    project.open({"name": "folder", "path": str(photos)})
    proposed = project.require_recipe()
    project.edit("training.seed", 5)
    epochs = []
    for preset in PRESETS:
        choose_preset(project, preset.name)
        training = project.require_recipe().training
        assert (training.seed, training.freeze_epochs) == (5, proposed.training.freeze_epochs)
        epochs.append(training.epochs)
    assert epochs[0] == 0 < epochs[1] == proposed.training.epochs < epochs[2]
    with pytest.raises(BadInput, match="Quick, Balanced"):
        choose_preset(project, "Fast")
