"""The engine of Presize; `from core import *` gives the public names below, each imported when it is first used."""

from __future__ import annotations

import importlib
from typing import Any

_WORDS = {
    "core.data.block": ("DataBlock", "ImageBlock", "CategoryBlock", "using_attr"),
    "core.data.corrected_photos": ("CorrectedPhotos",),
    "core.data.files": ("get_image_files",),
    "core.data.image_data_loaders": ("ImageDataLoaders",),
    "core.data.loaders": ("DataLoaders", "Loader"),
    "core.data.photo": ("BadPhoto", "View"),
    "core.data.pil_image": ("PILImage",),
    "core.data.sheet": ("show_image",),
    "core.data.splitters": ("FuncSplitter", "IndexSplitter"),
    "core.data.table": ("ColReader", "ColSplitter"),
    "core.data.tensors": ("tensor",),
    "core.data.transforms": ("Geometric", "Pixel"),
    "core.data.verify": ("verify_images",),
    "core.discovery": ("discover",),
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
        "exporters",
        "labellers",
        "losses",
        "metrics",
        "optimizers",
        "panels",
        "sources",
        "splitters",
        "transforms",
    ),
    "core.runs.evaluate": ("evaluate",),
    "core.runs.run": ("Run",),
    "core.runs.start": ("start",),
    "core.training.interpretation": ("ClassificationInterpretation",),
    "core.training.learner": ("Learner",),
    "core.training.losses": ("ClassificationLoss", "CrossEntropyLossFlat"),
    "core.training.lr_finder": ("minimum", "steep", "valley"),
    "core.training.metrics": ("higher_is_better", "lower_is_better"),
    "core.training.not_offered": (
        "BCEWithLogitsLossFlat",
        "EarlyStoppingCallback",
        "ImageClassifierCleaner",
        "L",
        "MultiCategoryBlock",
        "Normalize",
        "PointBlock",
        "SaveModelCallback",
        "TensorImage",
        "URLs",
        "accuracy_multi",
        "download_images",
        "first",
        "imagenet_stats",
        "untar_data",
        "xresnet50",
    ),
    "core.training.vision_learner": ("cnn_learner", "vision_learner"),
    "functools": ("partial",),
    "pathlib": ("Path",),
}
_MODULES = {"F": "torch.nn.functional", "Image": "PIL.Image", "nn": "torch.nn", "np": "numpy", "torch": "torch"}
_HOME = {word: module for module, words in _WORDS.items() for word in words}
__all__ = sorted([*_HOME, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
