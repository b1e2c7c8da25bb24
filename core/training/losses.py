"""What training minimises: the mean over photos of a loss of logits [N, C] and targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from core.errors import BadInput

CrossEntropyLossFlat = nn.CrossEntropyLoss  # one label a photo leaves nothing to flatten
ClassWeights = Literal["none", "balanced"]


class ClassificationLoss(nn.Module, ABC):
    """A loss that says what each class would cost a photo; targets are classes [N], or soft: shares [N, C].

    `weight` [C] multiplies what each class costs. The mean is over photos, not over weights as in torch, so that a
    batch in micro-batches has the same gradient as the batch.
    """

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    @abstractmethod
    def costs(self, logits: Tensor) -> Tensor:
        """The loss [N, C] of each photo, were each class its own."""

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of the batch."""
        costs = self.costs(logits)
        if self.weight is not None:
            costs = costs * self.weight
        if targets.is_floating_point():
            return (costs * targets).sum(1).mean()
        return costs.gather(1, targets[:, None]).mean()


class FunctionLoss(nn.Module):
    """A function of logits [N, C] and targets, [N] or soft [N, C], as a loss."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of the batch."""
        return self.function(logits, targets)


def weights_of(class_weights: ClassWeights, class_counts: Tensor | None) -> Tensor | None:
    """The weight [C] of each class, or None where all weigh 1.

    Balanced is n / (C n_c), so that all classes weigh the same and the mean weight of a photo is 1. Raises BadInput
    where that is asked for without the counts [C] of training photos.
    """
    if class_weights == "none":
        return None
    if class_counts is None:
        raise BadInput("Balanced class weights need the counts of the classes: give dls.class_counts first.")
    return class_counts.sum().item() / (len(class_counts) * class_counts.clamp_min(1).float())
