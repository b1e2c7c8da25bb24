"""Base classes of transforms: `draw` what is random about a batch, then give matrices or change pixels.

A batch transform changes the images and targets of a training batch together. Any other callable also works as a
training augmentation: from image to image (item), or from `[N, 3, H, W]` to the same (batch).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.data.draws import Array, Draws
from core.data.photo import Size, View
from core.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

MAX_SIDE, MAX_AREA = 4096, 2**21  # pixels
IDENTITY = np.eye(3)
Pixels = np.ndarray[Any, np.dtype[np.uint8]]  # [h, w, 3]
PadMode = Literal["zeros", "border", "reflection"]


class Geometric(ABC):
    """Moves pixels by a matrix from points (x, y, 1) of the output, in pixels, to points of the input.

    `view` is what the transform does in validation, and fixes the output size; None means nothing, and that the size
    stays. A photo larger than `max_useful_size` gives the transform no more detail; if the transform is the first, the
    photo is first reduced until one of its sides has that size. `pad_mode` is the padding outside the photo; the first
    transform that sets one decides.
    """

    view: View | None = None
    max_useful_size: Size | None = None
    pad_mode: PadMode | None = None

    @abstractmethod
    def draw(self, sizes: Array, draws: Draws, training: bool) -> Array:
        """The random parameters for N photos of `sizes` [N, 2] (height, width), as one array [N, ...]."""

    @abstractmethod
    def matrices(self, drawn: Array, sizes: Array) -> Array:
        """The matrices [N, 3, 3] for the drawn parameters."""

    def sizes_after(self, sizes: Array) -> Array:
        """The sizes [N, 2] of the output for an input of `sizes`."""
        return np.full(sizes.shape, self.view.size, np.float64) if self.view else sizes


class Pixel(ABC):
    """Changes pixel values and keeps them in 0..1; nothing in validation."""

    @abstractmethod
    def draw(self, sizes: Array, draws: Draws) -> Array:
        """The random parameters for N photos of `sizes` [N, 2] (height, width), as one array [N, ...]."""

    @abstractmethod
    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """The images [N, 3, H, W] changed by what was drawn for each, as float32 [N, ...] on the device of the images.

        It is called from several threads, with one photo or many, and must be deterministic and stateless.
        """


class BatchTransform(ABC):
    """Changes the images of a training batch and their targets together, after all other transforms.

    All randomness comes from the generator of `draw`, and equal draws compare equal; `apply` must not change its
    arguments in place.
    """

    @abstractmethod
    def draw(self, photos: int, size: Size, generator: Random) -> Any:
        """The random parameters for a batch of `photos` images of `size` (height, width)."""

    @abstractmethod
    def apply(self, images: Tensor, targets: Tensor, drawn: Any) -> tuple[Tensor, Tensor]:
        """The changed images [N, 3, H, W] in 0..1 and targets [N, C], the class probabilities of each photo."""


def box_matrices(boxes: Array, size: Size) -> Array:
    """The matrices that resize `boxes` [N, 4] (left, top, right, bottom) of the input to `size` (height, width)."""
    matrices = np.zeros((len(boxes), 3, 3))
    matrices[:, 0, 0], matrices[:, 1, 1] = (boxes[:, 2:] - boxes[:, :2]).T / np.array([[size[1]], [size[0]]])
    matrices[:, :2, 2], matrices[:, 2, 2] = boxes[:, :2], 1
    return matrices


def view_boxes(view: View, sizes: Array) -> Array:
    """The box (left, top, right, bottom) that `view` shows of photos of `sizes` [N, 2]: [N, 4]."""
    return np.array([view.box((height, width)) for height, width in sizes.tolist()]).reshape(-1, 4)


def centred(matrices: Array, sizes: Array) -> Array:
    """Matrices [N, 3, 3] on coordinates -1..1, as in affine grids, in pixels of images of `sizes` [N, 2]."""
    half = sizes[:, ::-1] / 2
    scales = np.concatenate([half, np.ones((len(half), 1))], 1)
    scaled = matrices * (scales[:, :, None] / scales[:, None])  # about the centre; then that moves to `half`
    scaled[:, :2] += half[:, :, None] * scaled[:, 2:]
    scaled[:, :, 2] -= (scaled[:, :, :2] * half[:, None]).sum(2)
    return np.asarray(scaled)


def compose(transforms: Sequence[Geometric], sizes: Array, draws: Draws, training: bool) -> tuple[Array, Array]:
    """The composed matrices [N, 3, 3] of all transforms, drawn in turn for photos of `sizes`, and the output sizes."""
    total = np.tile(IDENTITY, (len(sizes), 1, 1))
    for transform in transforms:
        total = total @ transform.matrices(transform.draw(sizes, draws, training), sizes)
        sizes = transform.sizes_after(sizes)
    return total, sizes


def pair(size: int | Sequence[int]) -> Size:
    """`size` as (height, width); raises BadInput unless both lie between 1 and MAX_SIDE."""
    h, w = (size, size) if isinstance(size, int) else tuple(size)
    if not (1 <= h <= MAX_SIDE and 1 <= w <= MAX_SIDE):
        raise BadInput(f"The size {size!r} is not between 1 and {MAX_SIDE} pixels; give one such as 224.")
    return h, w
