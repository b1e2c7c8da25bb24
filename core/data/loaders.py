"""Loaders of photo batches, prepared by threads, in an order that depends only on seed and epoch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Unpack

import torch
from PIL.Image import Image
from torch import Tensor

from core.data.cache import decoded
from core.data.photo import BadPhoto
from core.data.pipeline import Pipeline, Prepare, Sample
from core.data.sheet import Layout, sheet
from core.data.threads import photo_threads
from core.device import choose
from core.errors import BadInput

AHEAD = 2  # batches to prefetch


@dataclass(frozen=True)
class PendingBatch:
    """A batch whose photos are being prepared; on a CPU, each is written to its row of `images` [N, 3, H, W]."""

    images: Tensor | None
    jobs: list[tuple[int, Future[Sample | None]]]


@dataclass
class Loader:
    """Iterates over (images [N, 3, H, W] in 0..1, targets [N]); `skipped` collects files that could not be read.

    In training with MixUp or the like, targets are soft: [N, C], except in the loader that `unmixed` returns.
    """

    items: Sequence[Path]
    targets: Sequence[int]
    pipeline: Pipeline
    batch_size: int
    training: bool
    shuffle: bool = False
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    workers: int = field(default_factory=lambda: min(8, os.cpu_count() or 1))
    prepared: Prepare = decoded
    share: tuple[int, int] = (0, 1)  # rank and world size of the processes that share each batch
    skipped: dict[Path, str] = field(default_factory=dict)
    vocab: Sequence[str] = ()  # class names
    mixes: bool = True  # whether transforms such as MixUp apply in training
    _epoch: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.workers < 1:
            raise BadInput(f"batch_size and workers must be at least 1, not {self.batch_size} and {self.workers}.")

    def __len__(self) -> int:
        """The number of batches per epoch; every photo is in one, and sizes differ by at most one."""
        return -(-len(self.items) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        epoch, self._epoch = self._epoch, self._epoch + 1
        for images, targets, indices in self.batches(epoch):
            if indices:
                yield images, targets

    def order(self, epoch: int) -> list[list[int]]:
        """The indices of the photos in each batch of an epoch."""
        n = len(self.items)
        indices = list(range(n))
        if self.shuffle:
            Random(f"{self.seed}/{epoch}").shuffle(indices)
        edges = [round(i * n / max(len(self), 1)) for i in range(len(self) + 1)]
        return [indices[a:b] for a, b in pairwise(edges)]

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor, list[int]]]:
        """Images, targets and indices of each batch of an epoch from batch `start`, without unreadable photos.

        The random parameters of a photo depend only on (seed, epoch, index), not on the number of workers.
        """
        pool = photo_threads(self.workers)
        waiting: deque[PendingBatch] = deque()
        rank, size = self.share
        try:
            for indices in [*self.order(epoch)[start:], *[[]] * AHEAD]:
                waiting.append(self._begin(pool, epoch, indices[rank::size]))
                if len(waiting) > AHEAD:
                    yield self._collect(waiting.popleft(), epoch)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def sample(self, epoch: int, index: int) -> Sample:
        """One prepared photo with the random parameters of an epoch; raises BadPhoto."""
        return self.pipeline.item(
            self.items[index], Random(f"{self.seed}/{epoch}/{index}"), self.training, self.prepared
        )

    def show_batch(self, max_n: int = 9, unique: bool = False, **layout: Unpack[Layout]) -> Image:
        """A contact sheet of photos as the model sees them, with labels; `unique` repeats one photo, augmented."""
        if unique:
            samples = [self.sample(epoch, 0) for epoch in range(max_n)]
            images, targets = self.pipeline.batch(samples, self.device, self.training), [self.targets[0]] * max_n
        else:
            images, labels, _ = next(batch for batch in self.batches(0) if batch[2])
            images, targets = images[:max_n], labels[:max_n].tolist()
        return sheet(images, [self._caption(target) for target in targets], **layout)

    def unmixed(self) -> Loader:
        """The same loader without MixUp and the like, for everything but training steps."""
        return replace(self, mixes=False)

    def _caption(self, target: int | list[float]) -> str:
        """The label, or each label of a soft target with its share."""
        if not self.vocab:
            return ""
        if isinstance(target, int):
            return self.vocab[target]
        return ", ".join(f"{name} {share:.2f}" for name, share in zip(self.vocab, target, strict=True) if share)

    @torch.inference_mode(False)  # threads and the caller write into the batch
    def _begin(self, pool: ThreadPoolExecutor, epoch: int, indices: list[int]) -> PendingBatch:
        images, places = None, [None] * len(indices)
        if choose(self.device).host:
            images = torch.empty(len(indices), 3, *self.pipeline.size)
            places = list(images)
        jobs = [pool.submit(self._prepare, epoch, i, place) for i, place in zip(indices, places, strict=True)]
        return PendingBatch(images, list(zip(indices, jobs, strict=True)))

    def _prepare(self, epoch: int, index: int, place: Tensor | None) -> Sample | None:
        """The work of a thread for one photo; on a GPU, the rest is done for a whole batch at once."""
        sample = self.sample(epoch, index)
        if place is None:
            return sample
        place.copy_(self.pipeline.images([sample], self.device, self.training)[0])
        return None

    @torch.inference_mode(False)
    def _collect(self, pending: PendingBatch, epoch: int) -> tuple[Tensor, Tensor, list[int]]:
        kept, indices, samples = [], [], []
        for place, (index, job) in enumerate(pending.jobs):
            if isinstance(error := job.exception(), BadPhoto):  # not raised: its traceback would hold the batch
                self.skipped[self.items[index]] = str(error)
                continue
            kept.append(place)
            indices.append(index)
            if sample := job.result():
                samples.append(sample)
        targets = torch.tensor([self.targets[i] for i in indices], dtype=torch.long).to(self.device)
        if not indices:
            return torch.empty(0, 3, *self.pipeline.size, device=self.device), targets, []
        images = pending.images
        if images is None:
            images = self.pipeline.images(samples, self.device, self.training)
        elif len(kept) < len(images):
            images = images[kept]
        images = self.pipeline.apply_batch_tfms(images, self.training)
        if self.training and self.mixes and self.pipeline.with_targets:
            classes = len(self.vocab) or max(self.targets) + 1
            generator = Random(
                f"{self.seed}/{epoch}/batch of {indices[0]}"
            )  # unique, as a photo is in one batch of an epoch
            images, targets = self.pipeline.mix(images, targets, classes, generator)
        return images, targets, indices


@dataclass(slots=True)  # so that setting an unknown attribute raises
class DataLoaders:
    """The training and validation loaders of a data set, and its class names."""

    train: Loader
    valid: Loader
    vocab: list[str]

    @property
    def c(self) -> int:
        """The number of classes."""
        return len(self.vocab)

    @property
    def device(self) -> torch.device:
        """The device of the batches."""
        return self.train.device

    @property
    def class_counts(self) -> Tensor:
        """The number of training photos per class: [C]."""
        return torch.bincount(torch.tensor(self.train.targets, dtype=torch.long), minlength=self.c)

    def one_batch(self) -> tuple[Tensor, Tensor]:
        """The first training batch: images [N, 3, H, W] in 0..1 and targets [N]."""
        return next(iter(self.train))

    def show_batch(self, max_n: int = 9, unique: bool = False, **layout: Unpack[Layout]) -> Image:
        """`Loader.show_batch` of the training loader; use `dls.valid.show_batch()` for validation."""
        return self.train.show_batch(max_n, unique, **layout)

    def test_dl(self, items: Sequence[Any], labels: Sequence[str] | None = None) -> Loader:
        """A loader of other photos, prepared as in validation; targets are 0 without `labels`. Raises BadInput."""
        if labels is not None and (strange := set(labels) - set(self.vocab)):
            raise BadInput(f"The class {sorted(strange)[0]!r} is not among the classes: {', '.join(self.vocab)}.")
        targets = [self.vocab.index(label) for label in labels] if labels is not None else [0] * len(items)
        files = [Path(i) for i in items]
        valid = self.valid
        return Loader(
            files,
            targets,
            valid.pipeline,
            valid.batch_size,
            False,
            device=self.device,
            prepared=valid.prepared,
            vocab=self.vocab if labels is not None else (),
        )
