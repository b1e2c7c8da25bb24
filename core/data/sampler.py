"""The single interpolation, from photos of any size, each with a matrix, to a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from core.data.draws import Array, Floats
from core.data.photo import Size
from core.data.transforms import PadMode, Pixels

REDUCTION = 1.5  # above it, bilinear sampling would skip pixels
TWO_PASSES = 4  # from this reduction on, filtering in two passes is faster
MARGIN = 2  # pixels of the output by which more is read than its corners enclose

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Plan:
    """How N photos are sampled: the box that is read, the size to which it is reduced, and where its points lie.

    `boxes` [N, 4] are left, top, right, bottom; `sizes` [N, 2] height and width; `matrices` [N, 3, 3] lead from the
    output to the reduced box, in pixels.
    """

    boxes: Ints
    sizes: Ints
    matrices: Array
    size: Size
    pad_mode: PadMode

    def rows(self, rows: slice | list[int]) -> Plan:
        """The plan for some of the photos."""
        return replace(self, boxes=self.boxes[rows], sizes=self.sizes[rows], matrices=self.matrices[rows])


def planned(sizes: Array, matrices: Array, size: Size, pad_mode: PadMode) -> Plan:
    """The plan for photos of `sizes` [N, 2]; axes that a matrix reduces by over REDUCTION are to be filtered."""
    reduced = reductions(matrices, size)
    boxes = _boxes(sizes[:, ::-1], matrices, size, MARGIN * np.maximum(reduced, 1))
    inner = boxes[:, 2:] - boxes[:, :2]
    small = np.where(reduced > REDUCTION, np.maximum(1, np.rint(inner / reduced)), inner)
    scale = small / inner
    onto = np.zeros_like(matrices)
    onto[:, [0, 1], [0, 1]], onto[:, :2, 2], onto[:, 2, 2] = scale, -boxes[:, :2] * scale, 1
    return Plan(boxes, small[:, ::-1].astype(np.int64), onto @ matrices, size, pad_mode)


def reductions(matrices: Array, size: Size) -> Array:
    """Photo pixels per output pixel, in x and y of the photo, at the centre of an output of `size`: [N, 2]."""
    middle = matrices @ np.array([size[1] / 2, size[0] / 2, 1.0])
    z = middle[:, 2, None, None]
    slopes = (matrices[:, :2, :2] - matrices[:, 2:, :2] * middle[:, :2, None] / z) / z
    return np.asarray(np.hypot(slopes[..., 0], slopes[..., 1]))


def _boxes(widths: Array, matrices: Array, size: Size, margins: Array) -> Ints:
    """The part of photos of `widths` [N, 2] (width, height) from which an output takes its points: [N, 4]."""
    (h, w), n = size, len(matrices)
    corners = matrices @ np.array([[0, w, 0, w], [0, 0, h, h], [1, 1, 1, 1.0]])
    with np.errstate(divide="ignore", invalid="ignore"):
        points = corners[:, :2] / corners[:, 2:]
    low, high = points.min(2) - margins, points.max(2) + margins
    # what lies outside is mirrored to the inside, and a horizon within the output has no corners that enclose it
    whole = (corners[:, 2:] <= 1e-6).any(2) | (-low > high) | (high - widths > widths - low)
    low, high = np.floor(np.where(whole, 0, np.maximum(low, 0))), np.ceil(np.where(whole, widths, high))
    return np.concatenate([low, np.minimum(high, widths)], 1).astype(np.int64).reshape(n, 4)


def to_size(photo: Image.Image | Pixels, height: int, width: int) -> Pixels:
    """The whole photo reduced to uint8 [height, width, 3] with antialiasing."""
    if isinstance(photo, Image.Image) and min(photo.height / height, photo.width / width) >= TWO_PASSES:
        return np.asarray(photo.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))
    pixels = as_tensor(np.asarray(photo))[None].permute(0, 3, 1, 2)  # channels last, as is the result
    small = interpolate(pixels, (height, width), mode="bilinear", antialias=True)
    return small.permute(0, 2, 3, 1)[0].numpy()


def as_tensor(pixels: Pixels) -> Tensor:
    """The same memory as a tensor, which nobody may write to; a copy if NumPy forbids writing."""
    return torch.from_numpy(pixels) if pixels.flags.writeable else torch.tensor(pixels)


def sampled(photos: Sequence[Pixels], plan: Plan) -> Iterator[Tensor]:
    """Bilinear samples on the CPU, photo by photo: [1, 3, H, W] in 0..1, each independent of the others.

    One by one, a photo stays in the processor's cache; `core.data.canvas` samples a whole batch on an accelerator.
    """
    rows, columns = map(torch.from_numpy, lattice(plan.matrices, plan.sizes, plan.size))
    mode = "reflection" if plan.pad_mode == "reflection" else "border"  # "zeros" would fade the edge pixels
    boxes, sizes = plan.boxes.tolist(), plan.sizes.tolist()
    for photo, (left, top, right, bottom), size, down, across in zip(photos, boxes, sizes, rows, columns, strict=True):
        part = photo[top:bottom, left:right]
        if part.shape[:2] != tuple(size):
            part = to_size(part, *size)
        points = down[:, :, None] + across[:, None]
        points = points[:2].div_(points[2:])  # [2, H, W]
        pixels = as_tensor(part).permute(2, 0, 1)[None].float()
        image = grid_sample(pixels, points.permute(1, 2, 0)[None], align_corners=False, padding_mode=mode)
        image.div_(255).clamp_(0, 1)  # rounding errors
        yield image.masked_fill_((points.abs() > 1).any(0), 0.0) if plan.pad_mode == "zeros" else image


def lattice(matrices: Array, frames: Ints, size: Size) -> tuple[Floats, Floats]:
    """Homogeneous points [N, 3, H] of the output's rows and [N, 3, W] of its columns, whose sums are all its points.

    They are coordinates -1..1 of frames [N, 2] (height, width), as grid_sample takes them.
    """
    onto = np.zeros_like(matrices)
    onto[:, [0, 1], [0, 1]], onto[:, :2, 2], onto[:, 2, 2] = 2 / frames[:, ::-1], -1, 1
    matrices = onto @ matrices
    ys, xs = (np.arange(n) + 0.5 for n in size)
    rows, columns = matrices[:, :, 1:2] * ys, matrices[:, :, :1] * xs + matrices[:, :, 2:]
    return rows.astype(np.float32), columns.astype(np.float32)
