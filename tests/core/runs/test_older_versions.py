"""Recipes and runs that earlier versions wrote are read, and mean what they meant."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from core.events import EpochEnded, Notice, RunEnded, StepEnded
from core.recipe import Recipe
from core.registry import optimizers
from core.runs.run import Run
from core.runs.train import train

VERSION_1 = Path(__file__).parent / "version_1"
VERSION_2 = Path(__file__).parent / "version_2"


def test_the_options_of_version_1_are_those_of_the_loss_and_of_the_optimizer() -> None:
    training = Recipe.from_json((VERSION_1 / "recipe.json").read_bytes()).training
    assert training.loss == {"name": "cross_entropy", "label_smoothing": 0.1, "class_weights": "balanced"}
    assert optimizers.check(training.optimizer) is None and training.optimizer["weight_decay"] == 0.05
    assert [choice["name"] for choice in training.metrics] == ["accuracy", "top_k_accuracy"]
    assert training.best_by == "f1_macro"


@pytest.mark.parametrize("training", [None, {}, {"epochs": 2}, {"label_smoothing": 0.2}, {"weight_decay": 0.0}])
def test_a_version_1_that_says_little_has_todays_defaults(training: dict[str, float] | None) -> None:
    document = json.loads((VERSION_1 / "recipe.json").read_text())
    del document["training"]
    recipe = Recipe.from_dict(document | ({} if training is None else {"training": training}))
    assert recipe.training.loss["name"] == "cross_entropy" and recipe.training.optimizer["name"] == "adamw"
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize("loss", ["focal", {"name": "focal"}])
def test_a_version_1_that_names_a_loss_is_left_as_it_was(loss: Any) -> None:
    document = json.loads((VERSION_1 / "recipe.json").read_text()) | {
        "training": {"loss": loss, "class_weights": "balanced"}
    }
    before = json.dumps(document)
    assert Recipe.from_dict(document).training.loss["class_weights"] == "balanced"
    assert json.dumps(document) == before


@pytest.mark.parametrize(
    ("training", "frozen"), [(..., 0), (None, 0), ({}, 0), ({"epochs": 2}, 0), ({"frozen_stages": 6}, 6)]
)
def test_version_2_trained_all_stages_unless_it_said_otherwise(training: Any, frozen: int) -> None:
    document = json.loads((VERSION_2 / "recipe.json").read_text())
    if training is None:
        del document["training"]
    elif training is not ...:
        document["training"] = training
    recipe = Recipe.from_dict(document)
    assert recipe.training.frozen_stages == frozen
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_a_run_of_version_1_is_listed_and_its_recipe_trains_to_its_figures(tmp_path: Path) -> None:
    shutil.copytree(VERSION_1, tmp_path / "runs" / "old")
    old = Run(tmp_path / "runs" / "old")
    assert old.status == "completed"
    again = list(train(Run.create(old.recipe, tmp_path)))
    for before, after in zip(
        *([e for e in events if isinstance(e, EpochEnded)] for events in (old.events(), again)), strict=True
    ):
        assert before.valid_loss == pytest.approx(after.valid_loss, rel=0.02)
        assert before.train_loss == pytest.approx(after.train_loss, rel=0.05), "of other random crops"
        assert before.metrics.keys() == after.metrics.keys()
    assert isinstance(again[-1], RunEnded) and again[-1].metrics.keys() == list(old.events())[-1].metrics.keys()


def test_a_run_from_before_todays_draws_goes_on_and_says_so(
    recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = {"name": "timm", "model": "test_resnet", "pretrained": False}
    run = Run.create(Recipe.from_dict(recipe_dict({"epochs": 1, "freeze_epochs": 0}, architecture=tiny)), tmp_path)
    with monkeypatch.context() as earlier, closing(train(run)) as events:
        earlier.setattr("core.training.state.DRAWS_VERSION", 1)
        next(event for event in events if isinstance(event, StepEnded))
        events.close()
    again = list(train(run))
    assert any(isinstance(event, Notice) and "earlier version" in event.message for event in again)
    assert isinstance(again[-1], RunEnded) and again[-1].status == "completed"
