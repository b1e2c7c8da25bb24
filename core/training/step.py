"""One optimizer step on a batch, in micro-batches and shared by all processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from core.errors import BadInput
from core.events import Notice
from core.training.task import Task, chunks, trains_norms

T = TypeVar("T")


def step(
    task: Task, optimizer: torch.optim.Optimizer, images: Tensor, targets: Tensor, rates: Sequence[float], mom: float
) -> float:
    """One optimizer step on images [N, 3, H, W] in 0..1, in micro-batches; returns the mean loss of all processes."""
    task.train_mode()
    for group in optimizer.param_groups:
        group["lr"] = rates[group["layers"]]
        if "betas" in group:
            group["betas"] = (mom, *group["betas"][1:])
        elif group.get("momentum"):  # 0 stays 0
            group["momentum"] = mom
    total = 0.0
    try:
        for loss in _losses(task, images, targets):
            total += loss
        total = task.world.sum(total)
        if math.isfinite(total):  # else the weights would become NaN
            optimizer.step()
    finally:
        optimizer.zero_grad()  # also after an out-of-memory error, when only part of the gradient is accumulated
    return total


def _losses(task: Task, images: Tensor, targets: Tensor) -> Iterator[float]:
    """The losses of the micro-batches, each after its backward pass; their sum is the mean loss of the batch."""
    world, photos = task.world, len(targets)
    total = world.sum(photos)  # of all processes
    size = task.micro_batch_size(photos)
    if photos < 2 and (world.size > 1 or trains_norms(task.architecture.model)):
        # Every process must take part in a step, and norm layers need two photos; the added ones have no loss.
        images = torch.cat([images, images]) if photos else images.new_zeros(2, *images.shape[1:])
    whole = task.architecture.frozen or photos < 2  # a frozen backbone needs no graph: the head takes the whole batch
    micro_batches = [(images, targets)]
    if not whole:
        micro_batches = list(zip(chunks(images, size), chunks(targets, size), strict=True))
    for i, (x, y) in enumerate(micro_batches):
        with world.no_sync(task.network, i == len(micro_batches) - 1):
            with task.precision():
                logits = task.network(x, size).float()
            share = len(y) / total
            loss = task.loss(logits[: len(y)], y) * share if len(y) else logits.sum() * 0
            torch.autograd.backward(loss * world.size)  # DDP averages gradients over processes
        yield loss.item()


def out_of_memory(error: Exception) -> bool:
    """Whether an error means that the GPU or the CPU is out of memory."""
    cpu = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    return cpu or isinstance(error, (torch.OutOfMemoryError, MemoryError))


def retry_on_oom(task: Task, photos: int, do: Callable[[], T]) -> Generator[Notice, None, T]:
    """The result of `do`, called again with half the micro-batch, after a notice, whenever memory runs out."""
    while True:
        try:
            return do()
        except Exception as error:
            if not out_of_memory(error):
                raise
        yield Notice(halve_micro_batch(task, photos))  # outside the handler, as the exception holds memory


def halve_micro_batch(task: Task, photos: int) -> str:
    """Halve the task's micro-batch and return a notice; raises BadInput if it cannot be smaller."""
    before = min(task.micro_batch_size(photos), photos)
    norms = not task.architecture.frozen and trains_norms(task.architecture.model)
    if before <= (2 if norms else 1):
        fewest = (
            "two photos at a time, the fewest that norm layers in train mode can take" if before > 1 else "one photo"
        )
        raise BadInput(f"Out of memory with {fewest}; choose smaller photos, or a smaller architecture.")
    if task.world.size > 1:  # the other processes are in the middle of the same step
        raise BadInput(
            f"Out of memory with {before} photos at once in a process of {task.world.size}; "
            f"set training.micro_batch to {before // 2} or less."
        )
    task.micro_batch = max(2 if norms else 1, before // 2)
    if task.dls.device.type == "cuda":
        torch.cuda.empty_cache()
    seen = f"; norm layers in train mode see {task.micro_batch} photos at a time" if norms else ""
    return (
        f"Out of memory with {before} photos at once: from now on {task.micro_batch}, with gradients "
        f"accumulated over the same batch{seen}."
    )
