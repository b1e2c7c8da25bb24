"""Threads that prepare photos."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch

from core.data.threads import photo_threads


@pytest.fixture
def torch_has_three_threads() -> Iterator[None]:
    """Another number than one, whatever the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("torch_has_three_threads")
def test_torch_works_alone_in_them_and_as_before_elsewhere() -> None:
    together = Barrier(4)

    def number(_: int) -> int:
        together.wait(60)
        torch.rand(200, 200) @ torch.rand(200, 200)
        return torch.get_num_threads()

    with photo_threads(4) as pool:
        assert list(pool.map(number, range(8))) == [1] * 8
    with ThreadPoolExecutor(1) as other:
        assert other.submit(torch.get_num_threads).result() == 3
    assert torch.get_num_threads() == 3
