"""What is trained, on what, towards what; and the shape of one stage of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from core.data.loaders import DataLoaders
from core.errors import BadInput
from core.model.architecture import Architecture
from core.training.losses import CrossEntropy
from core.training.metrics import Metric
from core.training.parallel import ALONE, World

BATCH_NORM = nn.modules.batchnorm._BatchNorm
OptFunc = Callable[..., torch.optim.Optimizer]
ADAMW: OptFunc = partial(torch.optim.AdamW, betas=(0.9, 0.99), eps=1e-5, fused=True)  # as fastai sets it
CPU_PART = 16  # photos at once where parts give the same gradient: what a CPU's caches hold, and less memory


@dataclass
class Task:
    """A network, its data, its loss, and how it is measured; `world` are the processes that share each batch."""

    architecture: Architecture
    dls: DataLoaders
    loss: nn.Module
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    weight_decay: float = 0.01
    train_bn: bool = False
    micro_batch: int = 0
    ema: float = 0.0
    epochs_seen: int = 0  # of all stages: each epoch has an order and augmentation of its own
    world: World = ALONE
    opt_func: OptFunc = ADAMW
    network: nn.Module = field(init=False)
    on_features: bool = field(default=False, init=False)
    _resting: Architecture | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Random weights have no statistics worth keeping, so their norm layers are trained in any case."""
        self.train_bn = self.train_bn or not self.architecture.pretrained
        self.architecture.model.to(self.dls.device, memory_format=torch.channels_last)
        self.loss.to(self.dls.device)
        self.connect()

    def connect(self, on_features: bool = False) -> None:
        """Let the processes share the gradients of what learns now, which sees photos or their features."""
        self.on_features = on_features
        self._resting = None  # it may have learnt since
        self.network = self.world.wrap(Head(self.architecture) if on_features else Network(self))

    @property
    def resting(self) -> Architecture:
        """The network with a frozen body, which only answers as long as this is the same."""
        if self._resting is None:
            example = torch.zeros(1, 3, *self.dls.train.pipeline.size, device=self.dls.device)
            self._resting = self.architecture.fused_copy(example)
        return self._resting

    def precision(self) -> torch.autocast:
        """Products in bfloat16 on a GPU that has it; never on a CPU, where it is slower."""
        on = self.dls.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.autocast(self.dls.device.type, torch.bfloat16, enabled=on)

    def check_parts(self, frozen: bool) -> None:
        """Raise BadInput where a norm layer in training would see one photo at a time, which has no statistics."""
        arch = self.architecture
        norms = arch.model if self.train_bn else arch.head
        parts_train = self.micro_batch == 1 and (self.train_bn or not frozen)
        if parts_train and any(isinstance(m, BATCH_NORM) for m in norms.modules()):
            raise BadInput(
                "training.micro_batch is 1, but norm layers in training need two photos; set it to 0, or to 2."
            )

    def train_mode(self) -> None:
        """Ready for a step; the head alone where nothing else takes part."""
        self.architecture.head.train() if self.on_features else self.architecture.train_mode(self.train_bn)

    def part(self, photos: int) -> int:
        """How many of so many photos go through the network at once, the gradients of the parts added up."""
        if self.micro_batch:
            return self.micro_batch
        arch = self.architecture
        same_in_parts = arch.frozen or (is_mean_over_photos(self.loss) and not trains_norms(arch.model))
        return CPU_PART if same_in_parts and self.dls.device.type == "cpu" else max(1, photos)


@dataclass(frozen=True)
class Stage:
    """One cycle: peak rates, one a group, and the shape of the schedule; what learns in it, if it says so.

    With `passes`, an epoch goes so many times through features of the frozen body that are computed before.
    """

    name: str
    epochs: int
    rates: Sequence[float]
    pct_start: float = 0.25
    div: float = 25.0
    div_final: float = 1e5
    frozen: bool | None = None
    passes: int = 0


class Network(nn.Module):
    """The way of a training batch: without a graph through a frozen body, which takes it in parts."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task, self.model = task, task.architecture.model

    def forward(self, images: Tensor, part: int) -> Tensor:
        """[N, 3, H, W] in 0..1 to logits [N, classes]."""
        arch = self.task.architecture
        if not arch.frozen:
            return arch.forward(images)
        with torch.no_grad():
            feature_map = torch.cat([self.task.resting.feature_map(x) for x in parts(images, part)])
        return self.model.forward_head(feature_map)  # type: ignore[no-any-return]


class Head(nn.Module):
    """The way of a training batch of features: all at once, whatever the part."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture, self.head = architecture, architecture.head

    def forward(self, features: Tensor, part: int) -> Tensor:
        """Features as `Architecture.features` makes them to logits [N, classes]."""
        return self.architecture.logits(features)


def parts(batch: Tensor, size: int) -> tuple[Tensor, ...]:
    """A batch in parts of about `size`, none of them a rest of one that a norm layer could not take."""
    fewest = 1 if size == 1 else 2  # photos in a part, where the batch has them
    return torch.tensor_split(batch, max(1, min(-(-len(batch) // size), len(batch) // fewest)))


def is_mean_over_photos(loss: nn.Module) -> bool:
    """Whether the loss of a batch is the mean of the losses of its photos, so that it can be taken in parts."""
    plain = isinstance(loss, nn.CrossEntropyLoss) and loss.weight is None and loss.reduction == "mean"
    return plain or isinstance(loss, CrossEntropy)


def trains_norms(model: nn.Module) -> bool:
    """Whether a layer takes statistics of the batch, so that parts of a batch are not the same as the batch."""
    return any(isinstance(m, BATCH_NORM) and m.training for m in model.modules())


def make_optimizer(task: Task, rates: Sequence[float]) -> torch.optim.Optimizer:
    """The task's, with no decay on norm layers and biases; a group knows its place in `rates`."""
    groups: list[dict[str, Any]] = []
    for layers, (parameters, rate) in enumerate(zip(task.architecture.groups, rates, strict=True)):
        learning = [p for p in parameters if p.requires_grad]
        for decay, chosen in (
            (task.weight_decay, [p for p in learning if p.ndim > 1]),
            (0.0, [p for p in learning if p.ndim <= 1]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay, "layers": layers})
    return task.opt_func(groups)
