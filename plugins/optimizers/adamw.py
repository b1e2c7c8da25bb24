"""The optimizer that fine-tuning usually takes."""

from collections.abc import Iterable
from typing import Annotated, Any

import torch

from core.registry import Range, optimizers


@optimizers.register("adamw")
def adamw(
    groups: Iterable[dict[str, Any]],
    /,
    weight_decay: Annotated[float, "Pull of the weights towards zero", Range(0, 1)] = 0.01,
    beta2: Annotated[float, "Share of the squared gradients' mean kept a step", Range(0, 0.99999)] = 0.99,
    eps: Annotated[float, "Added to the root of that mean", Range(1e-12, 1)] = 1e-5,
) -> torch.optim.Optimizer:
    """AdamW with fastai's constants; its momentum follows the schedule (Loshchilov and Hutter 2019)."""
    return torch.optim.AdamW(groups, betas=(0.9, beta2), eps=eps, weight_decay=weight_decay, fused=True)
