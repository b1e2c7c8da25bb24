"""Cross-entropy loss."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from core.registry import Range, losses
from core.training.losses import ClassificationLoss, ClassWeights, weights_of


@losses.register("cross_entropy")
class CrossEntropy(ClassificationLoss):
    """Cross-entropy in nats, with label smoothing (Szegedy 2016)."""

    def __init__(
        self,
        class_counts: Tensor | None = None,
        /,
        label_smoothing: Annotated[float, "Share of each target spread evenly over all classes", Range(0, 0.9)] = 0.0,
        class_weights: Annotated[ClassWeights, "How to weight rare classes in the loss"] = "none",
    ) -> None:
        super().__init__(weights_of(class_weights, class_counts))
        self.label_smoothing = label_smoothing

    def costs(self, logits: Tensor) -> Tensor:
        """-log p [N, C], mixed with its mean over classes by `label_smoothing`."""
        costs = -logits.log_softmax(1)
        return costs.lerp(costs.mean(1, keepdim=True), self.label_smoothing) if self.label_smoothing else costs
