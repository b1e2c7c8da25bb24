"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Annotated, Any

import torch

from core.registry import Range, optimizers


@optimizers.register("sgd")
def sgd(
    groups: Iterable[dict[str, Any]],
    /,
    weight_decay: Annotated[float, "Weight decay (L2 penalty)", Range(0, 1)] = 0.01,
    momentum: Annotated[bool, "Use momentum, with the factor set by the schedule"] = True,
    nesterov: Annotated[bool, "Nesterov momentum; has no effect without momentum"] = False,
) -> torch.optim.Optimizer:
    """SGD, which usually needs higher learning rates than AdamW."""
    start = 0.9 if momentum else 0.0  # the schedule sets it at each step
    return torch.optim.SGD(groups, lr=0.0, momentum=start, weight_decay=weight_decay, nesterov=nesterov and momentum)
