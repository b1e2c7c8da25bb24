"""How many planted wrong labels and copies `inspect` finds: python -m tests.benchmarks.insight CLOTHING PETS

CLOTHING holds a folder a class, PETS photos; nothing in them is changed.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

from core.data import photo
from core.data.content import digest
from core.discovery import discover
from core.events import drain
from core.insight.copies import copies
from core.insight.features import THUMBNAIL, PhotoFeatures, photo_features
from core.insight.suspects import find_suspects
from core.insight.twins import find_twins
from core.model.predictor import Predictor
from core.registry import architectures

SIZE, SEEDS, COPIED = 192, 5, 200


def main() -> None:
    """Print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clothing", type=Path)
    parser.add_argument("pets", type=Path)
    arguments = parser.parse_args()
    discover()
    with TemporaryDirectory() as workspace:
        files = sorted(arguments.clothing.rglob("*.jpg"))
        digests = [digest(file) for file in files]
        for when in ("first", "again"):
            began = time.perf_counter()
            features = extracted(files, digests, Path(workspace))
            print(f"features of {len(files):,} photos at {SIZE} pixels, {when}: {time.perf_counter() - began:.1f} s")
    suspects(features, [file.parent.name for file in files], digests)
    for folder in (arguments.clothing, arguments.pets):
        changed(sorted(folder.rglob("*.jpg")), folder.name)


def extracted(files: Sequence[Path], digests: Sequence[str], workspace: Path) -> PhotoFeatures:
    """By efficientnet_lite0 with its ImageNet weights."""
    network = architectures.create("efficientnet_lite0", 2)
    predictor = Predictor(network, [photo.View(size=(SIZE, SIZE))], ["a", "b"])
    return drain(photo_features(files, digests, predictor, workspace))


def suspects(features: PhotoFeatures, labels: list[str], digests: Sequence[str]) -> None:
    """Labels exchanged at random: how many of the first are exchanged ones."""
    names = sorted(set(labels))
    began = time.perf_counter()
    twins = find_twins(digests, features)
    print(f"twins: {time.perf_counter() - began:.1f} s")
    for pair in twins:
        print(f"  {pair.kind}: {labels[pair.first]}, {labels[pair.second]}")
    for share in (0.05, 0.1):
        rows = []
        for seed in range(SEEDS):
            random = Random(seed)
            wrong = set(random.sample(range(len(labels)), round(share * len(labels))))
            given = [
                random.choice([n for n in names if n != label]) if i in wrong else label
                for i, label in enumerate(labels)
            ]
            began = time.perf_counter()
            found = [s.photo for s in find_suspects(features.values, given, twins)]
            n = len(wrong)
            shares = [len(wrong & set(found[:upto])) / of for upto, of in ((n // 2, n // 2), (n, n), (2 * n, n))]
            rows.append((*shares, time.perf_counter() - began))
        means = torch.tensor(rows).mean(0).tolist()
        print(
            f"{share:.0%} exchanged, mean of {SEEDS}: of the first n/2 {means[0]:.3f}, of the first n {means[1]:.3f} "
            f"({min(r[1] for r in rows):.3f} to {max(r[1] for r in rows):.3f}); among the first 2n {means[2]:.3f} of "
            f"them ({min(r[2] for r in rows):.3f} to {max(r[2] for r in rows):.3f}); {means[3]:.1f} s"
        )


def changed(files: Sequence[Path], name: str) -> None:
    """Copies of 200 photos, changed: how many are found, and how many pairs are none."""
    own = np.stack([thumbnail(photo.load(file)) for file in files])
    real = {(i, j) for i, j, _ in copies(own)}
    print(f"{name}: {len(files):,} photos, {len(real)} pairs among themselves")
    chosen = sorted(Random(0).sample(range(len(files)), min(COPIED, len(files))))
    for what, change in CHANGES.items():
        made = np.stack([thumbnail(change(photo.load(files[i]).convert("RGB"))) for i in chosen])
        found = {(i, j) for i, j, _ in copies(np.concatenate([own, made]))} - real
        right = {(i, len(files) + k) for k, i in enumerate(chosen)}
        also = {(a, len(files) + k) for k, i in enumerate(chosen) for pair in real if i in pair for a in pair}
        print(f"  {what:<13} {len(right & found) / len(chosen):.3f} found, {len(found - right - also)} pairs are none")


def thumbnail(image: Image.Image) -> np.ndarray:
    """As it is kept beside the features."""
    return photo.fit(image, [THUMBNAIL]).mean(axis=2).round().astype(np.uint8)


def _encoded(image: Image.Image, quality: int = 90) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return Image.open(content)


def _cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return _encoded(image.crop((round(0.05 * width), round(0.05 * height), round(0.95 * width), round(0.95 * height))))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "quality 30": lambda image: _encoded(image, 30),
    "quality 95": lambda image: _encoded(image, 95),
    "half size": lambda image: _encoded(image.resize((image.width // 2, image.height // 2))),
    "quarter size": lambda image: _encoded(image.resize((image.width // 4, image.height // 4))),
    "5 % cropped": _cropped,
    "brighter": lambda image: _encoded(ImageEnhance.Brightness(image).enhance(1.4)),
    "mirrored": lambda image: _encoded(ImageOps.mirror(image)),
    "turned": lambda image: _encoded(image.transpose(Image.Transpose.ROTATE_90)),
}


if __name__ == "__main__":
    main()
