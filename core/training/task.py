"""A training task (model, data, loss, metrics, optimizer) and the stages in which it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from core.data.loaders import DataLoaders
from core.device import AUTO, Device, choose
from core.errors import BadInput
from core.model.architecture import Architecture
from core.recipe import Training
from core.registry import optimizers
from core.training.losses import ClassificationLoss
from core.training.metrics import Metric
from core.training.parallel import ALONE, World

BATCH_NORM = nn.modules.batchnorm._BatchNorm
OptFunc = Callable[..., torch.optim.Optimizer]


def default_optimizer() -> OptFunc:
    """The function that creates the default optimizer."""
    return optimizers.bind(Training.optimizer)


@dataclass
class Task:
    """A network with its data, loss, metrics and optimizer; the processes of `world` share each batch."""

    architecture: Architecture
    dls: DataLoaders
    loss: nn.Module
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    weight_decay: float | None = None  # overrides the optimizer's own
    train_bn: bool = False
    micro_batch: int = 0
    ema: float = 0.0
    epochs_seen: int = 0  # over all stages; it seeds the order and the augmentation of an epoch
    world: World = ALONE
    opt_func: OptFunc = field(default_factory=default_optimizer)
    precision: str = AUTO
    compile: bool = False
    device: Device = field(init=False)
    network: nn.Module = field(init=False)
    on_features: bool = field(default=False, init=False)
    trains_norms: bool = field(default=False, init=False)  # as `train_mode` found it
    _mode_set: bool = field(default=False, init=False)
    _fused: Architecture | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Move everything to the device; norm layers without pretrained statistics are always trained.

        Raises BadInput if the device does not have the precision.
        """
        self.device = choose(self.dls.device)
        self.precision = self.device.precision(self.precision)
        self.device.tune()
        self.train_bn = self.train_bn or not self.architecture.pretrained
        self.architecture.model.to(self.dls.device, memory_format=torch.channels_last)
        self.loss.to(self.dls.device)
        self.connect()

    def connect(self, on_features: bool = False) -> None:
        """Build the `network` that is trained, on photos or `on_features`, with gradients shared by all processes."""
        self.on_features = on_features
        self._fused = None  # other layers may be frozen now
        self._mode_set = False
        network: Any = FeatureHead(self.architecture) if on_features else Network(self)
        if self.compile and not on_features and not self.architecture.frozen:
            network = torch.compile(network, dynamic=False)
        norms = self.architecture.model if self.train_bn else self.architecture.head
        self.network = self.world.wrap(network, None if self.device.host else norms)

    @property
    def fused(self) -> Architecture:
        """The network as it is trained: its frozen norms are fused, and what is trained belongs to both."""
        if self._fused is None:
            self._fused = self.architecture
            if not all(p.requires_grad for p in self.architecture.model.parameters()):
                example = torch.zeros(1, 3, *self.dls.train.pipeline.size, device=self.dls.device)
                self._fused = self.architecture.fused_copy(example, frozen_only=True)
        return self._fused

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which training computes in the task's precision; what is reported is computed without it."""
        return self.device.autocast(self.precision)

    @property
    def unread_losses(self) -> int:
        """How many steps may be taken before the loss of the first is read; one on an accelerator, which then works on.

        Several processes read a loss together, which they could not do while one of them saves a checkpoint.
        """
        return 0 if self.device.host or self.world.size > 1 else 1

    @property
    def full_batch(self) -> int:
        """The photos of this process in the largest training batch."""
        train = self.dls.train
        return -(-len(train.items) // (max(1, len(train)) * self.world.size))

    def check_micro_batch(self, frozen: bool) -> None:
        """Raise BadInput if a batch norm in train mode would get one photo at a time, which has no statistics."""
        arch = self.architecture
        norms = arch.model if self.train_bn else arch.head
        single_photo = self.micro_batch == 1 and (self.train_bn or not frozen)
        if single_photo and any(isinstance(m, BATCH_NORM) for m in norms.modules()):
            raise BadInput(
                "training.micro_batch is 1, but norm layers in train mode need two photos; set it to 0 or 2."
            )

    def train_mode(self) -> None:
        """Set train mode for a step, if it is not set; only on the head if it is trained on features."""
        if self._mode_set and self.architecture.head.training:  # visiting all modules takes as long as a small step
            return
        if self.on_features:
            self.architecture.head.train()
        else:
            self.architecture.train_mode(self.train_bn)
            self.fused.train_mode(self.train_bn)
        self.trains_norms, self._mode_set = trains_norms(self.architecture.model), True

    def micro_batch_size(self, photos: int) -> int:
        """The size of the micro-batches into which a batch of `photos` is divided; their gradients are accumulated."""
        if self.micro_batch:
            return self.micro_batch
        arch = self.architecture
        if not self.device.capacity:
            return max(1, photos)
        adds_up = arch.frozen or (is_mean_over_photos(self.loss) and not trains_norms(arch.model))
        return self.device.capacity if adds_up else max(1, photos)


@dataclass(frozen=True)
class Stage:
    """One one-cycle schedule: epochs, peak rates of the parameter groups, and the shape of the cycle.

    `frozen` freezes or unfreezes the body first, but for its first `frozen_stages`; None leaves it. With `head_epochs`,
    features of the frozen backbone are extracted first, and the head is trained on them for that many epochs per epoch.
    """

    name: str
    epochs: int
    rates: Sequence[float]
    pct_start: float = 0.25
    div: float = 25.0
    div_final: float = 1e5
    frozen: bool | None = None
    head_epochs: int = 0
    frozen_stages: int | None = 0


class Network(nn.Module):
    """The forward pass of a training batch; a frozen backbone runs in micro-batches and without gradients."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task, self.model = task, task.architecture.model

    def forward(self, images: Tensor, micro_batch: int) -> Tensor:
        """[N, 3, H, W] in 0..1 to logits [N, classes]."""
        arch = self.task.architecture
        if not arch.frozen:
            return self.task.fused.forward(images)
        with torch.no_grad():
            feature_map = torch.cat([self.task.fused.feature_map(x) for x in chunks(images, micro_batch)])
        return self.model.forward_head(feature_map)  # type: ignore[no-any-return]


class FeatureHead(nn.Module):
    """The forward pass of a training batch of features; it ignores the micro-batch size."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture, self.head = architecture, architecture.head

    def forward(self, features: Tensor, micro_batch: int) -> Tensor:
        """Features, as `Architecture.features` returns them, to logits [N, classes]."""
        return self.architecture.logits(features)


def chunks(batch: Tensor, size: int) -> tuple[Tensor, ...]:
    """A batch in chunks of about `size`, none of a single photo unless `size` is 1, as batch norms need two."""
    fewest = 1 if size == 1 else 2
    return torch.tensor_split(batch, max(1, min(-(-len(batch) // size), len(batch) // fewest)))


def padded(batch: Tensor, size: int) -> Tensor:
    """A batch repeated until it has `size` photos, as each new shape of a batch costs an accelerator seconds."""
    if not 0 < len(batch) < size:
        return batch
    return batch[torch.arange(size, device=batch.device) % len(batch)]


def is_mean_over_photos(loss: nn.Module) -> bool:
    """Whether the loss of a batch is the mean of its photos' losses, so that micro-batches give the same gradient."""
    plain = isinstance(loss, nn.CrossEntropyLoss) and loss.weight is None and loss.reduction == "mean"
    return plain or isinstance(loss, ClassificationLoss)


def trains_norms(model: nn.Module) -> bool:
    """Whether a batch norm is in train mode, so that micro-batches do not give the gradient of the batch."""
    return any(isinstance(m, BATCH_NORM) and m.training for m in model.modules())


def make_optimizer(task: Task, rates: Sequence[float]) -> torch.optim.Optimizer:
    """The task's optimizer, without decay on norms, biases and `no_weight_decay()`; a group's rate is rates[layers]."""
    own = {} if task.weight_decay is None else {"weight_decay": task.weight_decay}
    model: Any = task.architecture.model
    exempt = {  # timm's convention, which the body of a network with a head of ours may follow
        f"{prefix}.{name}".lstrip(".")
        for prefix, module in model.named_modules()
        if hasattr(module, "no_weight_decay")
        for name in module.no_weight_decay()
    }
    no_decay = {p for name, p in model.named_parameters() if p.ndim <= 1 or name in exempt}
    groups: list[dict[str, Any]] = []
    for layers, (parameters, rate) in enumerate(zip(task.architecture.groups, rates, strict=True)):
        trained = [p for p in parameters if p.requires_grad]
        for decay, chosen in (
            (own, [p for p in trained if p not in no_decay]),
            ({"weight_decay": 0.0}, [p for p in trained if p in no_decay]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": rate, "layers": layers, **decay})
    return task.opt_func(groups)
