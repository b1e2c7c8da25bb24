"""fastai's `tensor`, which takes numbers one by one too."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor


def tensor(x: Any, *rest: Any, **options: Any) -> Tensor:
    """`torch.tensor` of a list, of numbers one by one or of an image: uint8 [H, W, C], or [H, W]; a tensor stays it."""
    if isinstance(x, Tensor) and not rest:
        return x.to(**options)
    values = (x, *rest) if rest else np.array(x) if isinstance(x, Image) else x
    return torch.tensor(values, **options)
