"""MixUp and CutMix: what they make of photos and labels, and where they do nothing."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import torch

from core.data.loaders import DataLoaders
from core.data.transforms import BatchTransform
from core.registry import transforms
from core.training.features import unsupported_reason
from core.training.learner import Learner
from core.training.vision_learner import vision_learner
from plugins.transforms.cutmix import CutMix
from plugins.transforms.mixup import MixUp

MIXING = [MixUp, CutMix]
# photo c has the value c in every pixel, so that a mixture tells its shares
PHOTOS = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, 3, 40, 30).clone()
TARGETS = torch.eye(2)


@pytest.mark.parametrize("mixing", MIXING)
def test_a_target_has_the_shares_that_are_seen(mixing: type[BatchTransform]) -> None:
    transform, seen = mixing(), set()
    for seed in range(30):
        images, targets = transform.apply(PHOTOS, TARGETS, transform.draw(2, (40, 30), Random(seed)))
        torch.testing.assert_close(images.mean((1, 2, 3)), targets[:, 1])
        seen.add(round(targets[0, 1].item(), 3))
    assert len(seen) > 5


def test_mixup_is_zhangs() -> None:
    """Equation 1: lambda x + (1 - lambda) x', with the same lambda for the labels."""
    images, targets = MixUp().apply(PHOTOS, TARGETS, ([1, 0], [0.75, 0.4]))
    torch.testing.assert_close(images[:, 0, 0, 0], torch.tensor([0.25, 0.4]))
    torch.testing.assert_close(targets, torch.tensor([[0.75, 0.25], [0.6, 0.4]]))


def test_cutmix_is_yuns() -> None:
    """Equation 1 and 2: a mask of one box, and labels by the area; a box over the edge is cut there."""
    images, targets = CutMix().apply(PHOTOS, TARGETS, ([1, 0], [(0, 0, 15, 20), (10, 0, 30, 40)]))
    assert images[0, 0, :20, :15].eq(1).all() and images[0].sum() == 3 * 300
    torch.testing.assert_close(targets, torch.tensor([[0.75, 0.25], [2 / 3, 1 / 3]]))
    _, boxes = CutMix().draw(500, (40, 30), Random(0))
    areas = [(r - x) * (b - t) / 1200 for x, t, r, b in boxes]
    assert all(0 <= x <= r <= 30 and 0 <= t <= b <= 40 for x, t, r, b in boxes)
    assert 0.2 < sum(areas) / 500 < 0.5 and max(areas) > 0.8, "uniform areas, less what lies outside"


@pytest.fixture
def mixed(make_loaders: Callable[..., DataLoaders]) -> DataLoaders:
    resize = transforms.create("aug_transforms", size=32)
    return make_loaders(batch_tfms=[*resize, MixUp(), CutMix()])


def test_batches_of_training_are_mixed_and_repeat(mixed: DataLoaders) -> None:
    for epoch in (0, 1):
        for (a, x, i), (b, y, j) in zip(mixed.train.batches(epoch), mixed.train.batches(epoch), strict=True):
            assert torch.equal(a, b) and torch.equal(x, y) and i == j
            assert x.shape == (len(i), 3) and ((x > 0).sum(1) > 1).any()
    ((_, first, _), *_), ((_, other, _), *_) = (list(mixed.train.batches(epoch)) for epoch in (0, 1))
    assert not torch.equal(first, other)
    *_, (later, _, _) = mixed.train.batches(0)
    assert torch.equal(next(mixed.train.batches(0, 1))[0], later), "a resumed epoch is as it would have been"


def test_validation_and_predictions_are_not_mixed(mixed: DataLoaders) -> None:
    learn = vision_learner(mixed, "timm", pretrained=False, model="test_resnet")
    for loader in (mixed.valid, mixed.train):
        assert learn.get_preds(loader)[1].dtype == torch.long
    assert next(mixed.valid.batches(0))[1].ndim == 1
    assert learn.tta()[0].shape == (4, 3)


@pytest.mark.parametrize("loss", ["default", "function", "torch"])
def test_a_learner_trains_on_them(mixed: DataLoaders, loss: str) -> None:
    given: dict[str, Any] = {
        "default": None,
        "function": torch.nn.functional.cross_entropy,
        "torch": torch.nn.CrossEntropyLoss(),
    }
    learn = vision_learner(mixed, "timm", pretrained=False, model="test_resnet", loss_func=given[loss])
    (epoch,) = learn.fit_one_cycle(1, 1e-3)
    assert 0 < epoch.train_loss < 10 and mixed.show_batch()


def test_the_frozen_epochs_see_photos(mixed: DataLoaders, make_loaders: Callable[..., DataLoaders]) -> None:
    def learner(dls: DataLoaders) -> Learner:
        learn = vision_learner(dls, "timm", pretrained=False, model="test_resnet", train_bn=False)
        learn.task.train_bn = False  # as of a pretrained network
        return learn

    assert unsupported_reason(learner(mixed).task, 1) == "MixUp mixes photos before they reach the backbone"
    assert (
        unsupported_reason(learner(make_loaders(batch_tfms=transforms.create("aug_transforms", size=32))).task, 1) == ""
    )
