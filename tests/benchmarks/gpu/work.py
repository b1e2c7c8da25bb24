"""What the parts share: their sizes, the photos in batches, the networks, and how a row is timed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core import CategoryBlock, DataBlock, DataLoaders, ImageBlock, get_image_files
from core.device import Device
from core.events import StepEnded
from core.training.learner import Learner
from core.training.loop import fit
from core.training.schedules import discriminative_lrs
from core.training.state import TrainState
from core.training.task import Stage
from core.training.vision_learner import vision_learner
from plugins.labellers.folder import parent_label
from plugins.metrics.accuracy import accuracy
from plugins.splitters.grandparent import GrandparentSplitter
from plugins.transforms.aug_transforms import aug_transforms
from plugins.transforms.resize import Resize


@dataclass(frozen=True)
class Work:
    """The device, the photos, and how much is done with them; `seconds` is the time of a row on synthetic data."""

    device: Device
    data: Path
    photos: int
    large: int = 460
    small: int = 224
    batches: Sequence[int] = (64, 256)
    networks: Sequence[str] = ("resnet50", "efficientnet_lite0")
    seconds: float = 6.0
    warm: int = 5
    epochs: int = 3
    fastai: Path | None = None  # a Python that can import it

    @property
    def rows(self) -> Iterator[tuple[str, int]]:
        """Each network with each size of a batch."""
        return ((network, batch) for network in self.networks for batch in self.batches)


TINY: dict[str, Any] = {"photos": 16, "large": 40, "small": 32, "batches": (4,), "networks": ("efficientnet_lite0",)}
TINY |= {"seconds": 0.1, "warm": 1, "epochs": 1}  # for a CPU: it shows that every part runs


@contextmanager
def data(work: Work, batch: int, workers: int | None = None, photos: int | None = None) -> Iterator[DataLoaders]:
    """Some of the photos in batches, with an empty cache, which the first epoch fills."""

    def some(folder: Path) -> list[Path]:
        found = sorted(get_image_files(folder))
        return found[:: max(1, len(found) // (photos or work.photos))]

    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=some,
        get_y=parent_label,
        splitter=GrandparentSplitter(valid_name="validation"),
        item_tfms=Resize(work.large),
        batch_tfms=aug_transforms(size=work.small, min_scale=0.75),
    )
    options = {"workers": workers} if workers else {}
    with tempfile.TemporaryDirectory() as cache:
        yield block.dataloaders(work.data, bs=batch, device=work.device.torch, cache=cache, **options)


def learner(dls: DataLoaders, network: str, pretrained: bool = False) -> Learner:
    """A network with random weights unless it is `pretrained`, which needs no network for efficientnet_lite0 alone."""
    torch.manual_seed(0)
    return vision_learner(dls, network, pretrained=pretrained, metrics=accuracy)


def steps(learn: Learner, epochs: int) -> Iterator[float]:
    """The moment at which each step of an unfrozen training was reported."""
    stage = Stage("steps", epochs, discriminative_lrs(slice(1e-3), len(learn.task.architecture.groups)), frozen=False)
    for event in fit(TrainState(learn.task, [stage])):
        if isinstance(event, StepEnded):
            yield time.perf_counter()


def rate(work: Work, batch: int, do: Callable[[], object]) -> float:
    """Photos a second of a step of `batch` photos, repeated after it was warmed up."""
    for _ in range(work.warm):
        do()
    work.device.synchronize()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < work.seconds:
        do()
        done += 1
        if done % 10 == 0:
            work.device.synchronize()
    work.device.synchronize()
    return done * batch / (time.perf_counter() - began)
