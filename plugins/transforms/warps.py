"""Flip, rotate, zoom and warp, as matrices on image coordinates -1..1 (fastai's `vision.augment`)."""

from __future__ import annotations

import math
from abc import abstractmethod
from random import Random
from typing import Annotated

import numpy as np

from core.data.photo import Size
from core.data.transforms import Geometric, Matrix, PadMode, centred
from core.errors import BadInput
from core.registry import Range, transforms

MAX_WARP = 0.35  # beyond it the image folds over itself
Probability = Annotated[float, "Probability of the transform", Range(0, 1)]
Outside = Annotated[PadMode, "How to fill the area outside the photo"]


class _Warp(Geometric):
    """Applies a random matrix with probability `p` in training and nothing in validation; keeps the size."""

    def __init__(self, p: float, pad_mode: PadMode) -> None:
        self.p, self.pad_mode = p, pad_mode

    def draw(self, size: Size, generator: Random, training: bool) -> Matrix | None:
        """The matrix on coordinates -1..1, or None for no change."""
        return self.draw_matrix(size, generator) if training and generator.random() < self.p else None

    @abstractmethod
    def draw_matrix(self, size: Size, generator: Random) -> Matrix:
        """A random matrix on coordinates -1..1 of an image of `size`."""

    def matrix(self, drawn: Matrix | None, size: Size) -> tuple[Matrix, Size]:
        """The drawn matrix in pixel coordinates."""
        return (np.eye(3) if drawn is None else centred(drawn, size)), size


@transforms.register("flip")
class Flip(_Warp):
    """Mirrors horizontally; with `vertical`, applies any of the eight symmetries of the square."""

    def __init__(self, p: Probability = 0.5, vertical: bool = False, pad_mode: Outside = "reflection") -> None:
        super().__init__(1.0 if vertical else p, pad_mode)
        self.vertical = vertical

    def draw_matrix(self, size: Size, generator: Random) -> Matrix:
        """A horizontal mirror, or one of the eight symmetries."""
        if not self.vertical:
            return np.diag([-1.0, 1, 1])
        matrix = np.diag([generator.choice((-1.0, 1)), generator.choice((-1.0, 1)), 1])
        return matrix[:, [1, 0, 2]] if generator.random() < 0.5 else matrix


@transforms.register("rotate")
class Rotate(_Warp):
    """Rotates by up to `max_deg` degrees either way."""

    def __init__(
        self,
        max_deg: Annotated[float, "Largest rotation in degrees", Range(0, 180)] = 10.0,
        p: Probability = 0.75,
        pad_mode: Outside = "reflection",
    ) -> None:
        super().__init__(p, pad_mode)
        self.max_deg = max_deg

    def draw_matrix(self, size: Size, generator: Random) -> Matrix:
        """A random rotation about the centre."""
        return rotation(generator.uniform(-self.max_deg, self.max_deg), size)


@transforms.register("zoom")
class Zoom(_Warp):
    """Zooms by a factor from `min_zoom` to `max_zoom` about a random point."""

    def __init__(
        self,
        min_zoom: Annotated[float, "Smallest zoom factor", Range(0.1, 10)] = 1.0,
        max_zoom: Annotated[float, "Largest zoom factor", Range(0.1, 10)] = 1.1,
        p: Probability = 0.75,
        pad_mode: Outside = "reflection",
    ) -> None:
        super().__init__(p, pad_mode)
        if min_zoom > max_zoom:
            raise BadInput(f"min_zoom is {min_zoom:g}, but must be at most max_zoom, which is {max_zoom:g}.")
        self.min_zoom, self.max_zoom = min_zoom, max_zoom

    def draw_matrix(self, size: Size, generator: Random) -> Matrix:
        """A random scaling about a random point."""
        return zooming(generator.uniform(self.min_zoom, self.max_zoom), generator.random(), generator.random())


@transforms.register("warp")
class Warp(_Warp):
    """Random perspective: corners move by up to `magnitude` of half the image side."""

    def __init__(
        self,
        magnitude: Annotated[float, "Largest shift of a corner, in half image sides", Range(0, MAX_WARP)] = 0.2,
        p: Probability = 0.75,
        pad_mode: Outside = "reflection",
    ) -> None:
        super().__init__(p, pad_mode)
        self.magnitude = magnitude

    def draw_matrix(self, size: Size, generator: Random) -> Matrix:
        """A random perspective in x and y."""
        return perspective(*(generator.uniform(-self.magnitude, self.magnitude) for _ in range(2)))


def rotation(degrees: float, size: Size) -> Matrix:
    """A rotation that preserves angles on an image that is not square."""
    (h, w), angle = size, math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, sin * h / w, 0], [-sin * w / h, cos, 0], [0, 0, 1]])


def zooming(zoom: float, x: float, y: float) -> Matrix:
    """A zoom that keeps the point (x, y), in 0..1 of the image, fixed."""
    scale = 1 / zoom
    return np.array([[scale, 0, (1 - scale) * (2 * x - 1)], [0, scale, (1 - scale) * (2 * y - 1)], [0, 0, 1]])


def perspective(x: float, y: float) -> Matrix:
    """The homography that maps the image corners to those shifted by `x` and `y` (eight linear equations)."""
    corners = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    tilted = [(-1 - y, -1 - x), (-1 + y, 1 + x), (1 + y, -1 + x), (1 - y, 1 - x)]
    rows, values = [], []
    for (u, v), (s, t) in zip(corners, tilted, strict=True):
        rows += [[s, t, 1, 0, 0, 0, -u * s, -u * t], [0, 0, 0, s, t, 1, -v * s, -v * t]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(values)), 1.0).reshape(3, 3)
