"""A small task that the tests of training share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from core.data.loaders import DataLoaders
from core.model.timm_network import from_timm
from core.training.task import Task
from plugins.losses.cross_entropy import CrossEntropy
from plugins.metrics.accuracy import accuracy


@cache
def weights() -> dict[str, torch.Tensor]:
    """What stands for the weights of a pretrained network: random, but always the same."""
    import timm

    torch.manual_seed(0)
    return dict(timm.create_model("test_resnet").state_dict())


@pytest.fixture
def make_task(make_loaders: Callable[..., DataLoaders]) -> Callable[..., Task]:
    """A task of a small network that counts as pretrained; its weights are random but always the same."""

    def make(bs: int = 10, head: str = "linear", batch_tfms: Any = None, device: str = "cpu", **options: Any) -> Task:
        pretrained = weights()
        torch.manual_seed(0)
        architecture = from_timm("test_resnet", 3, head, pretrained=True, weights=pretrained)
        if head == "linear":
            nn.init.normal_(architecture.head.weight, std=0.05)  # type: ignore[arg-type]
        dls = make_loaders(bs=bs, batch_tfms=batch_tfms, device=device)
        return Task(architecture, dls, CrossEntropy(), **{"metrics": {"accuracy": accuracy}, **options})

    return make
