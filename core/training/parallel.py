"""Several processes that train one network, as `torchrun` starts them; each takes its share of every batch."""

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

from core.errors import BadInput

PATIENCE = timedelta(days=30)  # the first process may have to wait for its turn, and to check a million photos


@dataclass(eq=False)
class World:
    """The place of this process among `size`; alone, each of its words gives back what it was given."""

    rank: int = 0
    size: int = 1
    has_broadcast: bool = False

    def sum(self, value: float) -> float:
        """The sum of a number over all processes."""
        if self.size == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=_device())
        dist.all_reduce(total)
        return total.item()

    def broadcast(self, value: Any) -> Any:
        """The first process's value, in every process."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, 0, device=_device())
        return box[0]

    def broadcast_once(self, plan: Any) -> Any:
        """The first process's plan, in every process; only the first call counts, so that there can always be one."""
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

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network with its gradients averaged over all processes, if any of its parameters learns."""
        if self.size == 1 or not any(p.requires_grad for p in network.parameters()):
            return network
        if torch.cuda.is_available():  # norm layers then see the photos of all processes
            from timm.layers.norm_act import convert_sync_batchnorm

            network = convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return nn.parallel.DistributedDataParallel(network)

    def no_sync(self, network: nn.Module, last: bool) -> AbstractContextManager[Any]:
        """Gradients need not travel before the last part of a batch."""
        if last or not isinstance(network, nn.parallel.DistributedDataParallel):
            return nullcontext()
        return network.no_sync()

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Give every process the norm statistics of the first, whose share of the photos made them."""
        if self.size > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)

    def leave(self) -> None:
        """End what `join` began."""
        if self.size > 1:
            dist.destroy_process_group()


@contextmanager
def together(world: World) -> Iterator[None]:
    """Say in a sentence that another process was lost, which torch says in the words of its network; BadInput."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        what = str(error).splitlines()[0][:150]
        raise BadInput(f"One of {world.size} processes that train together failed ({what}); resume the run.") from error


ALONE = World()


def join() -> World:
    """The world that `torchrun` made, or this process alone."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return ALONE
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    return World(dist.get_rank(), dist.get_world_size())


def _device() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
