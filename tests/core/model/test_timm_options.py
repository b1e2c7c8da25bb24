"""timm's own options: what a network drops in training, and for which size of photos it is built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file
from timm.layers import DropPath

from core.data.loaders import DataLoaders
from core.errors import BadInput
from core.model.architecture import Architecture
from core.model.folder import load_model
from core.recipe import Recipe
from core.registry import architectures, transforms
from core.runs.predictions import predictions_of
from core.runs.run import Run
from core.runs.train import train
from core.training.vision_learner import vision_learner

Loaders = Callable[..., DataLoaders]


def build(**options: Any) -> Architecture:
    return architectures.create("timm", 3, pretrained=False, **options)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("model", "size"),
    [("test_vit", 32), ("test_vit", [48, 32]), ("test_convnext", 40)],
    ids=["vit", "wide", "convnext"],
)
def test_a_network_trains_at_the_size_of_the_recipe_and_is_loaded_again(
    model: str, size: Any, recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    recipe = recipe_dict(
        item_tfms=[{"name": "resize", "size": size}],
        batch_tfms=[],
        architecture={"name": "timm", "model": model, "pretrained": False, "drop_path_rate": 0.1},
    )
    run = Run.create(Recipe.from_dict(recipe), tmp_path)
    for _ in train(run):
        pass
    kept, predictor = predictions_of(run), load_model(run.folder)
    for item, logits in zip(kept.items, kept.logits, strict=True):
        torch.testing.assert_close(predictor.predict(item)[2], logits.softmax(0), rtol=1e-4, atol=1e-5)
    if model == "test_vit":
        assert predictor.architecture.img_size == predictor.views[-1].size
        height, width = size if isinstance(size, list) else (size, size)
        theirs = timm.create_model(model, num_classes=3, img_size=(height, width))
        theirs.load_state_dict(load_file(run.folder / "model.safetensors"))  # timm's own, built for that size


def test_the_share_of_dropped_blocks_is_timms(make_loaders: Loaders) -> None:
    ours = build(model="test_vit", drop_path_rate=0.3).model
    theirs = timm.create_model("test_vit", num_classes=3, drop_path_rate=0.3)
    rates = [[m.drop_prob for m in model.modules() if isinstance(m, DropPath)] for model in (ours, theirs)]
    assert rates[0] == rates[1] and max(rates[0]) == pytest.approx(0.3)
    assert not [m for m in build(model="test_vit").model.modules() if isinstance(m, DropPath) and m.drop_prob]


@pytest.mark.parametrize("options", [{"dynamic_img_size": True}, {}], ids=["asked", "as timm has it"])
def test_a_network_that_interpolates_its_positions_takes_other_sizes(
    options: dict[str, Any], make_loaders: Loaders, tmp_path: Path
) -> None:
    small, large = (make_loaders(transforms.create("resize", size=size)) for size in (32, 64))
    learn = vision_learner(small, "test_vit", pretrained=False, **options)
    torch.nn.init.normal_(learn.task.architecture.head.weight)  # type: ignore[arg-type]
    learn.dls = large
    model, file = load_model(learn.save(tmp_path / "model")), large.valid.items[0]
    assert model.views[-1].size == (64, 64) and torch.equal(model.predict(file)[2], learn.predict(file)[2])


def test_a_network_of_one_size_refuses_others(make_loaders: Loaders) -> None:
    small, large = (make_loaders(transforms.create("resize", size=size)) for size in (32, 64))
    learn = vision_learner(small, "vit_tiny_patch16_224", pretrained=False)
    with pytest.raises(BadInput, match="cannot take photos of 64 x 64"):
        learn.dls = large


def test_the_size_may_be_given() -> None:
    assert build(model="test_vit", img_size=64).model.patch_embed.img_size == (64, 64)
    assert build(model="test_vit", img_size=[64, 32]).model.patch_embed.img_size == (64, 32)
    assert build(model="test_vit").model.patch_embed.img_size == (160, 160), "timm's"
    assert build(model="test_convnext", img_size=64).model is not None, "it takes any"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "test_vit", "img_size": 100}, "100 x 100 pixels .* 'test_vit' does not take: .* multiples of 16"),
        ({"model": "test_vit", "img_size": [32, 10**9]}, "32 x 1000000000 pixels .* 1 to 2,097,152"),
        ({"model": "test_vit", "img_size": 0.5}, "img_size is 0.5, but must be a whole number or a list"),
        ({"model": "test_vit", "drop_path_rate": 1.5}, "drop_path_rate is 1.5, but must lie between 0 and 0.9"),
        ({"model": "vgg11", "drop_path_rate": 0.1}, "'vgg11' does not take drop_path_rate"),
        ({"model": "test_convnext", "dynamic_img_size": True}, "does not take dynamic_img_size"),
    ],
)
def test_an_option_that_does_not_fit_is_said(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught, torch.device("meta"):
        build(**options)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_size_for_a_network_that_takes_any_is_refused(make_loaders: Loaders) -> None:
    loaders = make_loaders(transforms.create("resize", size=32))
    with pytest.raises(
        BadInput, match=r"'test_convnext' takes photos of any size, so its img_size 64 .*; leave it out"
    ):
        vision_learner(loaders, "test_convnext", pretrained=False, img_size=64)
