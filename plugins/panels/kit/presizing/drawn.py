"""The random draw of one training photo, rendered in one interpolation or one per transform."""

from __future__ import annotations

import random
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from random import Random

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.data.photo import Size
from core.data.pipeline import Pipeline, Sample
from core.data.sampler import Source, sample, shrunk
from core.data.transforms import Geometric, Matrix, PadMode

CPU = torch.device("cpu")
_GLOBAL = threading.Lock()


class Drawn:
    """The random draws that a pipeline makes for `original` in training, each with its matrix."""

    def __init__(self, pipeline: Pipeline, original: Image.Image, seed: str) -> None:
        self.pipeline, self.seed = pipeline, seed
        with repeatable(pipeline, seed):
            self.image = pipeline.apply_item_tfms(original)
        self.pixels = pipeline.presized(self.image)
        generator = Random(seed)
        self.sizes: list[Size] = [self.pixels.shape[:2]]
        self.matrices: list[Matrix] = []
        for transform in pipeline.geometric:
            matrix, size = transform.matrix(transform.draw(self.sizes[-1], generator, True), self.sizes[-1])
            self.matrices.append(matrix)
            self.sizes.append(size)
        # for the pictures, use points of the photo itself instead of those of the shrunk one
        self._shrinks = _enlarged((self.image.height, self.image.width), self.sizes[0])
        self.matrices[0] = np.linalg.inv(self._shrinks) @ self.matrices[0]
        self.sizes[0] = self.image.height, self.image.width
        self.size = self.sizes[-1]
        self.of_pixels = tuple(t.draw(self.size, generator, True) for t in pipeline.pixel)
        self.first = next(i for i, t in enumerate(pipeline.geometric) if t.view)  # it brings all photos to one size
        self.chain = self._chain()

    @property
    def presizing(self) -> Geometric:
        """The first transform that fixes a size."""
        return self.pipeline.geometric[self.first]

    @property
    def presized(self) -> Matrix:
        """The matrix from points of the output of `presizing` to points of the photo: [3, 3]."""
        return _product(self.matrices[: self.first + 1])

    @property
    def total(self) -> Matrix:
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
        return self._lit(shrunk(self.pixels, self._shrinks @ self.total, self.size))

    def one_by_one(self) -> Tensor:
        """The same geometry, resized to the final size first, then interpolated per transform: [3, H, W] in 0..1."""
        first, *others = self.chain
        chain = [self._shrinks @ first, *others]
        pixels = rendered(Image.fromarray(self.pixels), chain, self.size, self.pipeline.pad_mode)
        return self._lit(Source(np.asarray(pixels), np.eye(3)))

    def covered(self) -> tuple[Tensor, Tensor]:
        """Masks of where `composed` and `one_by_one` show the photo rather than padding: bool [H, W] each."""
        white = Image.new("RGB", self.image.size, "white")
        ways = [rendered(white, chain, self.size, "zeros") for chain in ([self.total], self.chain)]
        one, other = (torch.from_numpy(np.asarray(way)[..., 0] > 127) for way in ways)
        return one, other

    def _chain(self) -> list[Matrix]:
        """Matrices of the transforms, each between frames of the final size; their product is `total`."""
        frames = [_enlarged(self.size, size) for size in self.sizes[self.first + 1 :]]
        moves = zip(frames, self.matrices[self.first + 1 :], frames[1:])
        later = [np.linalg.inv(before) @ matrix @ after for before, matrix, after in moves]
        return [self.presized @ frames[0], *(m for m in later if not np.allclose(m, np.eye(3)))]

    def _lit(self, source: Source) -> Tensor:
        with repeatable(self.pipeline, self.seed):
            return self.pipeline.batch([Sample(source, self.of_pixels)], CPU, True)[0]


def rendered(image: Image.Image, chain: list[Matrix], size: Size, pad_mode: PadMode) -> Image.Image:
    """The photo at `size` (height, width), interpolated and rounded once per matrix."""
    for matrix in chain:
        image = as_image(sample([shrunk(image, matrix, size)], size, pad_mode, CPU)[0])
    return image


def as_image(pixels: Tensor) -> Image.Image:
    """Convert [3, H, W] in 0..1 to a Pillow image."""
    return Image.fromarray((pixels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy())


def within(matrix: Matrix, size: Size, longest: int) -> tuple[Matrix, Size]:
    """The matrix and size of the same region of the photo with sides of at most `longest` pixels."""
    scale = min(1.0, longest / max(size))
    small = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    return matrix @ _enlarged(small, size), small


@contextmanager
def repeatable(pipeline: Pipeline, seed: str) -> Iterator[None]:
    """Seed the global random states, from which third-party transforms draw, and restore them afterwards."""
    if not (pipeline.on_photo or pipeline.on_batch):
        yield
        return
    number = zlib.crc32(seed.encode())
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


def _product(matrices: list[Matrix]) -> Matrix:
    return reduce(lambda a, b: a @ b, matrices, np.eye(3))


def _enlarged(frame: Size, size: Size) -> Matrix:
    """The matrix from points of `frame` to the same points of `size`: [3, 3]."""
    return np.diag([size[1] / frame[1], size[0] / frame[0], 1.0])
