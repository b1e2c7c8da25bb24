"""Top-k accuracy."""

from typing import Annotated

from torch import Tensor

from core.registry import Range, metrics
from core.training.metrics import higher_is_better


@metrics.register("top_k_accuracy")
@higher_is_better
def top_k_accuracy(
    outputs: Tensor, targets: Tensor, /, k: Annotated[int, "Number of guesses per photo", Range(1, 100_000)] = 5
) -> float:
    """The share of photos whose class is among the `k` largest outputs."""
    best = outputs.topk(min(k, outputs.shape[1])).indices
    return (best == targets[:, None]).any(1).float().mean().item()
