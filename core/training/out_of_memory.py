"""What is done again with a smaller micro-batch when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

from core.device import out_of_memory
from core.errors import BadInput
from core.events import Notice
from core.training.task import Task, trains_norms

T = TypeVar("T")


def retry_on_oom(task: Task, photos: int, do: Callable[[], T]) -> Generator[Notice, None, T]:
    """The result of `do`, called again with half the micro-batch, after a notice, whenever memory runs out."""
    while True:
        try:
            return do()
        except Exception as error:
            if not out_of_memory(error):
                raise
        yield Notice(halve_micro_batch(task, photos))  # outside the handler, as the exception holds memory


def batches_on_oom(task: Task, photos: int, begin: Callable[[int], Iterator[T]], done: int = 0) -> Iterator[T | Notice]:
    """The batches that `begin` makes from a number on, begun again as `retry_on_oom` does if one finds no memory."""
    batches = begin(done)
    while True:
        try:
            batch = next(batches, None)
        except Exception as error:
            if not out_of_memory(error):
                raise
        else:
            if batch is None:
                return
            yield batch
            done += 1
            del batch  # it is no longer needed while the next one is made
            continue
        yield Notice(halve_micro_batch(task, photos))
        batches = begin(done)


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
    task.device.release_memory()
    seen = f"; norm layers in train mode see {task.micro_batch} photos at a time" if norms else ""
    return (
        f"Out of memory with {before} photos at once: from now on {task.micro_batch}, with gradients "
        f"accumulated over the same batch{seen}."
    )
