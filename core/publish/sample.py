"""Validation photos of a run: a sample to rehearse with, with the engine's answers, and examples to show."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.ExifTags import Base

from core.data.photo import BadPhoto, thumbnail
from core.runs.predictions import predictions_of
from core.runs.run import Run

SAMPLE = 32  # validation photos
EXAMPLE_SIDE, ODD_SIDE = 1024, 400  # pixels of the longer side
Probabilities = np.ndarray[Any, Any]


def sample(run: Run) -> tuple[list[Path], Probabilities]:
    """A sample of validation photos that still exist, with the engine's probabilities [N, C] on the CPU."""
    items = predictions_of(run).items
    return _answered(run, items[:: math.ceil(len(items) / SAMPLE)])


def named_sample(run: Run) -> tuple[list[tuple[str, bytes]], Probabilities]:
    """The same as names and contents, and the first of them in each of the ways that browsers show otherwise."""
    photos, expected = sample(run)
    odd = list(odd_photos(photos[0])) if photos else []
    _, more = _answered(run, [content for _, content in odd])
    named = [(photo.name, photo.read_bytes()) for photo in photos]
    return named + odd, np.concatenate([expected, more]) if odd else expected


def odd_photos(photo: Path) -> Iterator[tuple[str, bytes]]:
    """A photo turned, grey, deep, transparent and in the colours of a press: names and contents."""
    plain = Image.fromarray(np.asarray(thumbnail(photo, ODD_SIDE)))
    for suffix, orientation in (("jpg", 6), ("png", 8), ("webp", 5)):
        exif = Image.Exif()
        exif[Base.Orientation] = orientation
        yield f"turned.{suffix}", _saved(plain, suffix, exif=exif)
    grey = plain.convert("L")
    yield "grey.png", _saved(grey, "png")
    yield "deep.png", _saved(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "png")
    yield "press.jpg", _saved(plain.convert("CMYK"), "jpg")
    plain.putalpha(grey)
    for suffix in ("png", "webp"):
        yield f"transparent.{suffix}", _saved(plain, suffix)


def examples_of(run: Run, count: int) -> list[bytes]:
    """Up to `count` validation photos that are predicted correctly, as JPEGs without metadata."""
    return list(islice(_examples(run), count))


def _examples(run: Run) -> Iterator[bytes]:
    """The first of each class, then the second of each."""
    results = predictions_of(run)
    seen = [0] * len(results.vocab)
    ranked = []
    for i, (target, guess) in enumerate(zip(results.targets.tolist(), results.logits.argmax(1).tolist(), strict=True)):
        if target == guess:
            ranked.append((seen[target], target, i))
            seen[target] += 1
    for _, _, i in sorted(ranked):
        try:
            yield _neutral(results.items[i])
        except BadPhoto:  # it is gone or has changed
            continue


def _neutral(item: Path) -> bytes:
    """A photo as a JPEG without metadata; raises BadPhoto."""
    image = thumbnail(item, EXAMPLE_SIDE)
    return _saved(Image.fromarray(np.asarray(image)), "jpg", quality=90)  # a new image, as saving keeps a comment


def _saved(image: Image.Image, suffix: str, **options: Any) -> bytes:
    file = io.BytesIO()
    kind = {"jpg": "JPEG"}.get(suffix, suffix)
    image.save(file, kind, **({"lossless": True} if suffix == "webp" else {}), **options)
    return file.getvalue()


def _answered(run: Run, photos: Sequence[Any]) -> tuple[list[Any], Probabilities]:
    """The photos that the engine can read, and its probabilities."""
    from core.model.folder import load_model

    predictor = load_model(run.folder)
    predictor.architecture.model.to("cpu")
    found = [
        (photo, logits.softmax(0).tolist())
        for photo, logits in predictor.predict_many(photos)
        if not isinstance(logits, BadPhoto)  # it is gone or has changed
    ]
    return [photo for photo, _ in found], np.array([row for _, row in found])
