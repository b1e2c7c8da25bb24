"""The single interpolation, from photos of any size, each with a matrix, to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from core.data.grid import grid_sample
from core.data.photo import Size
from core.data.transforms import Matrix, PadMode, Pixels
from core.device import choose

REDUCTION = 1.5  # above it, bilinear sampling would skip pixels
TWO_PASSES = 4  # from this reduction on, filtering in two passes is faster


@dataclass(frozen=True)
class Source:
    """Pixels uint8 [H, W, 3] and the matrix [3, 3] from output coordinates to their coordinates."""

    pixels: Pixels
    matrix: Matrix


def to_size(photo: Image.Image | Pixels, height: int, width: int) -> Pixels:
    """The whole photo reduced to uint8 [height, width, 3] with antialiasing."""
    if isinstance(photo, Image.Image) and min(photo.height / height, photo.width / width) >= TWO_PASSES:
        return np.asarray(photo.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))
    pixels = torch.tensor(np.asarray(photo))[None].permute(0, 3, 1, 2)  # channels last, as is the result
    small = interpolate(pixels, (height, width), mode="bilinear", antialias=True)
    return small.permute(0, 2, 3, 1)[0].numpy()


def shrunk(photo: Image.Image | Pixels, matrix: Matrix, size: Size) -> Source:
    """The photo for `sample`, reduced with antialiasing along axes that the matrix reduces by over REDUCTION."""
    height, width = photo.shape[:2] if isinstance(photo, np.ndarray) else (photo.height, photo.width)
    x, y = reduction(matrix, size)
    w = max(1, round(width / x)) if x > REDUCTION else width
    h = max(1, round(height / y)) if y > REDUCTION else height
    if (w, h) == (width, height):
        return Source(np.asarray(photo), matrix)
    return Source(to_size(photo, h, w), np.diag([w / width, h / height, 1.0]) @ matrix)


def reduction(matrix: Matrix, size: Size) -> tuple[float, float]:
    """Photo pixels per output pixel, in x and y of the photo, at the centre of an output of `size`."""
    middle = matrix @ np.array([size[1] / 2, size[0] / 2, 1.0])
    z = middle[2]
    x, y = ((matrix[i, :2] - matrix[2, :2] * middle[i] / z) / z for i in (0, 1))
    return float(np.hypot(*x)), float(np.hypot(*y))


def sample(sources: Sequence[Source], size: Size, pad_mode: PadMode, device: torch.device) -> Tensor:
    """Bilinear samples of all photos at `size`: [N, 3, H, W] in 0..1, each independent of its batch."""
    images = torch.empty(len(sources), 3, *size, device=device)
    for source, image in zip(sources, images, strict=True):
        torch.div(_sample(source, size, pad_mode, device), 255, out=image).clamp_(0, 1)  # rounding errors
    return images


def to_device(values: np.ndarray[Any, Any], device: torch.device) -> Tensor:
    """A copy of an array on `device`, through pinned memory if that is a GPU."""
    copy = torch.tensor(values)
    return copy.pin_memory().to(device, non_blocking=True) if choose(device).pinned else copy


def _sample(source: Source, size: Size, pad_mode: PadMode, device: torch.device) -> Tensor:
    """One photo: [3, H, W] in 0..255."""
    height, width = source.pixels.shape[:2]
    # from output pixels to coordinates -1..1 of the photo, as grid_sample takes them
    matrix = np.array([[2 / width, 0, -1], [0, 2 / height, -1], [0, 0, 1]]) @ source.matrix
    ys, xs = (np.arange(n) + 0.5 for n in size)
    rows, columns = matrix[:, 1:2] * ys, matrix[:, :1] * xs + matrix[:, 2:]
    down, across = (to_device(part.astype(np.float32), device) for part in (rows, columns))
    points = down[:, :, None] + across[:, None]
    points = points[:2].div_(points[2:])  # [2, H, W]
    pixels = to_device(source.pixels, device).permute(2, 0, 1)[None].float()
    # "border" also for "zeros", which would fade the edge pixels; the outside is masked below
    image = grid_sample(
        pixels,
        points.permute(1, 2, 0)[None],
        padding_mode="reflection" if pad_mode == "reflection" else "border",
    )[0]
    return image.masked_fill((points.abs() > 1).any(0), 0.0) if pad_mode == "zeros" else image
