"""What is compared: a row is one task, given to both engines as JSON; the functions it names are in ours and theirs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKERS = (0, 1, 2)  # processes that fastai may read photos with


@dataclass(frozen=True)
class Row:
    """A task; `loads` says that it reads photos in batches, `long` that it is not done unless it is asked for."""

    name: str
    task: dict[str, Any]
    loads: bool = False
    long: bool = False


# `every`: every how many photos one is used. `large`, `small`: pixels after the first and the second step of presizing.
LARGE = {"every": 8, "large": 460, "small": 224, "batch": 64}
SMALL = {"every": 1, "large": 192, "small": 128, "batch": 64}

RESNET = {"arch": "resnet18", "pretrained": False, "head": "concat"}
LITE0 = {"arch": "efficientnet_lite0", "pretrained": True, "head": "concat"}
LITE0_AS_IT_COMES = {"arch": "efficientnet_lite0", "pretrained": True, "head": None}

STEP = {"do": "step", "frozen": False, "train_norms": True, "times": 7}
RESNET_STEP = {**STEP, **LARGE, **RESNET, "every": 32, "batch": 32}
LITE0_STEP = {**STEP, **SMALL, **LITE0, "every": 32, "batch": 32}

PREDICT = {"times": 30, **SMALL, **LITE0_AS_IT_COMES, "every": 8}
FIND_RATE = {"do": "find_rate", "steps": 100, **SMALL, **LITE0_AS_IT_COMES}
FINE_TUNE = {"do": "fine_tune", **SMALL, **LITE0_AS_IT_COMES}
MEMORY = {**FINE_TUNE, "every": 6, "rates": {}, "epochs": 1, "watch": True}

ROWS = (
    Row("load-train", {"do": "load", "training": True, **LARGE}, loads=True),
    Row("load-valid", {"do": "load", "training": False, **LARGE, "every": 1}, loads=True),
    Row("batch-transforms", {"do": "transform_batch", "times": 7, **LARGE}),
    Row("step-unfrozen", RESNET_STEP),
    Row("step-unfrozen-rest", {**RESNET_STEP, "train_norms": False}),
    Row("step-frozen", {**RESNET_STEP, "frozen": True, "train_norms": False}),
    Row("step-valid", {**RESNET_STEP, "do": "validation_step"}),
    Row("lite0-unfrozen", LITE0_STEP),
    Row("lite0-unfrozen-rest", {**LITE0_STEP, "train_norms": False}),
    Row("import", {"do": "import_all"}),
    Row("predict", {"do": "predict", **PREDICT}),
    Row("predict-exported", {"do": "predict_exported", **PREDICT}),
    Row("memory", MEMORY, loads=True),
    Row("memory-parts", {**MEMORY, "micro_batch": 4}, loads=True),
    Row("lr-find", {**FIND_RATE, "features": True}, loads=True),
    Row("lr-find-photos", {**FIND_RATE, "features": False}, loads=True),
    Row("fine-tune", {**FINE_TUNE, "rates": {}}, loads=True, long=True),
    Row("fine-tune-rates", {**FINE_TUNE, "rates": {"base_lr": 4e-3, "lr_mult": 10}}, loads=True, long=True),
)


def read_once(photos: Path) -> None:
    """Let the system have all photos in memory, so that neither engine waits for the disk."""
    for file in photos.rglob("*"):
        if file.is_file():
            file.read_bytes()
