"""Macro-averaged F1 score."""

from torch import Tensor

from core.registry import metrics
from core.training.metrics import confusion, higher_is_better


@metrics.register("f1_macro")
@higher_is_better
def f1_macro(outputs: Tensor, targets: Tensor, /) -> float:
    """The mean over classes of 2TP / (2TP + FP + FN), ignoring classes that are neither present nor predicted."""
    counts = confusion(outputs, targets).double()
    hits, total = counts.diag(), counts.sum(0) + counts.sum(1)
    return (2 * hits[total > 0] / total[total > 0]).mean().item()
