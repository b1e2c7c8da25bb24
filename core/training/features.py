"""Features of a frozen backbone, extracted once per photo and view, on which the head trains in seconds."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.data.loaders import Loader
from core.device import choose
from core.errors import BadInput
from core.events import FeaturesMade, Notice
from core.training.out_of_memory import batches_on_oom, retry_on_oom
from core.training.task import Task, chunks

MAX_FEATURE_BYTES = 1_000_000_000  # of features, which checkpoints hold too


@dataclass
class FeatureLoader:
    """Batches of features in place of a loader's photos, with `head_epochs` passes over the photos per epoch.

    `values` [V, N, ...] are the features of V augmented views of N photos, of which each pass takes one per photo;
    `readable` [V, N] says which of them could be read.
    """

    loader: Loader
    values: Tensor
    readable: Tensor
    head_epochs: int = 1

    @property
    def skipped(self) -> dict[Path, str]:
        """Files that could not be read."""
        return self.loader.skipped

    def __len__(self) -> int:
        return self.head_epochs * len(self.loader)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor, list[int]]]:
        """Features [N, ...], targets and indices of each batch of an epoch, starting at batch `start`."""
        done, batch = divmod(start, len(self.loader))
        send = choose(self.values.device).send
        for head_epoch in range(epoch * self.head_epochs + done, (epoch + 1) * self.head_epochs):
            for indices in self.loader.order(head_epoch)[batch:]:
                rows = [((head_epoch + i) % len(self.values), i) for i in indices]
                there = [(view, i) for view, i in rows if self.readable[view, i]]
                chosen = [i for _, i in there]
                targets = [self.loader.targets[i] for i in chosen]
                views, photos, labels = map(send, map(np.array, ([view for view, _ in there], chosen, targets)))
                yield self.values[views, photos], labels, chosen
            batch = 0


@dataclass
class FeatureCache:
    """The features of the training photos and of the validation photos."""

    train: FeatureLoader
    valid: FeatureLoader

    def tensors(self) -> dict[str, Tensor]:
        """All tensors, by name."""
        sides = {"train": self.train, "valid": self.valid}
        return {f"{s}.{n}": getattr(side, n) for s, side in sides.items() for n in ("values", "readable")}

    @classmethod
    def restored(cls, task: Task, tensors: Mapping[str, Tensor], head_epochs: int) -> FeatureCache:
        """The cache whose `tensors()` were saved."""
        device = task.dls.device
        train, valid = (
            FeatureLoader(loader, tensors[f"{s}.values"].to(device), tensors[f"{s}.readable"])
            for s, loader in (("train", task.dls.train), ("valid", task.dls.valid))
        )
        return cls(replace(train, head_epochs=head_epochs), valid)


def unsupported_reason(task: Task, views: int) -> str:
    """Why the head cannot be trained on features of `views` views per photo; "" if it can."""
    if task.train_bn:
        return "the norm layers of the backbone are trained"
    if task.world.size > 1:
        return "several processes share each batch"
    if mixing := task.dls.train.pipeline.with_targets:
        return f"{type(mixing[0]).__name__} mixes photos before they reach the backbone"
    task.architecture.model.eval()
    image = torch.zeros(1, 3, *task.dls.train.pipeline.size, device=task.dls.device)
    if not task.architecture.has_features(image):
        return "this network cannot be split before its head"
    with torch.inference_mode():
        probe = task.architecture.features(image)
    photos = views * len(task.dls.train.items) + len(task.dls.valid.items)
    if photos * probe.nbytes > MAX_FEATURE_BYTES:
        return f"features of {photos:,} photos would take {photos * probe.nbytes / 1e9:.1f} GB of memory"
    return ""


def extract(
    task: Task,
    loader: Loader,
    views: int,
    head_epochs: int,
    total: int,
    done: int = 0,
    hurry: Callable[[], bool] = bool,
) -> Generator[FeaturesMade | Notice, None, FeatureLoader]:
    """Extract the features [views, N, ...] of a loader's photos, each view with the augmentation of another epoch.

    Photos are taken in the order of the items, so in the same batches each time; no further view is extracted once
    `hurry` returns true. Raises BadInput if no photo can be read.
    """
    in_order = replace(loader, shuffle=False)
    values, readable = torch.empty(0), torch.zeros(views, len(loader.items), dtype=torch.bool)
    for view in range(views):
        begin = partial(in_order.batches, task.epochs_seen + view)
        for batch in batches_on_oom(task, task.full_batch, begin):
            if isinstance(batch, Notice):
                yield batch
                continue
            images, _, indices = batch
            if indices:
                found = yield from retry_on_oom(task, len(images), partial(_features, task, images, loader.training))
                if not len(values):
                    values = found.new_zeros(views, len(loader.items), *found.shape[1:])
                values[view, indices] = found
                readable[view, indices] = True
            done += 1
            yield FeaturesMade(done, total)
        if hurry() and len(values):
            values, readable = values[: view + 1], readable[: view + 1]
            break
    if not len(values):
        raise BadInput("None of the photos could be read; see the list of skipped files.")
    return FeatureLoader(loader, values, readable, head_epochs)


def _features(task: Task, images: Tensor, training: bool) -> Tensor:
    """Features of a batch; those of validation in fp32, as its figures are reported."""
    with torch.no_grad(), task.autocast() if training else nullcontext():
        size = task.micro_batch_size(len(images))
        return torch.cat([task.fused.features(x) for x in chunks(images, size)]).float()
