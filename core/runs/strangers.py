"""What a run's model keeps to recognise photos that are unlike those it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
from PIL import Image
from torch import Tensor

from core.data import photo
from core.data.loaders import Loader
from core.data.photo import BadPhoto
from core.insight.strangers import KEPT, fit_strangers, photos_kept
from core.model.doubt import save_strangers
from core.model.predictor import Predictor
from core.model.strangers import Strangers
from core.training.learner import Learner


def keep_strangers(folder: Path, learner: Learner) -> Strangers | None:
    """Fit them on samples of a learner's photos and write them beside its model; raises BadInput on a full disk.

    None, and nothing is written, if there are too few photos or if the network cannot be split before its head.
    """
    predictor, size = learner.predictor(), learner.dls.valid.pipeline.size
    example = torch.zeros(1, 3, *size, device=predictor.device)
    if not predictor.architecture.has_features(example):
        return None
    width = predictor.features(example).shape[1]
    train, valid = learner.dls.train, learner.dls.valid
    known = _features(predictor, train, _sample(train.items)[: photos_kept(width)])
    strangers = fit_strangers(known, _features(predictor, valid, _sample(valid.items)))
    if strangers:
        save_strangers(folder, strangers)
    return strangers


def _sample(items: Sequence[Path]) -> list[Path]:
    """The same random photos each time."""
    return Random(0).sample(list(items), min(KEPT, len(items)))


def _features(predictor: Predictor, loader: Loader, items: Sequence[Path]) -> Tensor:
    """The features [N, D] of a loader's photos, from what its cache keeps of them, so that none is decoded again."""

    def prepare(file: Path) -> Tensor:
        pixels = loader.pipeline.read(file, loader.training, loader.prepared)
        if loader.training:  # presized, not yet as validation sees it
            pixels = photo.fit(Image.fromarray(pixels), predictor.views)
        return predictor.tensor(pixels)

    found = predictor.predict_many(items, prepare=prepare, logits=predictor.features)
    rows = [row for _, row in found if not isinstance(row, BadPhoto)]
    return torch.stack(rows) if rows else torch.empty(0, 1)
