"""Focal loss."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from core.registry import Range, losses
from core.training.losses import ClassificationLoss, ClassWeights, weights_of


@losses.register("focal")
class Focal(ClassificationLoss):
    """Cross-entropy times (1 - p) ** gamma, for imbalanced classes (Lin 2017)."""

    def __init__(
        self,
        class_counts: Tensor | None = None,
        /,
        gamma: Annotated[float, "Down-weighting of easy photos; 0 is cross-entropy", Range(0, 10)] = 2.0,
        class_weights: Annotated[ClassWeights, "How to weight rare classes in the loss"] = "none",
    ) -> None:
        super().__init__(weights_of(class_weights, class_counts))
        self.gamma = gamma

    def costs(self, logits: Tensor) -> Tensor:
        """-(1 - p) ** gamma * log p [N, C]."""
        log_p = logits.log_softmax(1)
        miss = -log_p.expm1()  # 1 - p, exact where p is nearly 1
        return -(miss.clamp_min(1e-12) ** self.gamma) * log_p  # a gamma below 1 has an infinite gradient at 0
