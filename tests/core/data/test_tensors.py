"""fastai's `tensor`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.tensors import tensor


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (([0, 1, 0],), torch.tensor([0, 1, 0])),
        ((1, 2, 3), torch.tensor([1, 2, 3])),
        ((0.5,), torch.tensor(0.5)),
        ((np.ones(2, np.uint8),), torch.ones(2, dtype=torch.uint8)),
        ((Image.new("RGB", (3, 2), "white"),), torch.full((2, 3, 3), 255, dtype=torch.uint8)),
    ],
)
def test_numbers_lists_arrays_and_images(given: Any, expected: torch.Tensor) -> None:
    found = tensor(*given)
    assert torch.equal(found, expected) and found.dtype == expected.dtype
    assert tensor(*given, dtype=torch.float64).dtype == torch.float64


def test_a_tensor_stays_what_it_is() -> None:
    given = torch.ones(2, requires_grad=True)
    assert tensor(given) is given
    assert tensor(given, dtype=torch.float64).dtype == torch.float64


def test_an_image_of_one_channel() -> None:
    assert tensor(Image.new("L", (3, 2))).shape == (2, 3)
