"""Error rate."""

from torch import Tensor

from core.registry import metrics
from core.training.metrics import lower_is_better
from plugins.metrics.accuracy import accuracy


@metrics.register("error_rate")
@lower_is_better
def error_rate(outputs: Tensor, targets: Tensor, /) -> float:
    """The share of photos whose class does not have the largest output."""
    return 1 - accuracy(outputs, targets)
