"""Base classes of the loss functions: the mean over photos of a loss of logits [N, C] and targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from core.errors import BadInput

CrossEntropyLossFlat = nn.CrossEntropyLoss  # with one label per photo there is nothing to flatten
ClassWeights = Literal["none", "balanced"]


class ClassificationLoss(nn.Module, ABC):
    """A loss defined by its value for each class; targets are class indices [N] or soft probabilities [N, C].

    `weight` [C] multiplies the loss of each class. The mean is over photos, not over weights as in torch, so that
    micro-batches give the same gradient as the batch.
    """

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    @abstractmethod
    def costs(self, logits: Tensor) -> Tensor:
        """The loss [N, C] that each photo would have if its target were each of the classes."""

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of the batch."""
        costs = self.costs(logits)
        if self.weight is not None:
            costs = costs * self.weight
        if targets.is_floating_point():
            return (costs * targets).sum(1).mean()
        return costs.gather(1, targets[:, None]).mean()


class FunctionLoss(nn.Module):
    """A function of logits [N, C] and targets, [N] or soft [N, C], as a module."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of the batch."""
        return self.function(logits, targets)


def weights_of(class_weights: ClassWeights, class_counts: Tensor | None) -> Tensor | None:
    """The weight [C] of each class, or None if all are 1.

    Balanced weights are n / (C n_c), so that all classes weigh the same and the mean weight of a photo is 1. Raises
    BadInput if these are wanted without the counts [C] of training photos.
    """
    if class_weights == "none":
        return None
    if class_counts is None:
        raise BadInput("Balanced class weights need the counts of the classes: give dls.class_counts first.")
    return class_counts.sum().item() / (len(class_counts) * class_counts.clamp_min(1).float())
