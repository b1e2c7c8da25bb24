"""What a transform is: `draw` for one photo, then a matrix to be composed, or a change of pixels.

A batch transform changes the photos of a training batch and their targets together. A transform may be none of these:
any callable from image to image (item) or from `[N, 3, H, W]` to the same (batch) augments training photos.
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
    """Moves pixels. Matrices take points (x, y, 1) of the output, in its pixels, to points of the input.

    `view` is what the transform does when nothing is random; None means nothing. A photo larger than `max_useful_size`
    gives the transform no more detail, whatever is drawn; where the transform is the first, it is shrunk until one of
    its sides is that, before anything is drawn. `pad_mode` is the padding outside of the photo; the first transform
    that has one decides.
    """

    view: View | None = None
    max_useful_size: Size | None = None
    pad_mode: PadMode | None = None

    @abstractmethod
    def draw(self, size: Size, generator: Random, training: bool) -> Any:
        """The random parameters for one photo of `size` (height, width)."""

    @abstractmethod
    def matrix(self, drawn: Any, size: Size) -> tuple[Matrix, Size]:
        """The matrix [3, 3] for what was drawn, and the size of the output."""


class Pixel(ABC):
    """Changes the values of pixels, which lie in 0..1 and stay there; for validation photos `draw` gives None."""

    @abstractmethod
    def draw(self, size: Size, generator: Random, training: bool) -> Any:
        """The random parameters for one photo, or None to leave it as it is."""

    @abstractmethod
    def apply(self, images: Tensor, drawn: Sequence[Any]) -> Tensor:
        """`images` [N, 3, H, W] changed by the N parameters drawn for them.

        Several threads call it, with one photo or many: nothing may be random here, and nothing kept.
        """


class BatchTransform(ABC):
    """Changes the images of a training batch and their targets together, after all other transforms.

    All that is random is drawn by `draw`, from its generator alone, and equal draws compare equal; `apply` changes
    neither of its arguments.
    """

    @abstractmethod
    def draw(self, photos: int, size: Size, generator: Random) -> Any:
        """The random parameters for a batch of so many photos of `size`."""

    @abstractmethod
    def apply(self, images: Tensor, targets: Tensor, drawn: Any) -> tuple[Tensor, Tensor]:
        """Images [N, 3, H, W] in 0..1 and targets [N, C], each row the shares of 1 that the classes have, as drawn."""


def box_matrix(box: Box, size: Size) -> Matrix:
    """Shows `box` (left, top, right, bottom) of the input at `size` (height, width)."""
    sx, sy = (box[2] - box[0]) / size[1], (box[3] - box[1]) / size[0]
    return np.array([[sx, 0, box[0]], [0, sy, box[1]], [0, 0, 1.0]])


def centred(matrix: Matrix, size: Size) -> Matrix:
    """A matrix on coordinates -1..1, as affine grids use them, as one on the pixels of a frame of `size`."""
    h, w = size
    to_pixels = np.array([[w / 2, 0, w / 2], [0, h / 2, h / 2], [0, 0, 1.0]])
    return np.asarray(to_pixels @ matrix @ np.linalg.inv(to_pixels))


def compose(transforms: Sequence[Geometric], size: Size, generator: Random, training: bool) -> tuple[Matrix, Size]:
    """One matrix for all transforms, drawn in turn for a photo of `size`, and the size of the output."""
    total = np.eye(3)
    for transform in transforms:
        matrix, size = transform.matrix(transform.draw(size, generator, training), size)
        total = total @ matrix
    return total, size


def pair(size: int | Sequence[int]) -> Size:
    """`size` as (height, width); raises BadInput unless both lie between 1 and MAX_SIDE."""
    h, w = (size, size) if isinstance(size, int) else tuple(size)
    if not (1 <= h <= MAX_SIDE and 1 <= w <= MAX_SIDE):
        raise BadInput(f"A size of {size!r} is not between 1 and {MAX_SIDE} pixels; give one such as 224.")
    return h, w
