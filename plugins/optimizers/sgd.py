"""The oldest optimizer, and the one with the least state."""

from collections.abc import Iterable
from typing import Annotated, Any

import torch

from core.registry import Range, optimizers


@optimizers.register("sgd")
def sgd(
    groups: Iterable[dict[str, Any]],
    /,
    weight_decay: Annotated[float, "Pull of the weights towards zero", Range(0, 1)] = 0.01,
    momentum: Annotated[bool, "Go on in the direction of earlier steps, as the schedule says how much"] = True,
    nesterov: Annotated[bool, "Look ahead along the momentum; needs it"] = False,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent, which takes higher learning rates than AdamW."""
    start = 0.9 if momentum else 0.0  # which the schedule sets anew at each step
    return torch.optim.SGD(groups, lr=0.0, momentum=start, weight_decay=weight_decay, nesterov=nesterov and momentum)
