"""Distributed training with `torchrun`: each process takes its share of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed as dist
from torch import nn

from core.device import join_processes
from core.errors import BadInput

TIMEOUT = timedelta(days=30)  # rank 0 may wait in the queue, and check a million photos, before it broadcasts


@dataclass(eq=False)
class World:
    """The rank of this process among `size`; with one process, each collective returns its argument."""

    rank: int = 0
    size: int = 1
    has_broadcast: bool = False

    def sum(self, value: float) -> float:
        """The sum of a number over all processes."""
        if self.size == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)  # on the CPU, so that no GPU is waited for
        dist.all_reduce(total)
        return total.item()

    def broadcast(self, value: Any) -> Any:
        """The value of rank 0, in every process."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, 0, device=torch.device("cpu"))
        return box[0]

    def broadcast_once(self, plan: Any) -> Any:
        """The plan of rank 0, in every process; later calls do nothing, so that it can be repeated in a `finally`."""
        if self.size == 1 or self.has_broadcast:
            return plan
        self.has_broadcast = True
        return self.broadcast(plan)

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def wrap(self, network: nn.Module, norms: nn.Module | None = None) -> nn.Module:
        """The network with its gradients averaged over all processes, if any of its parameters is trainable.

        Batch norms in `norms`, which are trained, then take the statistics of the photos of all processes.
        """
        if self.size == 1 or not any(p.requires_grad for p in network.parameters()):
            return network
        if norms is not None:
            from timm.layers.norm_act import convert_sync_batchnorm

            convert_sync_batchnorm(norms)  # type: ignore[no-untyped-call]  # in place, below the root
        return nn.parallel.DistributedDataParallel(network)

    def no_sync(self, network: nn.Module, last: bool) -> AbstractContextManager[Any]:
        """A context that defers the exchange of gradients, unless this is the last micro-batch of a batch."""
        if last or not isinstance(network, nn.parallel.DistributedDataParallel):
            return nullcontext()
        return network.no_sync()

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Give every process the norm statistics of rank 0, so that all validate with the same."""
        if self.size > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)

    def leave(self) -> None:
        """Leave the process group that `join` entered."""
        if self.size > 1:
            dist.destroy_process_group()


@contextmanager
def together(world: World) -> Iterator[None]:
    """Raise BadInput instead of torch's network errors when another process has failed."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        what = str(error).splitlines()[0][:150]
        raise BadInput(f"One of {world.size} processes that train together failed ({what}); resume the run.") from error


ALONE = World()


def join() -> World:
    """Join the process group that `torchrun` describes, or return ALONE."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return ALONE
    join_processes(TIMEOUT)
    return World(dist.get_rank(), dist.get_world_size())
