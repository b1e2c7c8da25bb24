"""fastai's `tensor`, which also accepts numbers as separate arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor


def tensor(x: Any, *rest: Any, **options: Any) -> Tensor:
    """`torch.tensor` of a list, separate numbers or an image, uint8 [H, W, C] or [H, W]; tensors are kept."""
    if isinstance(x, Tensor) and not rest:
        return x.to(**options)
    values = (x, *rest) if rest else np.array(x) if isinstance(x, Image) else x
    return torch.tensor(values, **options)
