"""Loaders of photo batches, prepared by threads, in an order that depends only on seed and epoch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from timeit import timeit
from typing import Any, Unpack

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from core.data.accelerator import Maker, PhotoStore
from core.data.cache import decoded
from core.data.draws import Draws
from core.data.photo import BadPhoto
from core.data.pipeline import Pipeline, Prepare
from core.data.sheet import Layout, sheet
from core.data.threads import photo_threads
from core.data.transforms import Pixels
from core.device import choose
from core.errors import BadInput
from core.recipe import Training

AHEAD = 2  # batches to prefetch
FEW = 4  # threads
PART = 16  # photos of a batch that one thread prepares at most, as drawing costs the same for any number

Read = Pixels | str | None  # a photo, why it cannot be read, or nothing as it is kept or was written to its place


@dataclass(frozen=True)
class PendingBatch:
    """A batch whose photos are being prepared, part by part, each of which ends with what was read or why not.

    On a CPU the photos are written to `places` [N, 3, H, W]; on an accelerator the images are made of what was read.
    """

    number: int  # among the batches that are asked for
    indices: list[int]
    targets: Tensor
    jobs: list[Future[list[Read]]]
    places: Tensor | None


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
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    prepared: Prepare = decoded
    share: tuple[int, int] = (0, 1)  # rank and world size of the processes that share each batch
    skipped: dict[Path, str] = field(default_factory=dict)
    vocab: Sequence[str] = ()  # class names
    mixes: bool = True  # whether transforms such as MixUp apply in training
    resident: float = Training.resident  # share of the free memory of an accelerator, and of the machine, for photos
    store: PhotoStore | None = None  # these photos
    _epoch: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.workers < 1:
            raise BadInput(f"batch_size and workers must be at least 1, not {self.batch_size} and {self.workers}.")
        device = choose(self.device)
        if device.host or not self.resident or not self.pipeline.kept(self.training):
            self.store = None
        elif self.store is None:
            self.store = PhotoStore(device, len(self.items), self.resident)

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
        rank, size = self.share
        order = [indices[rank::size] for indices in self.order(epoch)[start:]]
        pool, maker = photo_threads(self._threads(order)), self._maker(epoch, order)
        waiting: deque[PendingBatch] = deque()
        batches = [*zip(order, self._targets(order), strict=True), *[([], torch.empty(0))] * AHEAD]
        try:
            for number, (indices, targets) in enumerate(batches):
                waiting.append(self._begin(pool, epoch, number, indices, targets))
                if len(waiting) > AHEAD:
                    yield self._collect(waiting.popleft(), maker, epoch)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            if maker:
                maker.close()

    def show_batch(self, max_n: int = 9, unique: bool = False, **layout: Unpack[Layout]) -> Image:
        """A contact sheet of photos as the model sees them, with labels; `unique` repeats one photo, augmented."""
        if unique:
            pixels = [self.pipeline.read(self.items[0], self.training, self.prepared) for _ in range(max_n)]
            draws = [self._draws(epoch, [0]) if self.training else None for epoch in range(max_n)]
            views = [self.pipeline.images([one], drawn) for one, drawn in zip(pixels, draws, strict=True)]
            images = self.pipeline.apply_batch_tfms(torch.cat(views).to(self.device), self.training)
            targets = [self.targets[0]] * max_n
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

    def _draws(self, epoch: int, indices: Sequence[int]) -> Draws:
        return Draws(self.seed, epoch, indices)

    def _threads(self, order: Sequence[Sequence[int]]) -> int:
        """How many threads prepare photos: for an accelerator no more than one for each ms that a photo takes.

        A photo takes the interpreter for about .4 ms, without which nothing is launched; a CPU's kernels are longer.
        """
        if choose(self.device).host or self.workers <= FEW or not order:
            return self.workers
        times = [timeit(partial(self._read, [i]), number=1) for i in order[0][:2]]
        return min(self.workers, max(FEW, round(1000 * min(times, default=0))))

    @torch.inference_mode(False)
    def _targets(self, order: Sequence[Sequence[int]]) -> Sequence[Tensor]:
        """The targets of all batches on the device, by one copy."""
        targets = np.array([self.targets[i] for indices in order for i in indices], np.int64)
        return torch.split(choose(self.device).send(targets), [len(indices) for indices in order])

    def _maker(self, epoch: int, order: Sequence[Sequence[int]]) -> Maker | None:
        """What makes the batches of an accelerator."""
        if (device := choose(self.device)).host:
            return None
        draws = partial(self._draws, epoch) if self.training else None
        return Maker(device, self.pipeline, self.store, order, lambda i: (self.items[i], self.training), draws)

    @torch.inference_mode(False)  # threads and the caller write into the batch
    def _begin(
        self, pool: ThreadPoolExecutor, epoch: int, number: int, indices: list[int], targets: Tensor
    ) -> PendingBatch:
        size = max(1, min(PART, -(-len(indices) // self.workers)))
        parts = [slice(i, i + size) for i in range(0, len(indices), size)]
        if not choose(self.device).host:
            # threads that only find that nothing is to be read would keep the interpreter from launching kernels
            kept = self.store is not None and all((self.items[i], self.training) in self.store for i in indices)
            jobs = [] if kept else [pool.submit(self._read, indices[part]) for part in parts]
            return PendingBatch(number, indices, targets, jobs, None)
        places = torch.empty(len(indices), 3, *self.pipeline.size)
        jobs = [pool.submit(self._write, epoch, indices[part], places[part]) for part in parts]
        return PendingBatch(number, indices, targets, jobs, places)

    def _read(self, indices: list[int]) -> list[Read]:
        """The work of a thread for an accelerator: the photos that are not there already."""
        found: list[Read] = []
        for file in (self.items[i] for i in indices):
            try:
                kept = self.store and (file, self.training) in self.store
                found.append(None if kept else self.pipeline.read(file, self.training, self.prepared))
            except BadPhoto as error:
                found.append(str(error))  # not the error: its traceback would hold the batch
        return found

    def _write(self, epoch: int, indices: list[int], places: Tensor) -> list[Read]:
        """The work of a thread on a CPU: its part of a batch, written to `places`."""
        found = self._read(indices)
        photos = {i: pixels for i, pixels in enumerate(found) if isinstance(pixels, np.ndarray)}
        draws = self._draws(epoch, [indices[i] for i in photos]) if self.training else None
        self.pipeline.write(list(photos.values()), draws, [places[i] for i in photos])
        return [None if i in photos else reason for i, reason in enumerate(found)]

    @torch.inference_mode(False)
    def _collect(self, pending: PendingBatch, maker: Maker | None, epoch: int) -> tuple[Tensor, Tensor, list[int]]:
        found: list[Read] = [photo for job in pending.jobs for photo in job.result()] or [None] * len(pending.indices)
        reasons = {i: photo for i, photo in zip(pending.indices, found, strict=True) if isinstance(photo, str)}
        self.skipped |= {self.items[i]: why for i, why in reasons.items()}
        kept = [row for row, photo in enumerate(found) if not isinstance(photo, str)]
        indices, targets = [pending.indices[row] for row in kept], pending.targets
        targets = targets[kept] if reasons else targets
        if not indices:
            return torch.empty(0, 3, *self.pipeline.size, device=self.device), targets, []
        if maker:
            images = maker.make(pending.number, indices, [p for p in found if not isinstance(p, str)])
        else:
            assert pending.places is not None
            images = pending.places[kept] if reasons else pending.places
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
