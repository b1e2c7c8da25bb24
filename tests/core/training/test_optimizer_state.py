"""Whatever an optimizer keeps, tensors of any shape or plain numbers, training goes on as if it had not stopped."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import timm.optim
import torch
from safetensors.torch import load, save
from torch import nn

from core.training.optimizer_state import optimizer_document, optimizer_tensors, restore_optimizer

Make = Callable[..., torch.optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.01),
    **{
        name: lambda p, name=name: timm.optim.create_optimizer_v2(p, name, lr=0.01)
        for name in ("adan", "lamb", "madgrad", "adafactor")
    },
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))


def steps(model: nn.Module, optimizer: torch.optim.Optimizer, seeds: range) -> None:
    for seed in seeds:
        images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        model(images).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_it_goes_on_as_if_it_had_not_stopped(make: Make) -> None:
    whole, parted, again = network(), network(), network()
    steps(whole, make(whole.parameters()), range(6))
    first = make(parted.parameters())
    steps(parted, first, range(3))
    tensors = load(save({name: tensor.contiguous() for name, tensor in optimizer_tensors(first).items()}))
    document = json.loads(json.dumps(optimizer_document(first)))

    again.load_state_dict(parted.state_dict())
    second = make(again.parameters())
    restore_optimizer(second, tensors, document)
    steps(again, second, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
