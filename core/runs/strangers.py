"""What a run's model keeps to recognise photos that are unlike those it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
from torch import Tensor

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
    train, valid = (_sample(loader.items) for loader in (learner.dls.train, learner.dls.valid))
    strangers = fit_strangers(*(_features(predictor, some) for some in (train[: photos_kept(width)], valid)))
    if strangers:
        save_strangers(folder, strangers)
    return strangers


def _sample(items: Sequence[Path]) -> list[Path]:
    """The same random photos each time."""
    return Random(0).sample(list(items), min(KEPT, len(items)))


def _features(predictor: Predictor, items: Sequence[Path]) -> Tensor:
    found = predictor.predict_many(items, logits=predictor.features)
    rows = [row for _, row in found if not isinstance(row, BadPhoto)]
    return torch.stack(rows) if rows else torch.empty(0, 1)
