"""The feature cache of a workspace: features of a frozen backbone, keyed by the content of the photo."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from core.atomic import write_atomic
from core.data import photo
from core.data.content import DIGITS
from core.data.photo import BadPhoto
from core.data.pipeline import Pipeline
from core.device import choose
from core.events import FeaturesMade
from core.insight.copies import SIDE, THUMBNAIL
from core.insight.eviction import MAX_CACHE_BYTES, evict
from core.model.architecture import build_architecture
from core.model.predictor import Predictor
from core.recipe import Recipe
from core.registry import transforms

FEATURES = "features"  # of a workspace
SHARD = 1024  # photos per file, the most that a crash can lose
FEATURES_VERSION = 1
BYTES = DIGITS // 2  # of a photo's digest
Row = dict[str, Tensor]


@dataclass(frozen=True)
class PhotoFeatures:
    """Features [N, D] of photos, what is needed to find copies, and which photos could be read."""

    values: Tensor
    thumbnails: NDArray[np.uint8]  # grey [N, 64, 64]
    pixels: list[bytes]  # a hash of the decoded photo
    readable: list[bool]


def photo_features(
    files: Sequence[Path], digests: Sequence[str], predictor: Predictor, workspace: Path
) -> Generator[FeaturesMade, None, PhotoFeatures]:
    """The features of photos with these digests, extracted only where the workspace does not have them."""
    folder = workspace / FEATURES / _key(predictor)
    kept = _kept(folder, set(digests))
    new = list({digest: file for file, digest in zip(files, digests, strict=True) if digest not in kept}.items())
    yield FeaturesMade(len(files) - len(new), len(files))
    network = frozen_features(predictor) if new else None
    for start in range(0, len(new), SHARD):
        found: dict[str, Row] = {}
        for digest, row in _extracted(new[start : start + SHARD], predictor, network):
            if row is not None:
                found[digest] = row
            done = len(files) - len(new) + start + len(found)
            if len(found) % 32 == 0:
                yield FeaturesMade(done, len(files))
        if found:
            _write(folder, found)
            kept |= found
    evict(workspace / FEATURES, MAX_CACHE_BYTES)
    yield FeaturesMade(len(files), len(files))
    empty = next(iter(kept.values()), _empty())
    rows = [kept.get(digest) for digest in digests]
    return PhotoFeatures(
        torch.stack([(row or empty)["features"] for row in rows]).float(),
        torch.stack([(row or empty)["thumbnail"] for row in rows]).numpy(),
        [(row or empty)["pixels"].numpy().tobytes() for row in rows],
        [row is not None for row in rows],
    )


def backbone_of(recipe: Recipe, classes: Sequence[str]) -> Predictor:
    """The network of a recipe before training, in eval mode, with its preprocessing of validation photos."""
    pipeline = Pipeline(*([transforms.build(c) for c in key] for key in (recipe.item_tfms, recipe.batch_tfms)))
    with torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed)  # random weights are the same each time, and their features are found
        architecture = build_architecture(recipe.architecture, len(classes), pipeline.size)
    architecture.model.to(choose().torch, memory_format=torch.channels_last).eval()
    return Predictor(architecture, pipeline.views, list(classes))


def frozen_features(predictor: Predictor) -> Callable[[Tensor], Tensor]:
    """The backbone from images in 0..1 [N, 3, H, W] to features [N, D] on the CPU, its norms fused."""
    device, architecture = predictor.device, predictor.architecture
    example = torch.zeros(1, 3, *predictor.views[-1].size, device=device)
    has_features, fused = architecture.has_features(example), architecture.fused_copy(example)

    def features(images: Tensor) -> Tensor:
        with torch.inference_mode():
            images = images.to(device, memory_format=torch.channels_last)
            found = fused.features(images) if has_features else fused.feature_map(images).mean((2, 3))
        return found.flatten(1).half().cpu().clone()

    return features


def _extracted(
    photos: Sequence[tuple[str, Path]], predictor: Predictor, features: Callable[[Tensor], Tensor] | None
) -> Generator[tuple[str, Row | None], None, None]:
    """The row of each photo, or None if it can no longer be read."""
    others: dict[str, Row] = {}

    def prepare(named: tuple[str, Path]) -> Tensor:
        digest, file = named
        image = photo.load(file)
        thumbnail = photo.fit(image, [THUMBNAIL]).mean(axis=2).round().astype(np.uint8)
        pixels = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest()[:BYTES]
        others[digest] = {
            "thumbnail": torch.from_numpy(thumbnail),
            "pixels": torch.tensor(list(pixels), dtype=torch.uint8),
        }
        return torch.from_numpy(photo.fit(image, predictor.views)).permute(2, 0, 1) / 255

    for (digest, _), found in predictor.predict_many(photos, prepare=prepare, logits=features):
        yield digest, None if isinstance(found, BadPhoto) else {"features": found, **others.pop(digest)}


def _key(predictor: Predictor) -> str:
    """The cache key: a hash of the body's weights and the preprocessing."""
    hashed = hashlib.sha256(f"{FEATURES_VERSION} {predictor.views} {torch.__version__}".encode())
    head = {f"{predictor.architecture.head_name}.{name}" for name in predictor.architecture.head.state_dict()}
    for name, weight in predictor.architecture.model.state_dict().items():
        if name not in head:
            hashed.update(name.encode() + weight.detach().cpu().contiguous().numpy().tobytes())
    return hashed.hexdigest()[:DIGITS]


def _write(folder: Path, found: dict[str, Row]) -> None:
    """Write rows to a file named by its content; nothing is kept if the disk is full or not writable."""
    names = torch.tensor([list(bytes.fromhex(digest)) for digest in found], dtype=torch.uint8)
    columns = {name: torch.stack([row[name] for row in found.values()]) for name in next(iter(found.values()))}
    content = save({"digests": names, **columns})
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / f"{hashlib.sha256(content).hexdigest()[:DIGITS]}.safetensors", content)


def _kept(folder: Path, wanted: set[str]) -> dict[str, Row]:
    """The cached rows of the wanted photos; damaged files are ignored."""
    rows: dict[str, Row] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with suppress(OSError, SafetensorError, KeyError, IndexError):
            columns = load_file(file)
            digests = columns.pop("digests").numpy()
            for i, name in enumerate(digests):
                if (digest := name.tobytes().hex()) in wanted:
                    rows[digest] = {column: values[i] for column, values in columns.items()}
            os.utime(file)  # marks it as recently used; after the rows, as another user's file refuses it
    return rows


def _empty() -> Row:
    return {
        "features": torch.zeros(1, dtype=torch.half),
        "thumbnail": torch.zeros(SIDE, SIDE, dtype=torch.uint8),
        "pixels": torch.zeros(BYTES, dtype=torch.uint8),
    }
