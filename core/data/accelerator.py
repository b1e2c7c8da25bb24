"""Batches on an accelerator: their photos cross as bytes in one transfer, or stay there, and become images there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch
from torch import Tensor

from core.data.canvas import gathered, sample_flat
from core.data.draws import Draws
from core.data.sampler import Ints
from core.data.transforms import Pixels
from core.device import Device

if TYPE_CHECKING:
    from core.data.pipeline import Pipeline

Key = tuple[Path, bool]  # a photo, as it is read in training or in validation
Launched = tuple[Tensor, Any]  # images, and the event after which they are there
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
            assert self._data is not None
            places = np.array([self._places[files[row]] for row in kept])
            yield Flat(kept, self._data, places[:, 0], places[:, 1:])

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


def images_on(flats: Iterator[Flat], count: int, pipeline: Pipeline, draws: Draws | None) -> Tensor:
    """`pipeline.images` of `count` photos, sampled for the whole batch at once: [N, 3, H, W] in 0..1."""
    parts = list(flats)
    images = torch.empty(count, 3, *pipeline.size, device=parts[0].data.device)
    if draws is None:
        for part in parts:
            boxes = np.concatenate([np.zeros_like(part.shapes), part.shapes[:, ::-1]], 1)
            images[part.rows] = gathered(part.data, part.starts, part.shapes[:, 1], boxes) / 255
        return images
    sizes = np.empty((count, 2))
    for part in parts:
        sizes[part.rows] = part.shapes
    plan, drawn = pipeline.draw(sizes, draws)
    for part in parts:
        images[part.rows] = sample_flat(part.data, part.starts, part.shapes[:, 1], plan.rows(part.rows))
    return pipeline.light(images, drawn)


class Ahead:
    """Makes batches in a thread of its own and, where there are any, on a stream of its own, while others are used."""

    def __init__(self, device: Device) -> None:
        self._pool = ThreadPoolExecutor(1, "batches")
        self._module = torch.get_device_module(device.torch)
        self._stream = self._module.Stream(device.torch) if device.streams else None

    def begin(self, make: Callable[[], Tensor]) -> Future[Launched]:
        """Start to make the images of a batch."""
        return self._pool.submit(self._launched, make)

    def finish(self, launched: Launched) -> Tensor:
        """The images, for kernels of the caller's stream."""
        images, event = launched
        if event is not None:
            current = self._module.current_stream(images.device)
            current.wait_event(event)
            images.record_stream(current)  # or their memory would be used for the next batch too early
        return images

    def close(self) -> None:
        """End the batch that is being made, and make no other, so that two of these never fill one PhotoStore."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._stream is not None:
            self._stream.synchronize()

    def _launched(self, make: Callable[[], Tensor]) -> Launched:
        if self._stream is None:
            return make(), None
        with self._module.stream(self._stream):
            return make(), self._stream.record_event()
