"""A run keeps its own copy of what people said about its photos."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.data.content import digest
from core.data.journal import Journal
from core.errors import BadInput
from core.events import drain
from core.recipe import Recipe
from core.runs.plan import make_plan
from core.runs.run import LABELS, Run
from core.runs.stop_signals import StopSignals
from core.runs.train import train

TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}


def test_a_run_goes_on_with_its_own_corrections(
    recipe_dict: Callable[..., dict[str, Any]], photos: Path, tmp_path: Path
) -> None:
    journal = Journal(tmp_path)
    files = [digest(file) for file in sorted(photos.iterdir())]
    journal.label(files[:2], "red")
    journal.leave_out(files[8:9])
    recipe = Recipe.from_dict(recipe_dict({"epochs": 0}, architecture=TINY))
    run = Run.create(recipe, tmp_path)
    journal.label(files[2:], "blue")
    for _ in train(run):
        pass

    card = run.read("README.md")
    assert "2 labels were changed by a person." in card and "1 photo was left out by a person." in card
    assert json.loads(run.read("corrected.json")) == {"labelled": 0, "relabelled": 2, "left_out": 1}
    labels = [label for label, _ in json.loads(run.read("photos.json")).values()]
    assert sorted(map(labels.count, set(labels))) == [6, 7, 10]

    plan = drain(make_plan(run, StopSignals(run.folder), False, None))
    assert plan.resumed and plan.corrected.relabelled == 2 and plan.split.vocab == ["blue", "green", "red"]
    assert not (Run.create(recipe, tmp_path / "other").folder / LABELS).exists()


@pytest.mark.parametrize("damage", [lambda t: t[: t.index("\n") + 1], lambda t: t.replace("red", "rad"), lambda _: ""])
def test_damaged_corrections_are_refused(
    recipe_dict: Callable[..., dict[str, Any]], photos: Path, tmp_path: Path, damage: Callable[[str], str]
) -> None:
    journal = Journal(tmp_path)
    journal.label(map(digest, photos.iterdir()), "red")
    journal.leave_out([digest(min(photos.iterdir()))])
    run = Run.create(Recipe.from_dict(recipe_dict(architecture=TINY)), tmp_path)
    assert run.corrections == journal.corrections
    run.write(LABELS, damage(run.read(LABELS)))
    with pytest.raises(BadInput, match=r"labels\.jsonl' is damaged; train .* new run"):
        drain(train(run))


def test_too_few_labels_are_refused(recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    run = Run.create(Recipe.from_dict(recipe_dict(labeller={"name": "by_hand"}, architecture=TINY)), tmp_path)
    with pytest.raises(BadInput, match=r"Label more photos .*core labels"):
        drain(train(run))
