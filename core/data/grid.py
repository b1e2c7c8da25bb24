"""`grid_sample` on every device, also where it has no padding mode "border"."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from core.device import BORDER, ZEROS, choose


def grid_sample(images: Tensor, points: Tensor, padding_mode: str) -> Tensor:
    """Bilinear samples of images [N, C, H, W] at points [N, h, w, 2] in -1..1, whose corners are those of pixels.

    Where the device has no "border", points outside are moved to the centre of the nearest pixel, which is the same.
    """
    if padding_mode == BORDER and BORDER not in choose(images.device).padding_modes:
        inside = 1 - 1 / points.new_tensor([images.shape[3], images.shape[2]])
        points, padding_mode = torch.minimum(torch.maximum(points, -inside), inside), ZEROS
    return F.grid_sample(images, points, padding_mode=padding_mode, align_corners=False)
