"""From a recipe to a trained run: the check, the training, the model, the card; all of it as events."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path

import torch

from core.data.block import Split, loaders_of
from core.data.check import Examined, examine
from core.events import Event, Notice, RunEnded, RunStarted
from core.model.architecture import Architecture
from core.publish.card import card
from core.recipe import Recipe
from core.registry import architectures, transforms
from core.runs.run import Run
from core.training.fine_tune import fine_tune
from core.training.learner import Learner
from core.training.losses import loss_for
from core.training.lr_finder import lr_find
from core.training.memory import keep_freed_memory
from core.training.metrics import metric


def learner_of(recipe: Recipe, split: Split) -> Learner:
    """The learner that a recipe describes, on photos that were checked and divided; its seed is set."""
    knobs = recipe.training
    scores = [metric(name) for name in knobs.metrics]
    item_tfms = [transforms.build(choice) for choice in recipe.item_tfms]
    batch_tfms = [transforms.build(choice) for choice in recipe.batch_tfms]
    dls = loaders_of(split, item_tfms, batch_tfms, knobs.batch_size, knobs.seed)
    torch.manual_seed(knobs.seed)
    architecture: Architecture = architectures.build(recipe.architecture, dls.c)
    loss = loss_for(dls.train.targets, dls.c, knobs.label_smoothing, knobs.class_weights)
    return Learner(
        dls,
        architecture,
        recipe.architecture,
        loss,
        scores,
        knobs.weight_decay,
        knobs.train_bn,
        knobs.micro_batch,
        knobs.ema,
    )


def train(run: Run, workspace: Path) -> Iterator[Event]:
    """Do what the run's recipe says, in this process, recording every event."""
    return run.record(_train(run, workspace))


def find_rate(run: Run, workspace: Path) -> Iterator[Event]:
    """The learning-rate test of the run's recipe, head alone, in this process, recording every event."""
    return run.record(_find_rate(run, workspace))


def _train(run: Run, workspace: Path) -> Iterator[Event]:
    recipe = run.recipe
    examined, learner = yield from _begin(run, workspace)
    knobs = recipe.training
    yield from fine_tune(learner.task, knobs.epochs, knobs.base_lr, knobs.freeze_epochs, knobs.lr_mult)
    learner.save(run.folder)
    results = learner.interpret()
    run.write("README.md", card(recipe, results, examined.report))
    low, high = results.interval
    metrics = {name: score(results.logits, results.targets) for name, score in learner.task.metrics.items()}
    yield RunEnded("completed", metrics=metrics | {"accuracy": results.accuracy, "low": low, "high": high})


def _find_rate(run: Run, workspace: Path) -> Iterator[Event]:
    _, learner = yield from _begin(run, workspace)
    learner.freeze()
    yield from lr_find(learner.task)
    yield RunEnded("completed")


def _begin(run: Run, workspace: Path) -> Generator[Event, None, tuple[Examined, Learner]]:
    keep_freed_memory()
    recipe = run.recipe
    for name in recipe.training.metrics:  # before the photos are read, which takes longer
        metric(name)
    examined: Examined = yield from examine(recipe, workspace)
    split, root = examined.split, examined.root
    sides = {"train": split.train, "valid": split.valid}
    names = {side: [split.items[i].relative_to(root).as_posix() for i in chosen] for side, chosen in sides.items()}
    run.write("splits.json", json.dumps(names, indent=1))
    yield from (Notice(f"warning: {warning}") for warning in examined.report.warnings)
    if skipped := len(examined.report.skipped):
        files = "1 file is" if skipped == 1 else f"{skipped} files are"
        yield Notice(f"{files} left out; `python -m core check` says which and why")
    learner = learner_of(recipe, split)
    device = learner.dls.device
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    shown = recipe.architecture.get("model", recipe.architecture["name"])
    yield RunStarted(str(shown), learner.dls.c, len(split.train), len(split.valid), where)
    return examined, learner
