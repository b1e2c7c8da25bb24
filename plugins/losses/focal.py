"""Focal loss, which spends less on photos that are easy already."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from core.registry import Range, losses
from core.training.losses import ClassificationLoss, ClassWeights, weights_of


@losses.register("focal")
class Focal(ClassificationLoss):
    """Cross-entropy times (1 - p) ** gamma, for classes of very unequal size (Lin 2017)."""

    def __init__(
        self,
        class_counts: Tensor | None = None,
        /,
        gamma: Annotated[float, "How much less easy photos count; 0 is cross-entropy", Range(0, 10)] = 2.0,
        class_weights: Annotated[ClassWeights, "Whether rare classes count more in the loss"] = "none",
    ) -> None:
        super().__init__(weights_of(class_weights, class_counts))
        self.gamma = gamma

    def costs(self, logits: Tensor) -> Tensor:
        """-(1 - p) ** gamma * log p [N, C]."""
        log_p = logits.log_softmax(1)
        miss = -log_p.expm1()  # 1 - p, exact where p is nearly 1
        return -(miss.clamp_min(1e-12) ** self.gamma) * log_p  # the slope of a root is infinite at 0
