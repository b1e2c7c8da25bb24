"""Base classes of transforms: `draw` random parameters for a photo, then give a matrix or change pixels.

A batch transform changes the images and targets of a training batch together. Any other callable also works as a
training augmentation: from image to image (item), or from `[N, 3, H, W]` to the same (batch).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.data.photo import Box, Size, View
from core.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

MAX_SIDE, MAX_AREA = 4096, 2**21  # pixels
Matrix = np.ndarray[Any, np.dtype[np.float64]]  # [3, 3]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]  # [h, w, 3]
PadMode = Literal["zeros", "border", "reflection"]


class Geometric(ABC):
    """Moves pixels by a matrix from points (x, y, 1) of the output, in pixels, to points of the input.

    `view` is what the transform does in validation; None means nothing. A photo larger than `max_useful_size` gives
    the transform no more detail; if the transform is the first, the photo is first reduced until one of its sides has
    that size. `pad_mode` is the padding outside the photo; the first transform that sets one decides.
    """

    view: View | None = None
    max_useful_size: Size | None = None
    pad_mode: PadMode | None = None

    @abstractmethod
    def draw(self, size: Size, generator: Random, training: bool) -> Any:
        """The random parameters for one photo of `size` (height, width)."""

    @abstractmethod
    def matrix(self, drawn: Any, size: Size) -> tuple[Matrix, Size]:
        """The matrix [3, 3] for the drawn parameters, and the output size."""


class Pixel(ABC):
    """Changes pixel values and keeps them in 0..1; in validation `draw` returns None."""

    @abstractmethod
    def draw(self, size: Size, generator: Random, training: bool) -> Any:
        """The random parameters for one photo, or None for no change."""

    @abstractmethod
    def apply(self, images: Tensor, drawn: Sequence[Any]) -> Tensor:
        """The images [N, 3, H, W] changed by the N drawn parameters.

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


def box_matrix(box: Box, size: Size) -> Matrix:
    """The matrix that resizes `box` (left, top, right, bottom) of the input to `size` (height, width)."""
    sx, sy = (box[2] - box[0]) / size[1], (box[3] - box[1]) / size[0]
    return np.array([[sx, 0, box[0]], [0, sy, box[1]], [0, 0, 1.0]])


def centred(matrix: Matrix, size: Size) -> Matrix:
    """A matrix on coordinates -1..1, as in affine grids, converted to pixels of an image of `size`."""
    h, w = size
    to_pixels = np.array([[w / 2, 0, w / 2], [0, h / 2, h / 2], [0, 0, 1.0]])
    return np.asarray(to_pixels @ matrix @ np.linalg.inv(to_pixels))


def compose(transforms: Sequence[Geometric], size: Size, generator: Random, training: bool) -> tuple[Matrix, Size]:
    """The composed matrix of all transforms, drawn in turn for a photo of `size`, and the output size."""
    total = np.eye(3)
    for transform in transforms:
        matrix, size = transform.matrix(transform.draw(size, generator, training), size)
        total = total @ matrix
    return total, size


def pair(size: int | Sequence[int]) -> Size:
    """`size` as (height, width); raises BadInput unless both lie between 1 and MAX_SIDE."""
    h, w = (size, size) if isinstance(size, int) else tuple(size)
    if not (1 <= h <= MAX_SIDE and 1 <= w <= MAX_SIDE):
        raise BadInput(f"The size {size!r} is not between 1 and {MAX_SIDE} pixels; give one such as 224.")
    return h, w
