"""Validation: the network's outputs for photos, gathered from all processes, with their loss and metrics."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from core.data.loaders import Loader
from core.errors import BadInput
from core.events import Notice, Validated, drain
from core.training.features import FeatureLoader
from core.training.out_of_memory import batches_on_oom, retry_on_oom
from core.training.task import Task, chunks, padded


@dataclass(frozen=True)
class Outputs:
    """Logits [N, C] and targets [N] on the CPU, with the indices of their items in the loader."""

    logits: Tensor
    targets: Tensor
    indices: list[int]


@dataclass(frozen=True)
class InMemoryBatches:
    """A loader over a list of batches (images [N, 3, H, W] in 0..1, targets [N])."""

    pairs: Sequence[tuple[Tensor, Tensor]]

    def __len__(self) -> int:
        return len(self.pairs)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor, list[int]]]:
        """The same batches in each epoch, from batch `start`, with the indices of their photos."""
        done = sum(len(targets) for _, targets in self.pairs[:start])
        for images, targets in self.pairs[start:]:
            yield images, targets, list(range(done, done + len(targets)))
            done += len(targets)


Batches = Loader | FeatureLoader | InMemoryBatches


def outputs(task: Task, loader: Batches, epoch: int = 0) -> Generator[Validated | Notice, None, Outputs]:
    """The network's outputs for the photos of a loader, in the order of its items."""
    task.architecture.model.eval()
    if isinstance(loader, Loader):
        loader = loader.unmixed()
    logits: list[Tensor] = [torch.empty(0, task.dls.c)]
    targets: list[Tensor] = [torch.empty(0, dtype=torch.long)]
    indices: list[int] = []
    done = full = 0
    for batch in batches_on_oom(task, task.full_batch, partial(loader.batches, epoch)):
        if isinstance(batch, Notice):
            yield batch
            continue
        images, labels, chosen = batch
        done, full = done + 1, max(full, len(images))
        if chosen:
            infer = task.architecture.logits if isinstance(loader, FeatureLoader) else task.architecture.forward
            logits.append((yield from retry_on_oom(task, len(images), partial(_infer, task, images, infer, full))))
            targets.append(labels.cpu())
            indices += chosen
        yield Validated(done, len(loader))
    return Outputs(torch.cat(logits), torch.cat(targets), indices)


def _infer(task: Task, inputs: Tensor, infer: Callable[[Tensor], Tensor], full: int) -> Tensor:
    with torch.inference_mode():  # and in fp32, as the saved model predicts, so that what is reported is its accuracy
        images = inputs if task.device.host else padded(inputs, full)
        logits = torch.cat([infer(x) for x in chunks(images, task.micro_batch or len(images))])
        return logits[: len(inputs)].float().cpu()


def gathered(task: Task, own: Outputs) -> Outputs:
    """The outputs of all processes, in the order of the items."""
    if task.world.size == 1:
        return own
    all_of = [Outputs(*values) for values in task.world.gather((own.logits, own.targets, own.indices))]
    indices = [i for own in all_of for i in own.indices]
    order = sorted(range(len(indices)), key=indices.__getitem__)
    logits, targets = (torch.cat([getattr(own, name) for own in all_of])[order] for name in ("logits", "targets"))
    return Outputs(logits, targets, sorted(indices))


def scores(task: Task, found: Outputs) -> tuple[float, dict[str, float]]:
    """The loss in nats and the metrics of outputs; raises BadInput if there are no outputs."""
    if not found.indices:
        raise BadInput("None of the validation photos could be read; see the list of skipped files.")
    device = task.dls.device
    with torch.inference_mode():
        loss = task.loss(found.logits.to(device), found.targets.to(device)).item()
    return loss, {name: float(score(found.logits, found.targets)) for name, score in task.metrics.items()}


def predict(task: Task, loader: Loader | InMemoryBatches, epoch: int = 0) -> Outputs:
    """The network's outputs for the photos of a loader, without events."""
    return drain(outputs(task, loader, epoch))


def validate(task: Task) -> tuple[float, dict[str, float]]:
    """The loss in nats and the metrics on the validation set."""
    return scores(task, predict(task, task.dls.valid))
