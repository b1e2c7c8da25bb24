"""Poly-1 loss, cross-entropy whose first term counts more."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from core.registry import Range, losses
from core.training.losses import ClassificationLoss, ClassWeights, weights_of


@losses.register("poly")
class Poly(ClassificationLoss):
    """Cross-entropy plus epsilon * (1 - p), which keeps pulling at photos that are right already (Leng 2022)."""

    def __init__(
        self,
        class_counts: Tensor | None = None,
        /,
        epsilon: Annotated[float, "Weight of 1 - p; 0 is cross-entropy", Range(-1, 10)] = 1.0,
        class_weights: Annotated[ClassWeights, "Whether rare classes count more in the loss"] = "none",
    ) -> None:
        super().__init__(weights_of(class_weights, class_counts))
        self.epsilon = epsilon

    def costs(self, logits: Tensor) -> Tensor:
        """-log p + epsilon * (1 - p) [N, C]."""
        log_p = logits.log_softmax(1)
        return -log_p - self.epsilon * log_p.expm1()
