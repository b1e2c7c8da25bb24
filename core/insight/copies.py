"""Copies of a photo: re-encoded, resized, lit, lightly cropped, mirrored or turned, found by perceptual hashes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

SIDE = 64  # pixels of the grey thumbnails that stand for photos
LOW = 8  # frequencies a side that make the hash: 64 bits
NEAR = 10  # bits that may differ for a pair to be looked at
SAME = 0.85  # correlation of gradients: of copies .9 and more, of different photos that look alike .75 and less
CROPS = (0.0, 0.05)  # of each side, for the hashes
FINE_CROPS = (0.0, 0.025, 0.05, 0.075)  # for the correlation
WAYS = 8  # to turn and mirror a photo
AT_ONCE = 2**22  # hashes that are compared at once

Grey = NDArray[np.uint8]
Pair = tuple[int, int]


def copies(thumbnails: Grey) -> list[tuple[int, int, float]]:
    """Pairs of photos that show the same, of grey thumbnails [N, 64, 64], with the correlation of gradients."""
    if len(thumbnails) < 2:
        return []
    found: dict[Pair, float] = {}
    for i, j, way in _near(thumbnails):
        correlation = _correlation(thumbnails[i], thumbnails[j], way)
        if correlation >= SAME:
            pair = min(i, j), max(i, j)
            found[pair] = max(found.get(pair, 0), correlation)
    return [(i, j, found[i, j]) for i, j in sorted(found, key=lambda pair: -found[pair])]


def _near(thumbnails: Grey) -> Iterator[tuple[int, int, int]]:
    """Photos i and j of which the hash of i is near that of j when j is turned and mirrored in one of 8 ways."""
    pixels = thumbnails.astype(np.float32)
    hashes = np.stack([_hashes(view) for crop in CROPS for view in _ways(_cropped(pixels, crop))])
    flat = pixels.std(axis=(1, 2)) < 1  # of one colour: equal to any other such
    step = max(1, AT_ONCE // hashes.size)
    for start in range(0, len(thumbnails), step):
        bits = np.bitwise_count(hashes[0, start : start + step, None, None] ^ hashes.T[None])  # [i, j, way]
        nearest = bits.min(axis=2)
        nearest[flat[start : start + step]] = 64
        nearest[:, flat] = 64
        for i, j in np.argwhere(nearest <= NEAR).tolist():
            if start + i != j:
                yield start + i, j, int(bits[i, j].argmin()) % WAYS


def _ways(pixels: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Thumbnails [..., H, W] turned by 0 to 270 degrees, then mirrored too."""
    for mirrored in (pixels, pixels[..., ::-1]):
        for turns in range(4):
            yield np.rot90(mirrored, turns, (-2, -1))


def _hashes(pixels: NDArray[np.float32]) -> NDArray[np.uint64]:
    """64 bits [N]: which of the lowest frequencies of a discrete cosine transform lie above their median."""
    waves = (_cosines() @ pixels @ _cosines().T).reshape(len(pixels), -1)
    bits = waves > np.median(waves[:, 1:], axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def _correlation(one: Grey, other: Grey, way: int) -> float:
    """The highest correlation of a thumbnail with another that is turned in this way, over crops of the other."""
    turned = next(islice(_ways(other.astype(np.float32)), way, None))
    views = np.stack([_cropped(turned, crop) for crop in FINE_CROPS])
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


def _cropped(pixels: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Thumbnails [..., H, W] without `share` of each side, at the size they had."""
    return np.asarray(_crop(share) @ pixels @ _crop(share).T, np.float32)


@cache
def _crop(share: float) -> NDArray[np.float32]:
    """The matrix [64, 64] that samples a row without `share` of it at both ends, linearly between pixels."""
    places = (np.arange(SIDE) + 0.5) * (1 - 2 * share) + share * SIDE - 0.5
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(SIDE))), np.float32)
