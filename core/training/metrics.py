"""Figures of merit: each a function of logits or probabilities [N, C] and targets [N]."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from core.errors import BadInput

Metric = Callable[[Tensor, Tensor], float]  # or a Tensor with one value


def accuracy(outputs: Tensor, targets: Tensor) -> float:
    """The share of photos whose largest output is their class."""
    return (outputs.argmax(1) == targets).float().mean().item()


def error_rate(outputs: Tensor, targets: Tensor) -> float:
    """1 - accuracy."""
    return 1 - accuracy(outputs, targets)


def top_k_accuracy(outputs: Tensor, targets: Tensor, k: int = 5) -> float:
    """The share of photos whose class is among the `k` largest outputs."""
    best = outputs.topk(min(k, outputs.shape[1])).indices
    return (best == targets[:, None]).any(1).float().mean().item()


def f1_macro(outputs: Tensor, targets: Tensor) -> float:
    """The mean over classes of 2TP / (2TP + FP + FN); a class that is neither present nor predicted does not count."""
    counts = confusion(outputs, targets).double()
    hits, total = counts.diag(), counts.sum(0) + counts.sum(1)
    return (2 * hits[total > 0] / total[total > 0]).mean().item()


def macro_error(outputs: Tensor, targets: Tensor) -> float:
    """The mean over the present classes of their error rates, so that rare classes count as much as common ones."""
    counts = confusion(outputs, targets).double()
    present = counts.sum(1) > 0
    return 1 - (counts.diag()[present] / counts.sum(1)[present]).mean().item()


def confusion(outputs: Tensor, targets: Tensor) -> Tensor:
    """Counts [C, C]: rows the actual, columns the predicted class."""
    classes = outputs.shape[1]
    return torch.bincount(targets * classes + outputs.argmax(1), minlength=classes**2).view(classes, classes)


def wilson_interval(share: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share of `n` photos (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def higher_is_better(name: str) -> bool:
    """Whether a larger value of this metric is a better one."""
    return "error" not in name


METRICS: dict[str, Metric] = {f.__name__: f for f in (accuracy, error_rate, top_k_accuracy, f1_macro, macro_error)}


def metric(name: str) -> Metric:
    """The metric of a recipe; raises BadInput naming those there are."""
    if name not in METRICS:
        raise BadInput(f"There is no metric {name!r}; there are: {', '.join(sorted(METRICS))}.")
    return METRICS[name]


def named(metrics: Metric | Sequence[Metric] | None) -> dict[str, Metric]:
    """Metrics by the names of their functions, a `partial` by its function's; one that is there twice is numbered.

    Raises BadInput for what is no function.
    """
    found: dict[str, Metric] = {}
    for score in [metrics] if callable(metrics) or isinstance(metrics, str) else metrics or ():
        if not callable(score):
            raise BadInput(f"A metric is a function, such as {', '.join(METRICS)}; {str(score)[:80]!r} is none.")
        function = getattr(score, "func", score)
        name = getattr(function, "__name__", type(function).__name__)
        same = sum(other.rpartition(" ")[0] == name or other == name for other in found)
        found[f"{name} {same + 1}" if same else name] = score
    return found
