"""fastai's side of every task, as a notebook would write it; runs in its own environment."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import torch
from fastai.vision.all import (
    Callback,
    CategoryBlock,
    DataBlock,
    DataLoaders,
    GrandparentSplitter,
    ImageBlock,
    Learner,
    Resize,
    accuracy,
    aug_transforms,
    get_image_files,
    parent_label,
    resnet18,
    set_seed,
    vision_learner,
)

from tests.benchmarks.against_fastai.side import (
    Figures,
    answer,
    between,
    by_epoch,
    import_seconds,
    milliseconds,
    of_packages,
    seconds,
)


def data(task: Any) -> DataLoaders:
    """The photos of the task in batches."""
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=lambda folder: sorted(get_image_files(folder))[:: task.every],
        get_y=parent_label,
        splitter=GrandparentSplitter(train_name="train", valid_name="validation"),
        item_tfms=Resize(task.large),
        batch_tfms=aug_transforms(size=task.small, min_scale=0.75),
    )
    random.seed(task.seed)
    return block.dataloaders(Path(task.data), bs=task.batch, num_workers=task.workers)


def learner(task: Any, dls: DataLoaders) -> Learner:
    """A network for them, frozen if it is pretrained."""
    set_seed(task.seed)
    options = {"pretrained": task.pretrained, "metrics": accuracy, "path": task.scratch}
    if task.arch == "resnet18":
        learn = vision_learner(dls, resnet18, **options)
    else:
        learn = vision_learner(dls, f"tf_{task.arch}", pretrained_cfg_overlay={"file": task.weights}, **options)
    learn.remove_cb(learn.progress)
    return learn


class Moments(Callback):
    """Notes when each training batch and each epoch ended, and what the epoch scored."""

    order = 60  # after the recorder

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.batches: list[float] = []
        self.epochs: list[float] = []
        self.accuracies: list[float] = []

    def after_batch(self) -> None:
        """A batch."""
        if self.training:
            self.batches.append(time.perf_counter())

    def after_epoch(self) -> None:
        """An epoch."""
        self.epochs.append(time.perf_counter() - self.began)
        self.accuracies.append(self.recorder.values[-1][-1])


def on_one_batch(task: Any) -> Learner:
    """A learner whose training and validation are one batch of noise, over and over."""
    learn = learner(task, data(task))
    batch = torch.rand(task.batch, 3, task.small, task.small), torch.arange(task.batch) % learn.dls.c
    learn.dls = DataLoaders([batch] * task.times, [batch] * task.times)
    return learn


def load(task: Any) -> Figures:
    """Batches of photos, twice."""
    dls = data(task)
    loader = dls.train if task.training else dls.valid
    dls.one_batch()
    photos = len(loader) * task.batch if task.training else loader.n
    names = ("first epoch, images/s", "later epoch, images/s")
    return {name: photos / seconds(lambda: [targets for _, targets in loader]) for name in names}


def transform_batch(task: Any) -> Figures:
    """From decoded photos to the augmented batch."""
    train = data(task).train
    batch = train.do_batch([train.do_item(i) for i in range(task.batch)])
    return {"ms": milliseconds(lambda _: train.after_batch(batch), range(task.times + 3))}


def step(task: Any) -> Figures:
    """A training step."""
    learn = on_one_batch(task)
    if task.frozen:
        learn.freeze()
    else:
        learn.unfreeze()
    moments = Moments()
    with learn.no_logging():
        learn.fit_one_cycle(1, slice(1e-3), cbs=moments)
    return {"ms": between(moments.batches)}


def validation_step(task: Any) -> Figures:
    """A batch of validation."""
    learn = on_one_batch(task)
    learn.validate()
    return {"ms": 1000 * seconds(learn.validate) / task.times}


def predict(task: Any) -> Figures:
    """From a file to its probabilities."""
    dls = data(task)
    learn = learner(task, dls)
    return {"ms": milliseconds(learn.predict, dls.valid.items[: task.times + 3])}


def predict_exported(task: Any) -> Figures:
    """The same: fastai has no other way."""
    return predict(task)


def import_all(task: Any) -> Figures:
    """What a notebook begins with."""
    return {"s beyond torch": import_seconds("from fastai.vision.all import *")}


def find_rate(task: Any) -> Figures:
    """The learning-rate finder on the head."""
    learn = learner(task, data(task))
    time_taken = seconds(lambda: learn.lr_find(num_it=task.steps, show_plot=False))
    return {f"s for {task.steps} steps": time_taken * task.steps / len(learn.recorder.losses)}


def fine_tune(task: Any) -> Figures:
    """Head, then everything: when each epoch ended, and its accuracy on validation."""
    learn = learner(task, data(task))
    moments = Moments()
    with learn.no_logging():
        learn.fine_tune(task.epochs, **task.rates, cbs=moments)
    return by_epoch(moments.epochs, moments.accuracies)


def versions(task: Any) -> Figures:
    """Of what is timed."""
    return of_packages("fastai", "torch", "torchvision", "timm", "pillow", "numpy")


if __name__ == "__main__":
    answer(globals())
