"""Optimizers: whatever momentum they have is the schedule's, and what must not decay does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from core.registry import optimizers

ENTRIES = [pytest.param(entry, id=entry.name) for entry in optimizers]


def groups(model: nn.Linear) -> list[dict[str, Any]]:
    return [{"params": [model.weight], "lr": 0.1}, {"params": [model.bias], "lr": 0.1, "weight_decay": 0.0}]


@pytest.mark.parametrize("entry", ENTRIES)
def test_each_lowers_a_loss(entry: Any) -> None:
    torch.manual_seed(0)
    model, x = nn.Linear(4, 1), torch.randn(32, 4)
    y = x.sum(1, keepdim=True)
    optimizer = entry.factory(groups(model))
    before = nn.functional.mse_loss(model(x), y).item()
    for _ in range(50):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    assert nn.functional.mse_loss(model(x), y).item() < 0.2 * before


@pytest.mark.parametrize("entry", ENTRIES)
def test_each_has_the_weight_decay_of_its_option(entry: Any) -> None:
    optimizer = optimizers.create(entry.name, groups(nn.Linear(4, 1)), weight_decay=0.3)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]


@pytest.mark.parametrize("entry", ENTRIES)
def test_each_has_a_momentum_that_the_schedule_can_set(entry: Any) -> None:
    (group, _) = entry.factory(groups(nn.Linear(4, 1))).param_groups
    assert group.get("momentum") or group["betas"][0] > 0


def test_sgd_without_momentum_has_none() -> None:
    (group, _) = optimizers.create("sgd", groups(nn.Linear(4, 1)), momentum=False, nesterov=True).param_groups
    assert (group["momentum"], group["nesterov"]) == (0, False)
