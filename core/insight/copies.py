"""Copies of a photo: re-encoded, resized, lit, lightly cropped, mirrored or turned, found by perceptual hashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

SIDE = 64  # pixels of the grey thumbnails that stand for photos
LOW = 8  # frequencies a side that make the hash: 64 bits
NEAR = 10  # bits that may differ for a pair to be looked at
SAME = 0.85  # correlation of gradients: of copies .9 and more, of different photos that look alike .75 and less
CROPS = (0.0, 0.05)  # of each side, for the hashes
FINE_CROPS = (0.0, 0.025, 0.05, 0.075)  # for the correlation
AT_ONCE = 2**22  # hashes that are compared at once

Grey = NDArray[np.uint8]
Pair = tuple[int, int]


def copies(thumbnails: Grey) -> list[tuple[int, int, float]]:
    """Pairs of photos that show the same, of grey thumbnails [N, 64, 64], with the correlation of gradients."""
    if len(thumbnails) < 2:
        return []
    found = []
    for i, j in _near(thumbnails):
        correlation = max(_correlation(thumbnails[i], thumbnails[j]), _correlation(thumbnails[j], thumbnails[i]))
        if correlation >= SAME:
            found.append((i, j, correlation))
    return sorted(found, key=lambda pair: -pair[2])


def _near(thumbnails: Grey) -> Iterator[Pair]:
    """Pairs i < j, of which one's hash differs in few bits from that of the other, turned, mirrored or cropped."""
    pixels = thumbnails.astype(np.float32)
    variants = np.stack([_hashes(view) for view in _views(pixels)])
    flat = pixels.std(axis=(1, 2)) < 1  # of one colour: equal to any other such
    n = len(thumbnails)
    step = max(1, AT_ONCE // max(variants.size, 1))
    for start in range(0, n, step):
        own = variants[0, start : start + step]
        bits = np.bitwise_count(own[:, None, None] ^ variants.T[None]).min(axis=2)
        bits[flat[start : start + step]] = 64
        bits[:, flat] = 64
        for i, j in zip(*np.nonzero(bits <= NEAR), strict=True):
            if start + i < j or (start + i > j and not _is_near(variants, j, start + i)):
                yield min(start + int(i), int(j)), max(start + int(i), int(j))


def _is_near(variants: NDArray[np.uint64], i: int, j: int) -> bool:
    return bool(np.bitwise_count(variants[0, i] ^ variants[:, j]).min() <= NEAR)


def _views(pixels: NDArray[np.float32], crops: Sequence[float] = CROPS) -> Iterator[NDArray[np.float32]]:
    """Thumbnails [..., H, W] cropped, turned and mirrored."""
    for crop in crops:
        cropped = _crop(crop) @ pixels @ _crop(crop).T
        for mirrored in (cropped, cropped[..., ::-1]):
            for turns in range(4):
                yield np.rot90(mirrored, turns, (-2, -1))


def _hashes(pixels: NDArray[np.float32]) -> NDArray[np.uint64]:
    """64 bits [N]: which of the lowest frequencies of a discrete cosine transform lie above their median."""
    waves = (_cosines() @ pixels @ _cosines().T).reshape(len(pixels), -1)
    bits = waves > np.median(waves[:, 1:], axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def _correlation(one: Grey, other: Grey) -> float:
    """The highest correlation of a thumbnail with views of another."""
    views = np.stack(list(_views(other.astype(np.float32), FINE_CROPS)))
    return float((_gradients(views) @ _gradients(one.astype(np.float32)[None])[0]).max())


def _gradients(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The differences of neighbours of thumbnails [N, H, W], as rows of length 1."""
    across = pixels[:, 1:-1, 2:] - pixels[:, 1:-1, :-2]
    down = pixels[:, 2:, 1:-1] - pixels[:, :-2, 1:-1]
    rows = np.stack([across, down], axis=1).reshape(len(pixels), -1)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), np.float32)


@cache
def _cosines() -> NDArray[np.float32]:
    """The first rows [8, 64] of the discrete cosine transform of type II, but for their scale."""
    places = 2 * np.arange(SIDE) + 1
    return np.cos(np.pi * places * np.arange(LOW)[:, None] / (2 * SIDE)).astype(np.float32)


@cache
def _crop(share: float) -> NDArray[np.float32]:
    """The matrix [64, 64] that samples a row without `share` of it at both ends, linearly between pixels."""
    places = (np.arange(SIDE) + 0.5) * (1 - 2 * share) + share * SIDE - 0.5
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(SIDE))), np.float32)
