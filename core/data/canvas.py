"""The single interpolation of a whole batch on an accelerator, from photos that lie one behind the other in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from core.data.photo import Size
from core.data.sampler import Ints, Plan
from core.device import Device

AT_ONCE = 64  # photos, which bounds the memory of the canvas


@dataclass(frozen=True)
class Sampling:
    """A plan for N photos with the same numbers on the device, sent in two copies however many photos there are.

    `places` int64 [N, 8] are a photo's first byte and width in pixels, its box, and its size after filtering.
    """

    plan: Plan
    places: Tensor
    matrices: Tensor  # float32 [N, 3, 3]

    @classmethod
    def sent(cls, plan: Plan, starts: Ints, widths: Ints, device: Device) -> Sampling:
        """The plan for photos whose first bytes are `starts` [N], and whose widths in pixels `widths` [N]."""
        places = np.column_stack([starts, widths, plan.boxes, plan.sizes])
        return cls(plan, device.send(places), device.send(plan.matrices))

    def rows(self, rows: slice) -> Sampling:
        """Those for some of the photos."""
        return Sampling(self.plan.rows(rows), self.places[rows], self.matrices[rows])


def sample_flat(flat: Tensor, sampling: Sampling) -> Tensor:
    """`sampler.sampled` for N photos in `flat`, uint8 [bytes]: [N, 3, H, W] in 0..1 on the device of `flat`."""
    parts = (sampling.rows(slice(i, i + AT_ONCE)) for i in range(0, len(sampling.places), AT_ONCE))
    return torch.cat([_sampled(_filtered(_gathered(flat, part), part), part) for part in parts])


def whole(flat: Tensor, starts: Tensor, size: Size) -> Tensor:
    """Photos of one size at `starts` [N] as they are: [N, 3, H, W] in 0..1."""
    pixels = flat[starts[:, None] + torch.arange(3 * size[0] * size[1], device=flat.device)]
    return pixels.view(-1, *size, 3).permute(0, 3, 1, 2) / 255


def _gathered(flat: Tensor, sampling: Sampling) -> Tensor:
    """The boxes of the photos, each in the upper left of a canvas, float [N, 3, H, W] in 0..255."""
    boxes = sampling.plan.boxes
    across, down = (int(n) for n in (boxes[:, 2:] - boxes[:, :2]).max(0))
    start, width, left, top, right, bottom, _, _ = sampling.places[:, :, None].unbind(1)
    # beyond its box a photo's last row or column is repeated, so that no index leaves it
    rows = torch.arange(down, device=flat.device).minimum(bottom - top - 1) + top
    columns = torch.arange(across, device=flat.device).minimum(right - left - 1) + left
    index = (start + 3 * width * rows)[:, :, None] + (3 * columns)[:, None]
    return torch.stack([flat[index + channel] for channel in range(3)], 1).float()


def _filtered(canvas: Tensor, sampling: Sampling) -> Tensor:
    """The canvas [N, 3, H, W] with each photo reduced to its planned size, rounded as `sampler.to_size` rounds."""
    plan, (_, _, left, top, right, bottom, height, width) = sampling.plan, sampling.places.unbind(1)
    before = plan.boxes[:, 2:] - plan.boxes[:, :2]
    if (before[:, 0] != plan.sizes[:, 1]).any():
        weights = _weights(right - left, width, canvas.shape[3], int(plan.sizes[:, 1].max()))
        canvas = (canvas @ weights.mT).round_()
    if (before[:, 1] != plan.sizes[:, 0]).any():
        weights = _weights(bottom - top, height, canvas.shape[2], int(plan.sizes[:, 0].max()))
        canvas = (weights @ canvas).round_()
    return canvas


def _weights(before: Tensor, after: Tensor, most_before: int, most_after: int) -> Tensor:
    """The weight of each of `before` [N] pixels in each of `after` [N], by Pillow's triangle filter: [N, 1, m, n]."""
    n, m = before.float()[:, None, None], after.float()[:, None, None]
    scale = n / m
    there = (torch.arange(most_after, device=n.device) + 0.5)[:, None] * scale
    here = torch.arange(most_before, device=n.device) + 0.5
    weights = (1 - (here - there).abs() / scale).clamp_(min=0) * (here < n)
    return (weights / weights.sum(2, keepdim=True).clamp_(min=1e-6))[:, None]  # rows beyond `after` may be empty


def _sampled(canvas: Tensor, sampling: Sampling) -> Tensor:
    """The points of all photos, [N, 3, H, W] in 0..1; padding is by a photo's own size rather than the canvas's."""
    plan, matrices = sampling.plan, sampling.matrices
    ys, xs = (torch.arange(n, device=canvas.device) + 0.5 for n in plan.size)
    points = (matrices[:, :, 1:2] * ys)[:, :, :, None] + (matrices[:, :, :1] * xs + matrices[:, :, 2:])[:, :, None]
    points = points[:, :2] / points[:, 2:]  # in pixels, from 0 to `ends`
    ends = sampling.places[:, 6:].flip(1)[:, :, None, None].float()
    inside = points
    if plan.pad_mode == "reflection":
        inside = ends - (points.remainder(2 * ends) - ends).abs()
    inside = inside.clamp(min=0.5).minimum(ends - 0.5)
    height, width = canvas.shape[2:]
    grid = torch.stack([inside[:, 0] * (2 / width) - 1, inside[:, 1] * (2 / height) - 1], 3)
    images = grid_sample(canvas, grid, align_corners=False, padding_mode="zeros")
    images = images.div_(255).clamp_(0, 1)
    if plan.pad_mode == "zeros":
        images.masked_fill_(((points < 0) | (points > ends)).any(1, keepdim=True), 0.0)
    return images
