"""fastai's side, as a notebook would write it, in a Python that has fastai: a task as JSON in, figures as JSON out."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastai.vision import models
from fastai.vision.all import (
    Callback,
    CategoryBlock,
    DataBlock,
    DataLoaders,
    GrandparentSplitter,
    ImageBlock,
    Resize,
    accuracy,
    aug_transforms,
    get_image_files,
    parent_label,
    vision_learner,
)


def data(task: Any) -> DataLoaders:
    """The same photos in batches."""

    def some(folder: Path) -> list[Path]:
        found = sorted(get_image_files(folder))
        return found[:: max(1, len(found) // task.photos)]

    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=get_image_files if task.do == "fine_tune" and not task.cpu else some,
        get_y=parent_label,
        splitter=GrandparentSplitter(train_name="train", valid_name="validation"),
        item_tfms=Resize(task.large),
        batch_tfms=aug_transforms(size=task.small, min_scale=0.75),
    )
    return block.dataloaders(Path(task.data), bs=task.batch, num_workers=task.workers)


class Moments(Callback):
    """Notes when each epoch of training began and ended."""

    def __init__(self) -> None:
        self.began: list[float] = []
        self.ended: list[float] = []

    def before_train(self) -> None:
        """An epoch."""
        self.began.append(time.perf_counter())

    def after_train(self) -> None:
        """Its end, before validation."""
        self.ended.append(time.perf_counter())


def epochs(task: Any) -> dict[str, float]:
    """The whole second epoch of an unfrozen training."""
    dls, moments = data(task), Moments()
    network = task.network if task.network.startswith("efficientnet") else getattr(models, task.network)
    learn = vision_learner(dls, f"tf_{network}" if isinstance(network, str) else network, pretrained=False)
    learn.remove_cb(learn.progress)
    if not task.cpu:
        learn.to_fp16()
    learn.unfreeze()
    with tempfile.TemporaryDirectory() as folder, learn.no_logging():
        learn.path = Path(folder)
        learn.fit_one_cycle(2, 1e-3, cbs=moments)
    photos = len(dls.train) * task.batch  # it drops the last batch
    return {"later epoch images/s": photos / (moments.ended[1] - moments.began[1])}


def fine_tune(task: Any) -> dict[str, float]:
    """Its own defaults, from the same weights."""
    began = time.perf_counter()
    options = {"pretrained_cfg_overlay": {"file": task.weights}}
    learn = vision_learner(data(task), "tf_efficientnet_lite0", pretrained=True, metrics=accuracy, **options)
    learn.remove_cb(learn.progress)
    if not task.cpu:
        learn.to_fp16()
    with learn.no_logging():
        learn.fine_tune(task.epochs)
    return {"s": time.perf_counter() - began, "accuracy": float(learn.recorder.values[-1][-1])}


if __name__ == "__main__":
    task = SimpleNamespace(**json.loads(sys.argv[1]))
    print("\n" + json.dumps({"epochs": epochs, "fine_tune": fine_tune}[task.do](task)))
