"""The random draw of one training photo, rendered in one interpolation or one per transform."""

from __future__ import annotations

import random
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.data.draws import Array, Draws
from core.data.photo import Size
from core.data.pipeline import Pipeline
from core.data.sampler import planned, sampled
from core.data.transforms import IDENTITY, Geometric, PadMode, Pixels

_GLOBAL = threading.Lock()


class Drawn:
    """The random draws that a pipeline makes for `original` in training, each with its matrix."""

    def __init__(self, pipeline: Pipeline, original: Image.Image, seed: int, epoch: int) -> None:
        self.pipeline, self.seed, self.epoch = pipeline, seed, epoch
        with repeatable(pipeline, seed, epoch):
            self.image = pipeline.apply_item_tfms(original)
        self.pixels = pipeline.presized(self.image)
        draws, size = self.draws(), np.array([self.pixels.shape[:2]], np.float64)
        self.sizes: list[Size] = [self.pixels.shape[:2]]
        self.matrices: list[Array] = []
        for transform in pipeline.geometric:
            self.matrices.append(transform.matrices(transform.draw(size, draws, True), size)[0])
            size = transform.sizes_after(size)
            self.sizes.append((int(size[0, 0]), int(size[0, 1])))
        # for the pictures, use points of the photo itself instead of those of the shrunk one
        self._shrinks = _enlarged((self.image.height, self.image.width), self.sizes[0])
        self.matrices[0] = np.linalg.inv(self._shrinks) @ self.matrices[0]
        self.sizes[0] = self.image.height, self.image.width
        self.size = self.sizes[-1]
        self.of_pixels = pipeline.draw_light(size, draws)
        self.first = next(i for i, t in enumerate(pipeline.geometric) if t.view)  # it brings all photos to one size
        self.chain = self._chain()

    def draws(self) -> Draws:
        """What is random, from its beginning: that of the first photo in this epoch."""
        return Draws(self.seed, self.epoch, [0])

    @property
    def presizing(self) -> Geometric:
        """The first transform that fixes a size."""
        return self.pipeline.geometric[self.first]

    @property
    def presized(self) -> Array:
        """The matrix from points of the output of `presizing` to points of the photo: [3, 3]."""
        return _product(self.matrices[: self.first + 1])

    @property
    def total(self) -> Array:
        """The matrix from points of the final output to points of the photo: [3, 3]."""
        return _product(self.matrices)

    @property
    def moving(self) -> list[Geometric]:
        """The transforms after `presizing` that are not the identity in this draw."""
        after = slice(self.first + 1, None)
        ends = zip(self.sizes[after], self.sizes[self.first + 2 :])
        identity = [np.allclose(m, _enlarged(a, b)) for m, (a, b) in zip(self.matrices[after], ends, strict=True)]
        return [t for t, same in zip(self.pipeline.geometric[after], identity, strict=True) if not same]

    def composed(self) -> Tensor:
        """The pipeline's output for this draw, interpolated once: [3, H, W] in 0..1."""
        return self._lit(self.pixels, self._shrinks @ self.total)

    def one_by_one(self) -> Tensor:
        """The same geometry, resized to the final size first, then interpolated per transform: [3, H, W] in 0..1."""
        first, *others = self.chain
        chain = [self._shrinks @ first, *others]
        pixels = rendered(Image.fromarray(self.pixels), chain, self.size, self.pipeline.pad_mode)
        return self._lit(np.asarray(pixels), IDENTITY)

    def covered(self) -> tuple[Tensor, Tensor]:
        """Masks of where `composed` and `one_by_one` show the photo rather than padding: bool [H, W] each."""
        white = Image.new("RGB", self.image.size, "white")
        ways = [rendered(white, chain, self.size, "zeros") for chain in ([self.total], self.chain)]
        one, other = (torch.from_numpy(np.asarray(way)[..., 0] > 127) for way in ways)
        return one, other

    def _chain(self) -> list[Array]:
        """Matrices of the transforms, each between frames of the final size; their product is `total`."""
        frames = [_enlarged(self.size, size) for size in self.sizes[self.first + 1 :]]
        moves = zip(frames, self.matrices[self.first + 1 :], frames[1:])
        later = [np.linalg.inv(before) @ matrix @ after for before, matrix, after in moves]
        return [self.presized @ frames[0], *(m for m in later if not np.allclose(m, np.eye(3)))]

    def _lit(self, pixels: Pixels, matrix: Array) -> Tensor:
        with repeatable(self.pipeline, self.seed, self.epoch):
            image = interpolated(pixels, matrix, self.size, self.pipeline.pad_mode)
            return self.pipeline.apply_batch_tfms(self.pipeline.light(image, self.of_pixels), True)[0]


def rendered(image: Image.Image, chain: list[Array], size: Size, pad_mode: PadMode) -> Image.Image:
    """The photo at `size` (height, width), interpolated and rounded once per matrix."""
    for matrix in chain:
        image = as_image(interpolated(np.asarray(image), matrix, size, pad_mode)[0])
    return image


def interpolated(pixels: Pixels, matrix: Array, size: Size, pad_mode: PadMode) -> Tensor:
    """One photo at `size` (height, width): [1, 3, H, W] in 0..1."""
    return next(sampled([pixels], planned(np.array([pixels.shape[:2]], np.float64), matrix[None], size, pad_mode)))


def as_image(pixels: Tensor) -> Image.Image:
    """Convert [3, H, W] in 0..1 to a Pillow image."""
    return Image.fromarray((pixels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy())


def within(matrix: Array, size: Size, longest: int) -> tuple[Array, Size]:
    """The matrix and size of the same region of the photo with sides of at most `longest` pixels."""
    scale = min(1.0, longest / max(size))
    small = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    return matrix @ _enlarged(small, size), small


@contextmanager
def repeatable(pipeline: Pipeline, seed: int, epoch: int) -> Iterator[None]:
    """Seed the global random states, from which third-party transforms draw, and restore them afterwards."""
    if not (pipeline.on_photo or pipeline.on_batch):
        yield
        return
    number = zlib.crc32(f"{seed}/{epoch}".encode())
    with _GLOBAL, torch.random.fork_rng(devices=[]):
        python, legacy = random.getstate(), np.random.get_state()
        torch.default_generator.manual_seed(number)  # torch.manual_seed would seed the GPU too
        random.seed(number)
        np.random.seed(number)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)


def _product(matrices: list[Array]) -> Array:
    return reduce(lambda a, b: a @ b, matrices, np.eye(3))


def _enlarged(frame: Size, size: Size) -> Array:
    """The matrix from points of `frame` to the same points of `size`: [3, 3]."""
    return np.diag([size[1] / frame[1], size[0] / frame[0], 1.0])
