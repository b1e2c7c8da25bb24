"""A run that dies at any moment goes on to the last bit, whatever is kept on the way: photos, features, both, none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from PIL.ImageFile import ImageFile
from safetensors.torch import load_file

from core.data.check import examine
from core.events import EpochEnded, FeaturesMade, Notice, StageStarted, StepEnded
from core.recipe import Recipe
from core.runs.run import PRESIZED, Run
from core.runs.train import RunOptions, find_rate, train

MakeRecipe = Callable[..., dict[str, Any]]
Figures = list[tuple[float, float]]


def figures(run: Run) -> Figures:
    """The losses of the epochs that stand."""
    return [(e.train_loss, e.valid_loss) for e in run.events() if isinstance(e, EpochEnded)]


def lives(run: Run, cache: bool) -> Iterator[Run]:
    """Train, and leave a copy of the run, as it lies on the disk, at some moments: what a killed process leaves."""
    stage = ""
    for number, event in enumerate(train(run, options=RunOptions(cache=cache))):
        stage = event.name if isinstance(event, StageStarted) else stage
        early = isinstance(event, FeaturesMade) and event.done == 2
        if early or (isinstance(event, StepEnded) and (stage, event.step) in (("frozen", 2), ("unfrozen", 3))):
            copy = run.folder.with_name(f"{run.name}-{number}")
            shutil.copytree(run.folder, copy)
            yield Run(copy)


@pytest.mark.parametrize("features", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_every_combination_ends_with_the_same_bits(recipe_dict: MakeRecipe, tmp_path: Path, features: bool) -> None:
    """The whole runs with and without a cache, and runs that died under one and went on under the other."""
    recipe = Recipe.from_dict(recipe_dict({"features": features, "epochs": 2}))
    weights, seen, resumed = [], [], 0
    for cache in (True, False):
        whole = Run.create(recipe, tmp_path)
        dead = list(lives(whole, cache))
        weights.append(load_file(whole.folder / "model.safetensors"))
        seen.append(figures(whole))
        assert len(dead) == 2 + features
        for number, run in enumerate(dead):
            list(train(run, options=RunOptions(cache=cache ^ bool(number % 2))))
            weights.append(load_file(run.folder / "model.safetensors"))
            resumed += 1
    assert seen[0] == seen[1] and len(seen[0]) == 3
    for other in weights[1:]:
        assert [name for name, value in weights[0].items() if not torch.equal(value, other[name])] == []
    assert resumed >= 4


def test_a_run_keeps_its_photos_in_the_workspace_unless_it_shall_not(recipe_dict: MakeRecipe, tmp_path: Path) -> None:
    recipe = Recipe.from_dict(recipe_dict())
    list(train(Run.create(recipe, tmp_path), options=RunOptions(cache=False)))
    assert not (tmp_path / "presized").exists()
    list(find_rate(Run.create(recipe, tmp_path, "lr_finds")))
    assert len(list((tmp_path / "presized").glob("*/*"))) == 20, "training photos alone"
    list(train(Run.create(recipe, tmp_path)))
    assert len(list((tmp_path / "presized").glob("*/*"))) == 24


def test_the_second_run_decodes_nothing(
    recipe_dict: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe.from_dict(recipe_dict())
    first = Run.create(recipe, tmp_path)
    list(train(first))
    monkeypatch.setattr("core.data.cache.photo.load", lambda source: pytest.fail("decoded"))
    second = Run.create(recipe, tmp_path)
    list(train(second))
    assert figures(first) == figures(second)


@pytest.mark.parametrize("checked", [True, False])
def test_each_photo_is_decoded_once_by_the_check_and_never_by_training(
    recipe_dict: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checked: bool
) -> None:
    """Whether the check has gone before, as on the page and the command line, or the run begins with it."""
    recipe = Recipe.from_dict(recipe_dict())
    plain = Run.create(recipe, tmp_path / "plain")
    list(train(plain, options=RunOptions(cache=False)))
    decoded: list[ImageFile] = []
    load = ImageFile.load
    monkeypatch.setattr(ImageFile, "load", lambda self: (self.tile and decoded.append(self), load(self))[1])
    if checked:
        list(examine(recipe, tmp_path, cache=tmp_path / PRESIZED))
        assert len(decoded) == 24
    run = Run.create(recipe, tmp_path)
    list(train(run))
    assert len(decoded) == 24
    assert figures(run) == figures(plain)
    ours, others = (load_file(r.folder / "model.safetensors") for r in (run, plain))
    assert all(torch.equal(ours[name], others[name]) for name in others)


def test_a_transform_that_may_be_random_switches_it_off_and_the_run_says_so(
    recipe_dict: MakeRecipe, tmp_path: Path, strange_transform: str
) -> None:
    recipe = Recipe.from_dict(recipe_dict(item_tfms=[{"name": "resize", "size": 40}, {"name": strange_transform}]))
    run = Run.create(recipe, tmp_path)
    list(train(run))
    (notice,) = [e.message for e in run.events() if isinstance(e, Notice) and "each epoch" in e.message]
    assert "mirrored" in notice
    assert len(list((tmp_path / "presized").glob("*/*"))) == 4, "validation does without it"


@pytest.fixture
def strange_transform() -> Iterator[str]:
    """A function of an image, as a stranger's plugin might register one."""
    from core.registry import transforms

    name = "tests_mirror"

    @transforms.register(name)
    def mirror() -> Any:
        """Left and right exchanged."""

        def mirrored(image: Image.Image) -> Image.Image:
            return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

        return mirrored

    yield name
    transforms.discard(__name__)
