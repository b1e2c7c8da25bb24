"""Exponential moving average of the weights, which generalises better than the last step's (Polyak, Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """The moving average of a model's trainable parameters and norm statistics, with `decay` kept at each step."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        statistics = [b for b in model.buffers() if b.is_floating_point()]
        self.parameters = [*(p for p in model.parameters() if p.requires_grad), *statistics]
        self.means = [p.detach().clone() for p in self.parameters]
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the current weights; its decay is lower at first, so that the start is forgotten."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.means, self.parameters, 1 - decay)  # a few kernels instead of one for each tensor

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the model's weights and their averages."""
        for mean, parameter in zip(self.means, self.parameters, strict=True):
            weight = parameter.clone()
            parameter.copy_(mean)
            mean.copy_(weight)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within this context the model has the averages as its weights."""
        self.swap()
        try:
            yield
        finally:
            self.swap()
