"""A summary of a network: a table of its layers with output shapes and parameters."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

from core.training.task import Task


def summary(task: Task) -> str:
    """The layers, parameters, frozen groups, optimizer and loss of a task as text."""
    arch = task.architecture
    size = (1, 3, *task.dls.train.pipeline.size)
    rows: list[tuple[str, str, str, str]] = []

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        parameters = list(layer.parameters())
        shape = " x ".join(map(str, output.shape[1:])) if isinstance(output, torch.Tensor) else ""
        learns = any(p.requires_grad for p in parameters)
        count = f"{sum(p.numel() for p in parameters):,}" if parameters else ""
        rows.append((type(layer).__name__, shape, count, str(learns) if parameters else ""))

    leaves = [m for m in arch.model.modules() if not next(m.children(), None)]
    hooks = [leaf.register_forward_hook(note) for leaf in leaves]
    try:
        arch.model.eval()
        with torch.inference_mode():
            arch.forward(torch.zeros(size, device=task.dls.device))
    finally:
        for hook in hooks:
            hook.remove()
    every = list(arch.model.parameters())
    trainable = sum(p.numel() for p in every if p.requires_grad)
    frozen = sum(not any(p.requires_grad for p in group) for group in arch.groups)
    optimizer: Any = task.opt_func.func if isinstance(task.opt_func, partial) else task.opt_func
    return "\n".join(
        [
            f"{type(arch.model).__name__}, photos {size[3]} x {size[2]}",
            *(f"{name:<24}{shape:<20}{count:>14}  {learns}" for name, shape, count, learns in rows),
            f"Parameters: {sum(p.numel() for p in every):,}, of which {trainable:,} are trainable",
            f"Frozen: the first {frozen} of {len(arch.groups)} groups of layers",
            f"Optimizer: {optimizer.__name__}, loss: {type(task.loss).__name__}",
        ]
    )
