"""The loop: a stage of training as a generator of events. It never yields while gradients are switched off."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from core.data.loaders import DataLoaders, Loader
from core.errors import BadInput
from core.events import EpochEnded, Event, PhotoSkipped, StageStarted, StepEnded
from core.model.architecture import Architecture
from core.training.average import Average
from core.training.losses import CrossEntropy
from core.training.metrics import Metric
from core.training.schedules import one_cycle, one_cycle_momentum

CPU_PART = 16  # photos at once where parts give the same gradient: what a CPU's caches hold, and less memory


@dataclass
class Task:
    """What is trained, on what, towards what."""

    architecture: Architecture
    dls: DataLoaders
    loss: nn.Module
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    weight_decay: float = 0.01
    train_bn: bool = False
    micro_batch: int = 0
    ema: float = 0.0
    epochs_seen: int = 0  # of all stages: each epoch has an order and augmentation of its own

    def __post_init__(self) -> None:
        """Random weights have no statistics worth keeping, so their norm layers are trained in any case."""
        self.train_bn = self.train_bn or not self.architecture.pretrained
        self.architecture.model.to(self.dls.device, memory_format=torch.channels_last)
        self.loss.to(self.dls.device)


@dataclass(frozen=True)
class Stage:
    """One cycle: peak rates, one a group, and the shape of the schedule."""

    name: str
    epochs: int
    rates: Sequence[float]
    pct_start: float = 0.25
    div: float = 25.0
    div_final: float = 1e5


def fit(task: Task, stage: Stage) -> Iterator[Event]:
    """Train through one stage; the model ends as the mean of its weights, which is also what is validated."""
    optimizer = make_optimizer(task, stage.rates)
    average = Average(task.architecture.model, task.ema)
    steps = stage.epochs * len(task.dls.train)
    yield StageStarted(stage.name, stage.epochs, steps, list(stage.rates))
    for epoch in range(stage.epochs):
        began, losses, seen = time.perf_counter(), 0.0, 0
        for i, (images, targets, _) in enumerate(task.dls.train.batches(task.epochs_seen)):
            progress = (epoch * len(task.dls.train) + i) / steps
            rates = [one_cycle(progress, r, stage.pct_start, stage.div, stage.div_final) for r in stage.rates]
            loss = step(task, optimizer, images, targets, rates, one_cycle_momentum(progress, stage.pct_start))
            if not math.isfinite(loss):
                raise BadInput(f"The loss became {loss} at step {i + 1} of epoch {epoch}; lower the learning rate.")
            average.update()
            losses, seen = losses + loss * len(targets), seen + len(targets)
            yield StepEnded(epoch * len(task.dls.train) + i + 1, steps, loss, rates[-1])
        yield from skipped(task.dls.train)
        if not seen:
            raise BadInput("None of the training photos could be read; see the list of skipped files.")
        task.epochs_seen += 1
        with average.applied():
            valid_loss, metrics = validate(task)
        yield from skipped(task.dls.valid)
        yield EpochEnded(epoch, losses / seen, valid_loss, metrics, time.perf_counter() - began)
    average.swap()


def step(
    task: Task, optimizer: torch.optim.Optimizer, images: Tensor, targets: Tensor, rates: Sequence[float], mom: float
) -> float:
    """One optimizer step on images [N, 3, H, W] in 0..1, in parts of `micro_batch`; returns the mean loss."""
    arch = task.architecture
    arch.train_mode(task.train_bn)
    for group in optimizer.param_groups:
        group["lr"] = rates[group["layers"]]
        group["betas"] = (mom, group["betas"][1])
    total = 0.0
    for loss in _losses(task, images, targets):
        torch.autograd.backward(loss)
        total += loss.item()
    if math.isfinite(total):  # else the weights would be lost, and with them what was learnt so far
        optimizer.step()
    optimizer.zero_grad()
    return total


def _losses(task: Task, images: Tensor, targets: Tensor) -> Iterator[Tensor]:
    """The loss of the batch in parts that add up to its mean: one part where the body is frozen and needs no graph."""
    arch = task.architecture
    preferred = CPU_PART if task.dls.device.type == "cpu" else len(targets)
    if arch.frozen:
        with torch.no_grad():
            parts = _parts(images, task.micro_batch or preferred)
            features = torch.cat([arch.model.forward_features(arch.normalise(x)) for x in parts])
        yield task.loss(arch.model.forward_head(features), targets)
        return
    same_in_parts = is_mean_over_photos(task.loss) and not trains_norms(arch.model)
    part = task.micro_batch or (preferred if same_in_parts else len(targets))
    for x, y in zip(_parts(images, part), _parts(targets, part), strict=True):
        yield task.loss(arch.model(arch.normalise(x)), y) * (len(y) / len(targets))


def _parts(batch: Tensor, size: int) -> tuple[Tensor, ...]:
    """A batch in parts of about `size`, none of them a rest of one that a norm layer could not take."""
    fewest = 1 if size == 1 else 2  # photos in a part, where the batch has them
    return torch.tensor_split(batch, min(-(-len(batch) // size), max(1, len(batch) // fewest)))


def is_mean_over_photos(loss: nn.Module) -> bool:
    """Whether the loss of a batch is the mean of the losses of its photos, so that it can be taken in parts."""
    plain = isinstance(loss, nn.CrossEntropyLoss) and loss.weight is None and loss.reduction == "mean"
    return plain or isinstance(loss, CrossEntropy)


def trains_norms(model: nn.Module) -> bool:
    """Whether a layer takes statistics of the batch, so that parts of a batch are not the same as the batch."""
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training for m in model.modules())


def validate(task: Task) -> tuple[float, dict[str, float]]:
    """Loss in nats and metrics over the whole validation set."""
    logits, targets, _ = predict(task, task.dls.valid)
    if not len(targets):
        raise BadInput("None of the validation photos could be read; see the list of skipped files.")
    with torch.inference_mode():
        loss = task.loss(logits.to(task.dls.device), targets.to(task.dls.device)).item()
    return loss, {name: score(logits, targets) for name, score in task.metrics.items()}


def predict(task: Task, loader: Loader, epoch: int = 0) -> tuple[Tensor, Tensor, list[int]]:
    """Logits [N, C] and targets [N] of a loader on the CPU, and which of its items these are."""
    arch = task.architecture
    arch.model.eval()
    logits: list[Tensor] = [torch.empty(0, task.dls.c)]
    targets: list[Tensor] = [torch.empty(0, dtype=torch.long)]
    indices: list[int] = []
    for images, labels, chosen in loader.batches(epoch):
        with torch.inference_mode():
            logits.append(arch.model(arch.normalise(images)).float().cpu())
        targets.append(labels.cpu())
        indices += chosen
    return torch.cat(logits), torch.cat(targets), indices


def skipped(loader: Loader) -> Iterator[PhotoSkipped]:
    """The files that could not be read since this was last asked."""
    while loader.skipped:
        path, reason = loader.skipped.popitem()
        yield PhotoSkipped(str(path), reason)


def make_optimizer(task: Task, rates: Sequence[float]) -> torch.optim.AdamW:
    """AdamW as fastai sets it, with no decay on norm layers and biases; a group knows its place in `rates`."""
    groups = []
    for layers, (parameters, rate) in enumerate(zip(task.architecture.groups, rates, strict=True)):
        learning = [p for p in parameters if p.requires_grad]
        for decay, chosen in (
            (task.weight_decay, [p for p in learning if p.ndim > 1]),
            (0.0, [p for p in learning if p.ndim <= 1]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay, "layers": layers})
    return torch.optim.AdamW(groups, betas=(0.9, 0.99), eps=1e-5)
