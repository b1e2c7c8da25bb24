"""The single interpolation of a whole batch on an accelerator, from photos that lie one behind the other in memory."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from core.data.sampler import Ints, Plan, lattice
from core.device import choose

AT_ONCE = 64  # photos, which bounds the memory of the canvas


def sample_flat(flat: Tensor, starts: Ints, widths: Ints, plan: Plan) -> Tensor:
    """`sampler.sampled` for N photos in `flat`, uint8 [bytes]: [N, 3, H, W] in 0..1 on the device of `flat`.

    `starts` [N] are the photos' first bytes and `widths` [N] their widths in pixels.
    """
    images = torch.empty(len(starts), 3, *plan.size, device=flat.device)
    for begin in range(0, len(starts), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        some = plan.rows(part)
        canvas = filtered(gathered(flat, starts[part], widths[part], some.boxes), some)
        images[part] = _sampled(canvas, some)
    return images


def gathered(flat: Tensor, starts: Ints, widths: Ints, boxes: Ints) -> Tensor:
    """The boxes of the photos, each in the upper left of a canvas, float [N, 3, H, W] in 0..255."""
    left, top, right, bottom = boxes.T
    first = starts + 3 * (top * widths + left)
    height, width = int((bottom - top).max()), int((right - left).max())
    device = choose(flat.device)
    # beyond its box a photo's last row or column is repeated, so that no index leaves it
    ys = np.minimum(np.arange(height), (bottom - top - 1)[:, None]) * (3 * widths)[:, None] + first[:, None]
    xs = np.minimum(np.arange(width), (right - left - 1)[:, None]) * 3
    rows, columns = device.send(ys), device.send(xs)
    index = rows[:, :, None] + columns[:, None]
    return torch.stack([flat[index + channel] for channel in range(3)], 1).float()


def filtered(canvas: Tensor, plan: Plan) -> Tensor:
    """The canvas [N, 3, H, W] with each photo reduced to its planned size, rounded as `sampler.to_size` rounds."""
    boxes = plan.boxes
    for axis, before, after in (
        (3, boxes[:, 2] - boxes[:, 0], plan.sizes[:, 1]),
        (2, boxes[:, 3] - boxes[:, 1], plan.sizes[:, 0]),
    ):
        if (before == after).all():
            continue
        weights = _weights(before, after, canvas.device)[:, None]
        canvas = canvas @ weights.mT if axis == 3 else weights @ canvas
        canvas = canvas.round_()
    return canvas


def _weights(before: Ints, after: Ints, device: torch.device) -> Tensor:
    """The weight of each of `before` pixels in each of `after`, by Pillow's triangle filter: [N, after, before]."""
    n, m = (choose(device).send(sizes).float()[:, None, None] for sizes in (before, after))
    scale = n / m
    there = (torch.arange(int(after.max()), device=device) + 0.5)[:, None] * scale
    here = torch.arange(int(before.max()), device=device) + 0.5
    weights = (1 - (here - there).abs() / scale).clamp_(min=0) * (here < n)
    return weights / weights.sum(2, keepdim=True).clamp_(min=1e-6)  # rows beyond `after` may be empty


def _sampled(canvas: Tensor, plan: Plan) -> Tensor:
    """The points of all photos, [N, 3, H, W] in 0..1; padding is by a photo's own size rather than the canvas's."""
    device, (height, width) = choose(canvas.device), canvas.shape[2:]
    frames = np.full_like(plan.sizes, (height, width))
    rows, columns = (device.send(part) for part in lattice(plan.matrices, frames, plan.size))
    points = rows[:, :, :, None] + columns[:, :, None]
    points = points[:, :2] / points[:, 2:] + 1  # from 0 to `ends`
    ends = device.send(2 * plan.sizes[:, ::-1] / np.array([width, height]))[:, :, None, None]
    inside = points
    if plan.pad_mode == "reflection":
        inside = ends - (points.remainder(2 * ends) - ends).abs()
    pixel = device.send(np.array([1 / width, 1 / height]))[None, :, None, None]  # half of one
    grid = inside.maximum(pixel).minimum(ends - pixel) - 1
    images = grid_sample(canvas, grid.permute(0, 2, 3, 1), align_corners=False, padding_mode="zeros")
    images = images.div_(255).clamp_(0, 1)
    if plan.pad_mode == "zeros":
        images.masked_fill_(((points < 0) | (points > ends)).any(1, keepdim=True), 0.0)
    return images
