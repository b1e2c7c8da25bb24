"""Flip, rotate, zoom and warp, as matrices on image coordinates -1..1 (fastai's `vision.augment`)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

import numpy as np

from core.data.draws import Array, Draws
from core.data.transforms import IDENTITY, Geometric, PadMode, centred
from core.errors import BadInput
from core.registry import Range, transforms

MAX_WARP = 0.35  # beyond it the image folds over itself
Probability = Annotated[float, "Probability of the transform", Range(0, 1)]
Outside = Annotated[PadMode, "How to fill the area outside the photo"]


class _Warp(Geometric):
    """Applies a random matrix with probability `p` in training and nothing in validation; keeps the size."""

    def __init__(self, p: float, pad_mode: PadMode) -> None:
        self.p, self.pad_mode = p, pad_mode

    def draw(self, sizes: Array, draws: Draws, training: bool) -> Array:
        """The matrices [N, 3, 3] on coordinates -1..1, of which some change nothing."""
        if not training:
            return np.tile(IDENTITY, (len(sizes), 1, 1))
        return np.where(draws.happens(self.p)[:, None, None], self.draw_matrices(sizes, draws), IDENTITY)

    @abstractmethod
    def draw_matrices(self, sizes: Array, draws: Draws) -> Array:
        """Random matrices [N, 3, 3] on coordinates -1..1 of images of `sizes`."""

    def matrices(self, drawn: Array, sizes: Array) -> Array:
        """The drawn matrices in pixel coordinates."""
        return centred(drawn, sizes)


@transforms.register("flip")
class Flip(_Warp):
    """Mirrors horizontally; with `vertical`, applies any of the eight symmetries of the square."""

    def __init__(self, p: Probability = 0.5, vertical: bool = False, pad_mode: Outside = "reflection") -> None:
        super().__init__(1.0 if vertical else p, pad_mode)
        self.vertical = vertical

    def draw_matrices(self, sizes: Array, draws: Draws) -> Array:
        """Horizontal mirrors, or any of the eight symmetries."""
        flips = np.tile(np.diag([-1.0, 1, 1]), (len(sizes), 1, 1))
        if not self.vertical:
            return flips
        flips[:, [0, 1], [0, 1]] = np.where(draws.uniform(times=2) < 0.5, -1, 1)
        return np.where(draws.happens(0.5)[:, None, None], flips[:, :, [1, 0, 2]], flips)


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

    def draw_matrices(self, sizes: Array, draws: Draws) -> Array:
        """Random rotations about the centre."""
        return rotations(draws.uniform(-self.max_deg, self.max_deg), sizes)


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

    def draw_matrices(self, sizes: Array, draws: Draws) -> Array:
        """Random scalings about random points."""
        return zooms(draws.uniform(self.min_zoom, self.max_zoom), draws.uniform(times=2))


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

    def draw_matrices(self, sizes: Array, draws: Draws) -> Array:
        """Random perspectives in x and y."""
        return perspectives(draws.uniform(-self.magnitude, self.magnitude, times=2))


def rotations(degrees: Array, sizes: Array) -> Array:
    """Rotations [N, 3, 3] by `degrees` [N] that preserve angles on images of `sizes` [N, 2] that are not square."""
    angles, shapes = np.radians(degrees), sizes[:, 0] / sizes[:, 1]
    cos, sin, matrices = np.cos(angles), np.sin(angles), np.zeros((len(degrees), 3, 3))
    matrices[:, 0, 0], matrices[:, 1, 1], matrices[:, 2, 2] = cos, cos, 1
    matrices[:, 0, 1], matrices[:, 1, 0] = sin * shapes, -sin / shapes
    return matrices


def zooms(factors: Array, points: Array) -> Array:
    """Zooms [N, 3, 3] by `factors` [N] that keep `points` [N, 2], x and y in 0..1 of the image, fixed."""
    scales, matrices = 1 / factors[:, None], np.zeros((len(factors), 3, 3))
    matrices[:, [0, 1], [0, 1]], matrices[:, 2, 2] = scales, 1
    matrices[:, :2, 2] = (1 - scales) * (2 * points - 1)
    return matrices


def perspectives(tilts: Array) -> Array:
    """The homographies [N, 3, 3] that map the image corners to those shifted by `tilts` [N, 2] in x and y.

    They solve the eight linear equations of the four corners.
    """
    squares = tilts**2
    scale = 1 / (1 - squares.sum(1))
    matrices = np.ones((len(tilts), 3, 3))
    matrices[:, 0, 1] = matrices[:, 1, 0] = 2 * tilts[:, 0] * tilts[:, 1] * scale
    matrices[:, :2, 2] = matrices[:, 2, :2] = -tilts * (1 - squares + squares[:, ::-1]) * scale[:, None]
    return matrices
