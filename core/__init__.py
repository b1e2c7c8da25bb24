"""The engine of Presize. `from core import *` gives the words below; each is imported when it is first used."""

from __future__ import annotations

import importlib
from typing import Any

_WORDS = {
    "core.data.block": ("DataBlock", "ImageBlock", "CategoryBlock", "using_attr"),
    "core.data.files": ("get_image_files",),
    "core.data.loaders": ("DataLoaders", "Loader"),
    "core.data.photo": ("BadPhoto", "View"),
    "core.data.transforms": ("Geometric", "Pixel"),
    "core.errors": ("BadInput",),
    "core.model.architecture": ("Architecture",),
    "core.model.head": ("Classifier",),
    "core.model.predictor": ("Predictor",),
    "core.publish.fetch": ("load_learner",),
    "core.recipe": ("Recipe", "Training"),
    "core.registry": (
        "Range",
        "Registry",
        "architectures",
        "labellers",
        "panels",
        "sources",
        "splitters",
        "transforms",
    ),
    "core.training.interpretation": ("ClassificationInterpretation",),
    "core.training.learner": ("Learner", "cnn_learner", "vision_learner"),
    "core.training.losses": ("CrossEntropy",),
    "core.training.lr_finder": ("minimum", "steep", "valley"),
    "core.training.metrics": ("accuracy", "error_rate", "f1_macro", "macro_error", "top_k_accuracy"),
}
_HOME = {word: module for module, words in _WORDS.items() for word in words}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'core' has no {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
