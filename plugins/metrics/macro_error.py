"""Macro-averaged error rate."""

from torch import Tensor

from core.registry import metrics
from core.training.metrics import confusion, lower_is_better


@metrics.register("macro_error")
@lower_is_better
def macro_error(outputs: Tensor, targets: Tensor, /) -> float:
    """The mean error rate over the classes present, so that rare classes count as much as common ones."""
    counts = confusion(outputs, targets).double()
    present = counts.sum(1) > 0
    return 1 - (counts.diag()[present] / counts.sum(1)[present]).mean().item()
