"""Copies of a photo (re-encoded, resized, relit, slightly cropped, flipped or rotated), found by perceptual hashes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from core.data.photo import View

SIDE = 64  # pixels per side of the grey thumbnails
THUMBNAIL = View(size=(SIDE, SIDE), method="squish")
LOW = 8  # lowest frequencies per axis in the hash, which has 64 bits
NEAR = 10  # bits by which the hashes of a candidate pair may differ
MOST_NEAR = 100  # candidates for each photo; in a film all frames are near
COPY_CORRELATION = 0.85  # of gradients: .9 or more for copies, .75 or less for different photos that look alike
CROPS = (0.0, 0.05)  # cropped share of each side, for the hashes
FINE_CROPS = (0.0, 0.025, 0.05, 0.075)  # for the correlation
WAYS = 8  # rotations and flips of a photo
MAX_COMPARISONS = 2**22  # pairs of hashes compared at a time

Grey = NDArray[np.uint8]
Pair = tuple[int, int]


def copies(thumbnails: Grey) -> list[tuple[int, int, float]]:
    """Pairs of copies among photos with grey thumbnails [N, 64, 64], with the correlation of their gradients."""
    if len(thumbnails) < 2:
        return []
    found: dict[Pair, float] = {}
    for i, j, way in _near(thumbnails):
        correlation = _correlation(thumbnails[i], thumbnails[j], way)
        if correlation >= COPY_CORRELATION:
            pair = min(i, j), max(i, j)
            found[pair] = max(found.get(pair, 0), correlation)
    return [(i, j, found[i, j]) for i, j in sorted(found, key=lambda pair: -found[pair])]


def _near(thumbnails: Grey) -> Iterator[tuple[int, int, int]]:
    """Photos i and j and the way, one of 8 rotations and flips of j, for which their hashes are near."""
    pixels = thumbnails.astype(np.float32)
    hashes = np.stack([_hashes(view) for crop in CROPS for view in _ways(_cropped(pixels, crop))])
    flat = pixels.std(axis=(1, 2)) < 1  # photos of one colour all have equal hashes
    step = max(1, MAX_COMPARISONS // hashes.size)
    for start in range(0, len(thumbnails), step):
        bits = np.bitwise_count(hashes[0, start : start + step, None, None] ^ hashes.T[None])  # [i, j, way]
        nearest = bits.min(axis=2)
        nearest[flat[start : start + step]] = 64
        nearest[:, flat] = 64
        close = nearest <= NEAR
        for crowded in np.flatnonzero(close.sum(axis=1) > MOST_NEAR):
            close[crowded] = False
            close[crowded, np.argpartition(nearest[crowded], MOST_NEAR)[:MOST_NEAR]] = True
        for i, j in np.argwhere(close).tolist():
            if start + i != j:
                yield start + i, j, int(bits[i, j].argmin()) % WAYS


def _ways(pixels: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Thumbnails [..., H, W] rotated by 0, 90, 180 and 270 degrees, then the same flipped."""
    for mirrored in (pixels, pixels[..., ::-1]):
        for turns in range(4):
            yield np.rot90(mirrored, turns, (-2, -1))


def _hashes(pixels: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Perceptual hashes [N] of 64 bits: which low frequencies of the discrete cosine transform exceed their median."""
    waves = (_cosines() @ pixels @ _cosines().T).reshape(len(pixels), -1)
    bits = waves > np.median(waves[:, 1:], axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def _correlation(one: Grey, other: Grey, way: int) -> float:
    """The highest correlation of a thumbnail's gradients with those of another, rotated this way, over its crops."""
    turned = next(islice(_ways(other.astype(np.float32)), way, None))
    views = np.stack([_cropped(turned, crop) for crop in FINE_CROPS])
    return float((_gradients(views) @ _gradients(one.astype(np.float32)[None])[0]).max())


def _gradients(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The pixel gradients of thumbnails [N, H, W], as rows of norm 1."""
    across = pixels[:, 1:-1, 2:] - pixels[:, 1:-1, :-2]
    down = pixels[:, 2:, 1:-1] - pixels[:, :-2, 1:-1]
    rows = np.stack([across, down], axis=1).reshape(len(pixels), -1)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), np.float32)


@cache
def _cosines() -> NDArray[np.float32]:
    """The first rows [8, 64] of the unscaled discrete cosine transform of type II."""
    places = 2 * np.arange(SIDE) + 1
    return np.cos(np.pi * places * np.arange(LOW)[:, None] / (2 * SIDE)).astype(np.float32)


def _cropped(pixels: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Thumbnails [..., H, W] with `share` cropped from each side, resized back."""
    return np.asarray(_crop(share) @ pixels @ _crop(share).T, np.float32)


@cache
def _crop(share: float) -> NDArray[np.float32]:
    """The matrix [64, 64] that crops `share` from both ends of a row and resizes it linearly."""
    places = (np.arange(SIDE) + 0.5) * (1 - 2 * share) + share * SIDE - 0.5
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(SIDE))), np.float32)
