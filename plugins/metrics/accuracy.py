"""Accuracy."""

from torch import Tensor

from core.registry import metrics
from core.training.metrics import higher_is_better


@metrics.register("accuracy")
@higher_is_better
def accuracy(outputs: Tensor, targets: Tensor, /) -> float:
    """The share of photos whose class has the largest output."""
    return (outputs.argmax(1) == targets).float().mean().item()
