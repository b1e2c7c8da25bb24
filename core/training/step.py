"""One optimizer step on a batch, in micro-batches and shared by all processes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from core.device import Device, choose
from core.training.parallel import ALONE, World
from core.training.task import Task, chunks, padded


class StepLoss:
    """The loss of a step: read when it is asked for, as an accelerator has not computed it when it is launched."""

    def __init__(self, parts: Sequence[Tensor], world: World, device: Device) -> None:
        self.total = torch.stack(list(parts)).double().sum() if device.float64 else torch.stack(list(parts)).sum()
        self._world, self._read = world, device.fetch(self.total)

    @classmethod
    def known(cls, value: float) -> StepLoss:
        """A loss that was read before."""
        return cls([torch.tensor(value, dtype=torch.float64)], ALONE, choose("cpu"))

    @cached_property
    def value(self) -> float:
        """The mean loss of all processes, which must ask for it together."""
        return self._world.sum(self._read().item())


@dataclass(frozen=True)
class TakenStep:
    """A step whose loss has not been reported yet: its number, its photos, the head's rate and the loss."""

    step: int
    photos: int
    rate: float
    loss: StepLoss


def step(
    task: Task,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    targets: Tensor,
    rates: Sequence[float],
    mom: float,
    scaler: GradScaler | None = None,
) -> StepLoss:
    """One optimizer step on images [N, 3, H, W] in 0..1, in micro-batches, with gradients scaled by `scaler`.

    A loss that is not finite changes no weight, unless the optimizer on an accelerator has no fused kernels.
    """
    task.train_mode()
    for group in optimizer.param_groups:
        group["lr"] = rates[group["layers"]]
        if "betas" in group:
            group["betas"] = (mom, *group["betas"][1:])
        elif group.get("momentum"):  # 0 stays 0
            group["momentum"] = mom
    try:
        loss = StepLoss(list(_losses(task, images, targets, scaler)), task.world, task.device)
        _update(task, optimizer, loss, scaler)
    finally:
        optimizer.zero_grad()  # also after an out-of-memory error, when only part of the gradient is accumulated
    return loss


def _update(task: Task, optimizer: torch.optim.Optimizer, loss: StepLoss, scaler: GradScaler | None) -> None:
    if task.device.host and not math.isfinite(loss.value):  # else the weights would become NaN
        return
    if scaler:  # it skips steps whose gradients are not finite, and then scales less
        scaler.step(optimizer)
        scaler.update()
        return
    if not task.device.host and getattr(optimizer, "_step_supports_amp_scaling", False):
        optimizer.found_inf = 1 - loss.total.isfinite().float()  # type: ignore[attr-defined]  # read by its kernel, not by the CPU
    optimizer.step()


def _losses(task: Task, images: Tensor, targets: Tensor, scaler: GradScaler | None) -> Iterator[Tensor]:
    """The losses of the micro-batches, each after its backward pass; their sum is the mean loss of the batch."""
    world, photos = task.world, len(targets)
    total = world.sum(photos)  # of all processes
    if photos < 2 and (world.size > 1 or task.trains_norms):
        # Every process must take part in a step, and norm layers need two photos; the added ones have no loss.
        images = torch.cat([images, images]) if photos else images.new_zeros(2, *images.shape[1:])
    one_shape = not (task.device.host or task.trains_norms or task.on_features or task.micro_batch)
    if one_shape:  # the added photos have no loss, and change nothing but dropout
        images = padded(images, task.full_batch)
    size = task.micro_batch_size(len(images))
    whole = task.architecture.frozen or len(images) > photos  # a frozen backbone needs no graph: the head takes all
    micro_batches = [(images, targets)]
    if not whole:
        micro_batches = list(zip(chunks(images, size), chunks(targets, size), strict=True))
    for i, (x, y) in enumerate(micro_batches):
        with world.no_sync(task.network, i == len(micro_batches) - 1):
            with task.autocast():
                logits = task.network(x, size).float()
            share = len(y) / total
            loss = task.loss(logits[: len(y)], y) * share if len(y) else logits.sum() * 0
            scaled = loss * world.size  # DDP averages gradients over processes
            torch.autograd.backward(scaler.scale(scaled) if scaler else scaled)
        yield loss.detach()
