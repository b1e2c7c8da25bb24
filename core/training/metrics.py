"""Metrics: functions of logits or probabilities [N, C] and targets [N]."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from core.errors import BadInput
from core.registry import metrics

SIGNIFICANT = 0.05  # p-values below it
Metric = Callable[[Tensor, Tensor], float]  # or a Tensor with one value
M = TypeVar("M", bound=Callable[..., float])


def higher_is_better(metric: M) -> M:
    """Decorator of a metric whose larger values are better."""
    metric.higher_is_better = True  # type: ignore[attr-defined]
    return metric


def lower_is_better(metric: M) -> M:
    """Decorator of a metric whose smaller values are better."""
    metric.higher_is_better = False  # type: ignore[attr-defined]
    return metric


def confusion(outputs: Tensor, targets: Tensor) -> Tensor:
    """The confusion matrix [C, C]: rows are actual classes, columns predicted ones."""
    classes = outputs.shape[1]
    return torch.bincount(targets * classes + outputs.argmax(1), minlength=classes**2).view(classes, classes)


def wilson_interval(share: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % confidence interval of a share of `n` photos (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def mcnemar(first_alone: int, second_alone: int) -> float:
    """The two-sided p-value of the exact test: whether a fair coin would fall so unevenly (McNemar 1947)."""
    n, few = first_alone + second_alone, min(first_alone, second_alone)
    # the logarithms of binomial coefficients, which are too large for a float
    logs = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2) for k in range(few + 1))
    return min(1.0, 2 * sum(map(math.exp, logs)))


def named(given: Metric | Sequence[Metric] | None) -> dict[str, Metric]:
    """Metrics by their registered names, or else those of their functions, also of a `partial`; repeated ones numbered.

    Raises BadInput for a metric that is not callable.
    """
    found: dict[str, Metric] = {}
    for score in [given] if callable(given) or isinstance(given, str) else given or ():
        if not callable(score):
            known = ", ".join(entry.name for entry in metrics)
            raise BadInput(f"A metric is a function, such as {known}; {str(score)[:80]!r} is not one.")
        function = getattr(score, "func", score)
        registered = (entry.name for entry in metrics if entry.factory is function)
        name = next(registered, getattr(function, "__name__", type(function).__name__))
        same = sum(other.rpartition(" ")[0] == name or other == name for other in found)
        found[f"{name} {same + 1}" if same else name] = score
    return found
