"""AdamW, the default optimizer."""

from collections.abc import Iterable
from typing import Annotated, Any

import torch

from core.device import choose
from core.registry import Range, optimizers


@optimizers.register("adamw")
def adamw(
    groups: Iterable[dict[str, Any]],
    /,
    weight_decay: Annotated[float, "Decoupled weight decay", Range(0, 1)] = 0.01,
    beta2: Annotated[float, "Decay rate of the running mean of squared gradients", Range(0, 0.99999)] = 0.99,
    eps: Annotated[float, "Term added to the denominator for numerical stability", Range(1e-12, 1)] = 1e-5,
) -> torch.optim.Optimizer:
    """AdamW with fastai's defaults; the schedule sets beta1, its momentum (Loshchilov and Hutter 2019)."""
    groups = list(groups)
    fused = all(choose(p.device).fused for group in groups for p in group["params"])
    return torch.optim.AdamW(groups, betas=(0.9, beta2), eps=eps, weight_decay=weight_decay, fused=fused or None)
