"""Random numbers for all photos of a batch at once, which depend on nothing but (seed, epoch, index)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
Floats = np.ndarray[Any, np.dtype[np.float32]]
Words = np.ndarray[Any, np.dtype[np.uint64]]
DRAWS_VERSION = 2  # of the numbers that are drawn; before, each photo had a generator of its own
STEP = 0x9E3779B97F4A7C15  # 2**64 / the golden ratio
MASK = 2**64 - 1


class Draws:
    """Draws for the photos `indices` of an epoch: a photo gets the same ones alone as in any batch.

    The numbers are counter-based (splitmix64, Steele 2014): the k-th draw of a photo is a hash of the photo and k, so
    that a batch is drawn in arrays, without a generator per photo.
    """

    def __init__(self, seed: int, epoch: int, indices: Sequence[int]) -> None:
        key = np.zeros(len(indices), np.uint64)
        for part in (seed & MASK, epoch & MASK, np.asarray(indices, np.int64).astype(np.uint64)):
            key = _mixed(key ^ np.asarray(part, np.uint64))
        self._key, self._count = key, 0

    def __len__(self) -> int:
        return len(self._key)

    def uniform(self, low: float = 0.0, high: float = 1.0, times: int | None = None) -> Array:
        """A number from `low` up to `high` for each photo: [N], or `times` numbers for each: [N, times]."""
        count = 1 if times is None else times
        counters = (np.arange(self._count + 1, self._count + count + 1, dtype=np.uint64)) * np.uint64(STEP)
        self._count += count
        words = _mixed(self._key[:, None] + counters)
        values: Array = low + (high - low) * np.ldexp((words >> np.uint64(11)).astype(np.float64), -53)
        return values[:, 0] if times is None else values

    def happens(self, p: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """True with probability `p` for each photo: [N]."""
        return self.uniform() < p


def _mixed(words: Words) -> Words:
    """The output function of splitmix64."""
    words = words + np.uint64(STEP)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
