"""Batches on an accelerator: their photos cross as bytes in one transfer, or stay there, and become images there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import torch
from torch import Tensor

from core.data.canvas import Sampling, at_once, sample_flat, whole
from core.data.draws import Draws
from core.data.sampler import Ints, Plan
from core.data.transforms import Pixels
from core.device import Device

if TYPE_CHECKING:
    from core.data.pipeline import Pipeline

Key = tuple[Path, bool]  # a photo, as it is read in training or in validation
PLANNED = 1024  # photos that are planned at once, as arrays of them cost little more than those of one batch
SPARE = 1.05  # times the bytes that all photos would take if they were as large as the first ones


@dataclass(frozen=True)
class Flat:
    """The photos `rows` of a batch, one behind the other in `data`, uint8 [bytes]: `starts` [n], `shapes` [n, 2]."""

    rows: list[int]
    data: Tensor
    starts: Ints
    shapes: Ints


@dataclass
class PhotoStore:
    """Keeps presized photos where they are needed: on the device while they fit, then in memory.

    Both may take `share` of what is free when the first batch is made. A photo that is kept is not read again, even if
    its file changes.
    """

    device: Device
    photos: int
    share: float
    _data: Tensor | None = None
    _used: int = 0  # bytes of `_data`
    _memory: int = 0  # bytes that may still be kept beside the device
    _places: dict[Key, tuple[int, int, int]] = field(default_factory=dict)  # start, height and width
    _pixels: dict[Key, Pixels] = field(default_factory=dict)

    def __contains__(self, file: Key) -> bool:
        return file in self._places or file in self._pixels

    def flats(self, files: Sequence[Key], photos: Sequence[Pixels | None]) -> Iterator[Flat]:
        """The photos on the device: those kept there, and those that cross now; None where `file in self` holds."""
        new = [row for row, file in enumerate(files) if file not in self._places]
        if new:
            given = ((photos[row], files[row]) for row in new)
            pixels = [self._pixels[file] if photo is None else photo for photo, file in given]
            data, starts = _packed(pixels, self.device)
            shapes = np.array([p.shape[:2] for p in pixels])
            if not self._keep([files[row] for row in new], data, starts, shapes, pixels):
                yield Flat(new, data, starts, shapes)
        if kept := [row for row, file in enumerate(files) if file in self._places]:
            yield self.kept(kept, files)

    def keeps(self, files: Sequence[Key]) -> bool:
        """Whether all of these photos are on the device."""
        return all(file in self._places for file in files)

    def kept(self, rows: list[int], files: Sequence[Key]) -> Flat:
        """Those photos `rows` of a batch that are on the device."""
        assert self._data is not None
        places = np.array([self._places[files[row]] for row in rows])
        return Flat(rows, self._data, places[:, 0], places[:, 1:])

    def _keep(self, files: list[Key], data: Tensor, starts: Ints, shapes: Ints, pixels: Sequence[Pixels]) -> bool:
        """Keep a batch; returns whether all of it is on the device."""
        if self._data is None:
            wanted = int(SPARE * self.photos * len(data) / len(files))
            room = min(wanted, int(self.share * self.device.free_memory()))
            self._data = torch.empty(room, dtype=torch.uint8, device=self.device.torch)
            self._memory = min(wanted - room, int(self.share * psutil.virtual_memory().available))
        if self._used + len(data) <= len(self._data):
            self._data[self._used : self._used + len(data)] = data
            for file, start, (height, width) in zip(files, starts.tolist(), shapes.tolist(), strict=True):
                self._places[file] = self._used + start, height, width
            self._used += len(data)
            return True
        for file, photo in zip(files, pixels, strict=True):
            if file not in self._pixels and photo.nbytes <= self._memory:
                self._pixels[file] = photo
                self._memory -= photo.nbytes
        return False


def _packed(photos: Sequence[Pixels], device: Device) -> tuple[Tensor, Ints]:
    """The bytes of photos in one transfer, and where each of them starts."""
    edges = [0, *accumulate(p.nbytes for p in photos)]
    packed = torch.empty(edges[-1], dtype=torch.uint8, pin_memory=device.pinned)
    view = packed.numpy()
    for photo, start, end in zip(photos, edges, edges[1:], strict=False):
        view[start:end].reshape(photo.shape)[:] = photo
    return packed.to(device.torch, non_blocking=device.pinned), np.array(edges[:-1])


@dataclass(frozen=True)
class Planned:
    """Batches whose photos are all on the device, planned together: the rows of each by its number."""

    data: Tensor
    sampling: Sampling
    drawn: list[Tensor]  # by the pixel transforms
    rows: dict[int, slice]


class Maker:
    """Makes the images of one epoch's batches, on a stream of its own where there is one.

    `order` has the indices of each batch, `key` the photo of an index, and `draws` the numbers of photos in training.
    """

    def __init__(
        self,
        device: Device,
        pipeline: Pipeline,
        store: PhotoStore | None,
        order: Sequence[Sequence[int]],
        key: Callable[[int], Key],
        draws: Callable[[Sequence[int]], Draws] | None,
    ) -> None:
        self.device, self.pipeline, self.order, self.key, self.draws = device, pipeline, order, key, draws
        self.store = store or PhotoStore(device, 0, 0.0)
        self._module = torch.get_device_module(device.torch)
        self._stream = self._module.Stream(device.torch) if device.streams else None
        self._planned: Planned | None = None
        self._made: dict[int, Tensor] = {}  # by the number of the batch

    def make(self, number: int, indices: Sequence[int], photos: Sequence[Pixels | None]) -> Tensor:
        """The images [N, 3, H, W] in 0..1 of the readable photos of a batch, for kernels of the caller's stream."""
        if self._stream is None:
            return self._images(number, indices, photos)
        with self._module.stream(self._stream):
            images = self._images(number, indices, photos)
        current = self._module.current_stream(images.device)
        current.wait_stream(self._stream)
        images.record_stream(current)  # or their memory would be used for the next batch too early
        return images

    def close(self) -> None:
        """Wait for what was launched, as the next epoch reads the store on another stream."""
        if self._stream is not None:
            self._stream.synchronize()

    def _images(self, number: int, indices: Sequence[int], photos: Sequence[Pixels | None]) -> Tensor:
        if number not in self._made and (planned := self._plan(number)):
            self._made = dict(self._make_some(number, planned))
        if number in self._made:
            return self._made.pop(number)
        parts = list(self.store.flats([self.key(i) for i in indices], photos))
        if not self.draws:
            send = self.device.send
            return self._joined(parts, [whole(part.data, send(part.starts), self.pipeline.size) for part in parts])
        sizes = np.empty((len(indices), 2))
        for part in parts:
            sizes[part.rows] = part.shapes
        plan, drawn = self.pipeline.draw(sizes, self.draws(indices))
        images = [self._sample(part.data, self._sent(plan.rows(part.rows), part)) for part in parts]
        return self.pipeline.light(self._joined(parts, images), self._light(drawn))

    def _plan(self, number: int) -> Planned | None:
        """The plan of a batch and of those after it, as far as all of their photos are on the device."""
        if not self.draws or (self._planned and number in self._planned.rows):
            return self._planned
        self._planned, rows, indices, files = None, {}, list[int](), list[Key]()
        for n, batch in enumerate(self.order[number:], number):
            more = [self.key(i) for i in batch]
            if (files and len(files) + len(more) > PLANNED) or not self.store.keeps(more):
                break
            rows[n] = slice(len(files), len(files) + len(more))
            indices += batch
            files += more
        if files:
            flat = self.store.kept(list(range(len(files))), files)
            plan, drawn = self.pipeline.draw(flat.shapes.astype(np.float64), self.draws(indices))
            self._planned = Planned(flat.data, self._sent(plan, flat), self._light(drawn), rows)
        return self._planned

    def _make_some(self, number: int, planned: Planned) -> Iterator[tuple[int, Tensor]]:
        """Batches from `number` on, as many as fit, at once: launching their kernels takes as long as for one."""
        first, most = planned.rows[number].start, at_once(planned.sampling.plan, self.device)
        chosen = {
            n: rows for n, rows in planned.rows.items() if n == number or (n > number and rows.stop - first <= most)
        }
        rows = slice(first, max(rows.stop for rows in chosen.values()))
        images = self._sample(planned.data, planned.sampling.rows(rows))
        images = self.pipeline.light(images, [numbers[rows] for numbers in planned.drawn])
        return ((n, images[rows.start - first : rows.stop - first]) for n, rows in chosen.items())

    def _sample(self, data: Tensor, sampling: Sampling) -> Tensor:
        return sample_flat(data, sampling, at_once(sampling.plan, self.device))

    def _sent(self, plan: Plan, flat: Flat) -> Sampling:
        return Sampling.sent(plan, flat.starts, flat.shapes[:, 1], self.device)

    def _light(self, drawn: Sequence[Tensor]) -> list[Tensor]:
        return [self.device.send(numbers.numpy()) for numbers in drawn]

    def _joined(self, parts: Sequence[Flat], images: Sequence[Tensor]) -> Tensor:
        """The images of parts in the order of the batch."""
        if len(images) == 1:
            return images[0]
        rows = np.concatenate([part.rows for part in parts])
        return torch.cat(list(images))[self.device.send(np.argsort(rows))]
