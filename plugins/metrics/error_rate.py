"""How many photos are wrong."""

from torch import Tensor

from core.registry import metrics
from core.training.metrics import lower_is_better
from plugins.metrics.accuracy import accuracy


@metrics.register("error_rate")
@lower_is_better
def error_rate(outputs: Tensor, targets: Tensor, /) -> float:
    """The share of photos whose largest output is not their class."""
    return 1 - accuracy(outputs, targets)
