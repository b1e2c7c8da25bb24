"""What was drawn for one training photo, rendered in one interpolation or step by step."""

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
    """The draws that a pipeline makes for `original` in training, each with its matrix."""

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
        # for the pictures, points of the photo itself instead of those of the shrunk one
        self._shrinks = _enlarged((self.image.height, self.image.width), self.sizes[0])
        self.matrices[0] = np.linalg.inv(self._shrinks) @ self.matrices[0]
        self.sizes[0] = self.image.height, self.image.width
        self.size = self.sizes[-1]
        self.of_pixels = tuple(t.draw(self.size, generator, True) for t in pipeline.pixel)
        self.first = next(i for i, t in enumerate(pipeline.geometric) if t.view)  # the one that ends all shapes
        self.chain = self._chain()

    @property
    def presizing(self) -> Geometric:
        """The first transform that fixes a size."""
        return self.pipeline.geometric[self.first]

    @property
    def presized(self) -> Matrix:
        """From points of what `presizing` makes to points of the photo."""
        return _product(self.matrices[: self.first + 1])

    @property
    def total(self) -> Matrix:
        """From points of the result to points of the photo."""
        return _product(self.matrices)

    @property
    def moving(self) -> list[Geometric]:
        """The transforms after `presizing` that do something in this draw."""
        after = slice(self.first + 1, None)
        ends = zip(self.sizes[after], self.sizes[self.first + 2 :])
        rests = [np.allclose(m, _enlarged(a, b)) for m, (a, b) in zip(self.matrices[after], ends, strict=True)]
        return [t for t, rest in zip(self.pipeline.geometric[after], rests, strict=True) if not rest]

    def composed(self) -> Tensor:
        """What the pipeline makes of this draw: [3, H, W] in 0..1."""
        return self._lit(shrunk(self.pixels, self._shrinks @ self.total, self.size))

    def one_by_one(self) -> Tensor:
        """The same geometry, resized to the final size first and interpolated for each transform: [3, H, W]."""
        first, *others = self.chain
        chain = [self._shrinks @ first, *others]
        pixels = rendered(Image.fromarray(self.pixels), chain, self.size, self.pipeline.pad_mode)
        return self._lit(Source(np.asarray(pixels), np.eye(3)))

    def covered(self) -> tuple[Tensor, Tensor]:
        """Where `composed` and where `one_by_one` show the photo, not what fills the rest: [H, W] of bool."""
        white = Image.new("RGB", self.image.size, "white")
        ways = [rendered(white, chain, self.size, "zeros") for chain in ([self.total], self.chain)]
        one, other = (torch.from_numpy(np.asarray(way)[..., 0] > 127) for way in ways)
        return one, other

    def _chain(self) -> list[Matrix]:
        """Matrices between frames that all have the final size; their product is `total`."""
        frames = [_enlarged(self.size, size) for size in self.sizes[self.first + 1 :]]
        moves = zip(frames, self.matrices[self.first + 1 :], frames[1:])
        later = [np.linalg.inv(before) @ matrix @ after for before, matrix, after in moves]
        return [self.presized @ frames[0], *(m for m in later if not np.allclose(m, np.eye(3)))]

    def _lit(self, source: Source) -> Tensor:
        with repeatable(self.pipeline, self.seed):
            return self.pipeline.batch([Sample(source, self.of_pixels)], CPU, True)[0]


def rendered(image: Image.Image, chain: list[Matrix], size: Size, pad_mode: PadMode) -> Image.Image:
    """The photo at `size`, interpolated and rounded once for each matrix."""
    for matrix in chain:
        image = as_image(sample([shrunk(image, matrix, size)], size, pad_mode, CPU)[0])
    return image


def as_image(pixels: Tensor) -> Image.Image:
    """[3, H, W] in 0..1 as a picture."""
    return Image.fromarray((pixels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy())


def within(matrix: Matrix, size: Size, longest: int) -> tuple[Matrix, Size]:
    """The same part of the photo at a size of at most `longest`."""
    scale = min(1.0, longest / max(size))
    small = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    return matrix @ _enlarged(small, size), small


@contextmanager
def repeatable(pipeline: Pipeline, seed: str) -> Iterator[None]:
    """What transforms of others draw from global states within it follows from `seed`; then these are restored."""
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
    """From points of `frame` to the same points of `size`."""
    return np.diag([size[1] / frame[1], size[0] / frame[0], 1.0])
