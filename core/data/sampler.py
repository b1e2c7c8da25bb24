"""The one interpolation: photos of any size, each with a matrix, become one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import grid_sample

from core.data.photo import Size
from core.data.transforms import Matrix, PadMode

REDUCTION = 1.5  # from here on, bilinear sampling would skip pixels
AT_ONCE = 8  # photos held as floats at the size they have before sampling


@dataclass(frozen=True)
class Source:
    """Pixels uint8 [H, W, 3] and the matrix [3, 3] from points of the output to points of these pixels."""

    pixels: np.ndarray[Any, np.dtype[np.uint8]]
    matrix: Matrix


def shrunk(image: Image.Image, matrix: Matrix, size: Size) -> Source:
    """The photo for `sample`, filtered down along an axis in which the matrix reduces it by more than REDUCTION."""
    x, y = reduction(matrix, size)
    width = max(1, round(image.width / x)) if x > REDUCTION else image.width
    height = max(1, round(image.height / y)) if y > REDUCTION else image.height
    if (width, height) == image.size:
        return Source(np.asarray(image), matrix)
    scale = np.diag([width / image.width, height / image.height, 1.0])
    return Source(np.asarray(image.resize((width, height), Image.Resampling.BOX)), scale @ matrix)


def reduction(matrix: Matrix, size: Size) -> tuple[float, float]:
    """Pixels of the photo, along its x and its y, to one pixel in the middle of an output of `size`."""
    middle = matrix @ np.array([size[1] / 2, size[0] / 2, 1.0])
    z = middle[2]
    x, y = ((matrix[i, :2] - matrix[2, :2] * middle[i] / z) / z for i in (0, 1))
    return float(np.hypot(*x)), float(np.hypot(*y))


def sample(sources: Sequence[Source], size: Size, pad_mode: PadMode, device: torch.device) -> Tensor:
    """Bilinear samples of all photos at `size`, values in 0..1: [N, 3, H, W]."""
    images = torch.empty(len(sources), 3, *size, device=device)
    for i in range(0, len(sources), AT_ONCE):
        images[i : i + AT_ONCE] = _sample(sources[i : i + AT_ONCE], size, pad_mode, device)
    return images


def _sample(sources: Sequence[Source], size: Size, pad_mode: PadMode, device: torch.device) -> Tensor:
    sizes = np.array([s.pixels.shape[:2] for s in sources])
    height, width = sizes.max(axis=0)
    canvas = np.zeros((len(sources), height, width, 3), np.uint8)
    for photo, source in zip(canvas, sources, strict=True):
        photo[: source.pixels.shape[0], : source.pixels.shape[1]] = source.pixels
    pixels = torch.from_numpy(canvas).to(device).permute(0, 3, 1, 2).float().div_(255)
    matrices = torch.tensor(np.stack([s.matrix for s in sources]), dtype=torch.float32, device=device)
    own = torch.tensor(sizes[:, None, ::-1].copy(), dtype=torch.float32, device=device)  # [N, 1, 2] as x, y

    ys, xs = torch.meshgrid(*(torch.arange(s, device=device) + 0.5 for s in size), indexing="ij")
    points = torch.stack([xs, ys, torch.ones_like(xs)], -1).reshape(1, -1, 3) @ matrices.transpose(1, 2)
    points = points[..., :2] / points[..., 2:]
    outside = ((points < 0) | (points > own)).any(-1) if pad_mode == "zeros" else None
    if pad_mode == "reflection":
        points = own - (points.remainder(2 * own) - own).abs()
    # half a pixel inside, so that nothing of the canvas around a smaller photo is mixed in
    points = torch.minimum(points.clamp_min(0.5), own - 0.5)
    grid = points * (2 / torch.tensor([width, height], device=device)) - 1
    images = grid_sample(pixels, grid.view(len(sources), *size, 2), align_corners=False, padding_mode="border")
    if outside is not None:
        images = images.masked_fill(outside.view(len(sources), 1, *size), 0.0)
    return images
