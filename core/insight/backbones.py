"""Which backbone suits one's own photos: the accuracy of a linear head on the features of each, before training."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from core.data.check import Examined
from core.errors import BadInput
from core.events import FeaturesMade
from core.insight.compare import Comparison, compare
from core.insight.features import backbone_of, frozen_features, photo_features
from core.insight.heads import Head
from core.model.architecture import parameters_of
from core.model.predictor import Predictor
from core.recipe import Choice, Recipe
from core.training.metrics import wilson_interval

BATCH, TIMING_SECONDS = 16, 0.5  # of the timing


@dataclass(frozen=True)
class Backbone:
    """A frozen backbone on the validation photos: accuracy with its 95 % interval, and what it costs.

    `images_per_second` is of its forward pass at the size of the recipe, on this machine; a training step takes about
    three times as long.
    """

    architecture: Choice
    accuracy: float
    low: float
    high: float
    photos: int
    images_per_second: float
    parameters: int
    predicted: dict[str, str]  # the label by the photo's content

    @property
    def name(self) -> str:
        """The architecture and its options in a few words."""
        options = [str(v) if k == "model" else f"{k}={v}" for k, v in self.architecture.items() if k != "name"]
        return " ".join([self.architecture["name"], *options])


def compare_backbones(
    recipe: Recipe, examined: Examined, workspace: Path, architectures: Sequence[Choice]
) -> Generator[FeaturesMade, None, list[Backbone]]:
    """Score each of `architectures` on the checked photos of a recipe, the best first.

    Features are cached in the workspace. Raises BadInput, also if training or validation has no readable photos.
    """
    found = []
    for choice in architectures:
        found.append((yield from _scored(replace(recipe, architecture=choice), examined, workspace)))
    return sorted(found, key=lambda backbone: -backbone.accuracy)


def against_best(backbones: Sequence[Backbone], examined: Examined) -> list[Comparison]:
    """The comparison of the first of the backbones with each of the others, on the same photos."""
    labels = dict(zip(examined.digests, examined.split.labels, strict=True))
    return [compare(backbones[0].predicted, other.predicted, labels) for other in backbones[1:]]


def _scored(recipe: Recipe, examined: Examined, workspace: Path) -> Generator[FeaturesMade, None, Backbone]:
    split = examined.split
    predictor = backbone_of(recipe, split.vocab)
    features = yield from photo_features(split.items, examined.digests, predictor, workspace)
    train, valid = ([i for i in side if features.readable[i]] for side in (split.train, split.valid))
    if not train or not valid:
        raise BadInput("Backbones are compared on photos for training and for validation, and one of these has none.")
    targets = torch.tensor([split.vocab.index(label) for label in split.labels])
    head = Head.fit(features.values[train], targets[train], len(split.vocab))
    guesses = head.logits(features.values[valid]).argmax(1)
    accuracy = (guesses == targets[valid]).float().mean().item()
    return Backbone(
        recipe.architecture,
        accuracy,
        *wilson_interval(accuracy, len(valid)),
        len(valid),
        _speed(predictor),
        parameters_of(recipe.architecture),
        {examined.digests[i]: split.vocab[guess] for i, guess in zip(valid, guesses.tolist(), strict=True)},
    )


def _speed(predictor: Predictor) -> float:
    """Images per second of the backbone's forward pass."""
    network, images = frozen_features(predictor), torch.zeros(BATCH, 3, *predictor.views[-1].size)
    network(images)
    began, batches = time.perf_counter(), 0
    while time.perf_counter() - began < TIMING_SECONDS:
        network(images)
        batches += 1
    return batches * BATCH / (time.perf_counter() - began)


def document(backbones: Sequence[Backbone], comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """The rows as JSON; `p` is the p-value of the difference to the first."""
    rows = [{k: v for k, v in vars(b).items() if k != "predicted"} for b in backbones]
    return [row | {"p": p} for row, p in zip(rows, [1.0, *(c.p for c in comparisons)], strict=True)]
