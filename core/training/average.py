"""A running mean of the weights, which generalises better than the last step's (Polyak and Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """The mean of a model's learning parameters and norm statistics; `decay` is the share of it kept a step."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        statistics = [b for b in model.buffers() if b.is_floating_point()]
        self.parameters = [*(p for p in model.parameters() if p.requires_grad), *statistics]
        self.means = [p.detach().clone() for p in self.parameters]
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights of a step; early ones are forgotten faster, so that the start does not linger."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for mean, parameter in zip(self.means, self.parameters, strict=True):
            mean.lerp_(parameter, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the model's weights with the means."""
        for mean, parameter in zip(self.means, self.parameters, strict=True):
            held = parameter.clone()
            parameter.copy_(mean)
            mean.copy_(held)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model with the means as its weights, for a while."""
        self.swap()
        try:
            yield
        finally:
            self.swap()
