"""Presize's side of every task, as a notebook would write it."""

from __future__ import annotations

import atexit
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from core import (
    CategoryBlock,
    DataBlock,
    DataLoaders,
    ImageBlock,
    Learner,
    architectures,
    cnn_learner,
    get_image_files,
)
from core.data import photo
from core.data.draws import Draws
from core.data.loaders import PART
from core.data.pipeline import Pipeline
from core.data.threads import photo_threads
from core.events import StepEnded
from core.training.loop import fit
from core.training.memory import keep_freed_memory
from core.training.schedules import discriminative_lrs
from core.training.state import TrainState
from core.training.task import Stage
from plugins.labellers.folder import parent_label
from plugins.metrics.accuracy import accuracy
from plugins.splitters.grandparent import GrandparentSplitter
from plugins.transforms.aug_transforms import aug_transforms
from plugins.transforms.resize import Resize
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
        splitter=GrandparentSplitter(valid_name="validation"),
        item_tfms=Resize(task.large),
        batch_tfms=aug_transforms(size=task.small, min_scale=0.75),
    )
    cache = tempfile.TemporaryDirectory(dir=task.scratch)  # empty, so that the first epoch fills it
    atexit.register(cache.cleanup)
    return block.dataloaders(Path(task.data), bs=task.batch, seed=task.seed, cache=cache.name)


def learner(task: Any, dls: DataLoaders) -> Learner:
    """A network for them, frozen if it is pretrained."""
    torch.manual_seed(task.seed)
    options = {name: value for name in ("head", "micro_batch") if (value := getattr(task, name, None))}
    return cnn_learner(dls, task.arch, pretrained=task.pretrained, metrics=accuracy, **options)


class Repeated:
    """A loader of one batch, over and over, so that nothing is timed but what is done with it."""

    def __init__(self, batch: tuple[Tensor, Tensor], times: int, pipeline: Pipeline) -> None:
        self.batch, self.times, self.device, self.pipeline = batch, times, batch[0].device, pipeline
        self.items = range(times * len(batch[1]))
        self.skipped: dict[Path, str] = {}

    def __len__(self) -> int:
        return self.times

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor, list[int]]]:
        """Images, targets, and which these are."""
        for _ in range(start, self.times):
            yield *self.batch, list(range(len(self.batch[1])))


def on_one_batch(task: Any) -> Learner:
    """A learner whose training and validation are one batch of noise, over and over."""
    learn = learner(task, data(task))
    images, targets = torch.rand(task.batch, 3, task.small, task.small), torch.arange(task.batch) % learn.dls.c
    batch = images.to(learn.dls.device), targets.to(learn.dls.device)
    learn.dls.train = learn.dls.valid = Repeated(batch, task.times, learn.dls.train.pipeline)
    return learn


def load(task: Any) -> Figures:
    """Batches of photos, twice."""
    keep_freed_memory()  # as every learner does
    dls = data(task)
    loader = dls.train if task.training else dls.valid
    dls.one_batch()
    names = ("first epoch, images/s", "later epoch, images/s")
    return {name: len(loader.items) / seconds(lambda: [targets for _, targets in loader]) for name in names}


def transform_batch(task: Any) -> Figures:
    """From decoded photos to the augmented batch, by threads as the loader does it."""
    keep_freed_memory()
    train = data(task).train
    photos = [train.pipeline.read(train.items[i], True, train.prepared) for i in range(task.batch)]
    images = torch.empty(task.batch, 3, task.small, task.small)
    parts = [slice(i, i + PART) for i in range(0, task.batch, PART)]

    def augment(part: slice) -> None:
        indices = list(range(task.batch))[part]
        train.pipeline.write(photos[part], Draws(task.seed, 0, indices), list(images[part]))

    with photo_threads(train.workers) as pool:
        return {"ms": milliseconds(lambda _: list(pool.map(augment, parts)), range(task.times + 3))}


def step(task: Any) -> Figures:
    """A training step."""
    learn = on_one_batch(task)
    learn.task.train_bn = task.train_norms  # with random weights the learner itself would always train them
    stage = Stage("steps", 1, discriminative_lrs(slice(1e-3), len(learn.task.architecture.groups)), frozen=task.frozen)
    events = fit(TrainState(learn.task, [stage]))
    return {"ms": between([time.perf_counter() for event in events if isinstance(event, StepEnded)])}


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
    """The same without torch, as a published Space does it."""
    import onnxruntime

    dls = data(task)
    learn = learner(task, dls)
    model, size = learn.model.eval(), dls.valid.pipeline.size
    axes = ({0: torch.export.Dim("N")},)
    example, file = (torch.zeros(2, 3, *size),), Path(task.scratch, "exported.onnx")
    torch.onnx.export(model, example, file, input_names=["images"], dynamic_shapes=axes, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    arch, views = learn.task.architecture, dls.valid.pipeline.views

    def answer(item: Path) -> Any:
        pixels = photo.fit(photo.load(item), views)
        return session.run(None, {"images": photo.normalise(pixels, arch.mean, arch.std)[None]})

    return {"ms": milliseconds(answer, dls.valid.items[: task.times + 3])}


def import_all(task: Any) -> Figures:
    """What a notebook begins with."""
    return {"s beyond torch": import_seconds("from core import *; from plugins import *")}


def find_rate(task: Any) -> Figures:
    """The learning-rate finder on the head."""
    learn = learner(task, data(task))
    time_taken = seconds(lambda: learn.lr_find(num_it=task.steps, features=task.features))
    return {f"s for {task.steps} steps": time_taken * task.steps / len(learn.recorder.tried)}


def fine_tune(task: Any) -> Figures:
    """Head, then everything: when each epoch ended, and its accuracy on validation."""
    learn = learner(task, data(task))
    epochs = learn.fine_tune(task.epochs, **task.rates)
    return by_epoch(list(accumulate(e.seconds for e in epochs)), [e.metrics["accuracy"] for e in epochs])


def save_weights(task: Any) -> Figures:
    """The body's weights under timm's names, for the other side."""
    model = architectures.build({"name": "efficientnet_lite0"}, 2).model
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, task.to)
    return {}


def versions(task: Any) -> Figures:
    """Of what is timed."""
    return of_packages("torch", "torchvision", "timm", "pillow", "numpy")


if __name__ == "__main__":
    answer(globals())
