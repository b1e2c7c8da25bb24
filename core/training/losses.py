"""Cross-entropy, and how it follows from the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CrossEntropyLossFlat = nn.CrossEntropyLoss  # one label a photo leaves nothing to flatten


class CrossEntropy(nn.Module):
    """Mean cross-entropy in nats of logits [N, C] and targets [N].

    `weight` [C] multiplies the loss of each photo by its class. The mean is over photos, not over weights as in
    torch, so that a batch in parts has the same gradient as the batch.
    """

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of the batch."""
        losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=self.label_smoothing)
        return (losses if self.weight is None else losses * self.weight[targets]).mean()


class FunctionLoss(nn.Module):
    """A function of logits [N, C] and targets [N] as a loss."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of the batch."""
        return self.function(logits, targets)


def balanced_weights(targets: Sequence[int], classes: int) -> Tensor:
    """n / (C n_c) for each class, so that all classes weigh the same and the mean weight of a photo is 1: [C]."""
    counts = torch.bincount(torch.tensor(targets), minlength=classes).clamp_min(1)
    return len(targets) / (classes * counts.float())


def loss_for(
    targets: Sequence[int],
    classes: int,
    label_smoothing: float = 0.0,
    class_weights: Literal["none", "balanced"] = "none",
) -> nn.Module:
    """The loss that a data set of one label a photo asks for."""
    weight = balanced_weights(targets, classes) if class_weights == "balanced" else None
    return CrossEntropy(weight, label_smoothing)
