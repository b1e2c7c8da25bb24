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

AT_ONCE, MOST_AT_ONCE = 64, 256  # photos, which bounds the memory of the canvas
BYTES, SHARE = 40, 1 / 8  # bytes per pixel of the canvas while it is made; share of the free memory that this may take


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


def at_once(plan: Plan, device: Device) -> int:
    """How many of the planned photos are sampled at once: launching costs the same for any number."""
    photo = BYTES * int((plan.boxes[:, 2:] - plan.boxes[:, :2]).max(0).prod())
    return max(AT_ONCE, min(MOST_AT_ONCE, int(SHARE * device.free_memory()) // photo))


def sample_flat(flat: Tensor, sampling: Sampling, most: int) -> Tensor:
    """`sampler.sampled` for N photos in `flat`, uint8 [bytes], at `most` of them at once: [N, 3, H, W] in 0..1."""
    parts = [sampling.rows(slice(i, i + most)) for i in range(0, len(sampling.places), most)]
    images = [_sampled(_filtered(_gathered(flat, part), part), part) for part in parts]
    return images[0] if len(images) == 1 else torch.cat(images)


def whole(flat: Tensor, starts: Tensor, size: Size) -> Tensor:
    """Photos of one size at `starts` [N] as they are: [N, 3, H, W] in 0..1."""
    pixels = flat[starts[:, None] + torch.arange(3 * size[0] * size[1], device=flat.device)]
    return pixels.view(-1, *size, 3).permute(0, 3, 1, 2) / 255


def _gathered(flat: Tensor, sampling: Sampling) -> Tensor:
    """The boxes of the photos, each in the upper left of a canvas, float [N, H, 3, W] in 0..255."""
    boxes = sampling.plan.boxes
    across, down = (int(n) for n in (boxes[:, 2:] - boxes[:, :2]).max(0))
    start, width, left, top, right, bottom, _, _ = sampling.places[:, :, None].unbind(1)
    # beyond its box a photo's last row or column is repeated, so that no index leaves it
    rows = (torch.arange(down, device=flat.device) + top).minimum(bottom - 1)
    columns = (torch.arange(across, device=flat.device) + left).minimum(right - 1)
    index = (start + 3 * width * rows)[:, :, None] + (3 * columns)[:, None]
    return torch.stack([flat[index], flat[index + 1], flat[index + 2]], 2).float()


def _filtered(canvas: Tensor, sampling: Sampling) -> Tensor:
    """The canvas [N, H, 3, W] with each photo reduced to its planned size, rounded as `sampler.to_size` rounds.

    In this layout each axis takes a single matrix product a photo.
    """
    plan, (photos, down, _, across) = sampling.plan, canvas.shape
    before, after = plan.boxes[:, 2:] - plan.boxes[:, :2], plan.sizes[:, ::-1]
    if (before == after).all():
        return canvas
    weights = _weights(sampling.places, max(down, across), int(after.max()))
    if (before[:, 0] != after[:, 0]).any():
        most = int(after[:, 0].max())
        canvas = (canvas.flatten(1, 2) @ weights[0, :, :most, :across].mT).round_().view(photos, down, 3, most)
    if (before[:, 1] != after[:, 1]).any():
        most = int(after[:, 1].max())
        canvas = (weights[1, :, :most, :down] @ canvas.flatten(2)).round_().view(photos, most, 3, -1)
    return canvas


def _weights(places: Tensor, most_before: int, most_after: int) -> Tensor:
    """The weight of each pixel of a box, across and down, in each after filtering: [2, N, after, before].

    They are those of Pillow's triangle filter.
    """
    _, _, left, top, right, bottom, height, width = places[:, :, None, None].unbind(1)
    n, m = torch.stack([right - left, bottom - top]), torch.stack([width, height])
    scale = n / m
    there = (torch.arange(most_after, device=n.device) + 0.5)[:, None] * scale
    here = torch.arange(most_before, device=n.device) + 0.5
    weights = (1 - (here - there).abs_() / scale).clamp_(min=0).mul_(here < n)
    return weights.div_(weights.sum(3, keepdim=True).clamp_(min=1e-6))  # rows beyond `after` may be empty


def _sampled(canvas: Tensor, sampling: Sampling) -> Tensor:
    """The points of photos on a canvas [N, H, 3, W], as [N, 3, H, W] in 0..1; padding is by a photo's own size."""
    plan, matrices = sampling.plan, sampling.matrices
    ys, xs = (torch.arange(n, device=canvas.device) + 0.5 for n in plan.size)
    points = (matrices[:, :, 1:2] * ys)[:, :, :, None] + (matrices[:, :, :1] * xs + matrices[:, :, 2:])[:, :, None]
    points = points[:, :2] / points[:, 2:]  # in pixels, from 0 to `ends`
    ends = sampling.places[:, 6:].flip(1)[:, :, None, None].float()
    inside = points
    if plan.pad_mode == "reflection":
        inside = ends - (points.remainder(2 * ends) - ends).abs()
    inside = inside.clamp(min=0.5).minimum(ends - 0.5)
    height, width = canvas.shape[1], canvas.shape[3]
    grid = torch.stack([inside[:, 0] * (2 / width) - 1, inside[:, 1] * (2 / height) - 1], 3)
    images = grid_sample(canvas.transpose(1, 2), grid, align_corners=False, padding_mode="zeros")
    images = images.div_(255).clamp_(0, 1)
    if plan.pad_mode == "zeros":
        images.masked_fill_(((points < 0) | (points > ends)).any(1, keepdim=True), 0.0)
    return images
