"""What a run is about to do: its photos, checked and split, and the checkpoint that it goes on from."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.data.block import loaders_of
from core.data.check import Examined, examine
from core.data.split import Split
from core.errors import BadInput
from core.events import Event, FinishingEarly, Notice, WithResult
from core.model.architecture import build_architecture
from core.recipe import Recipe
from core.registry import losses, metrics, optimizers, transforms
from core.runs.checkpoint import Checkpoints
from core.runs.photos import PHOTOS, recall, remember
from core.runs.run import Run
from core.runs.stop_signals import StopSignals
from core.training.fine_tune import fine_tuning
from core.training.learner import Learner
from core.training.parallel import ALONE, World
from core.training.state import Finish, TrainState


@dataclass(frozen=True)
class Plan:
    """All that a process of a run needs before its first step."""

    recipe: Recipe
    split: Split
    resumed: bool = False
    tensors: dict[str, Tensor] = field(default_factory=dict)  # of the checkpoint; empty where there is none
    document: dict[str, Any] = field(default_factory=dict)
    finish: Finish | None = None  # as it was asked for in an earlier process
    cache: Path | None = None  # where presized photos are kept

    def state(self, world: World) -> tuple[Learner, TrainState]:
        """The learner and its state, restored from the checkpoint; raises BadInput if that does not fit."""
        training = self.recipe.training
        learner = learner_of(self.recipe, self.split, world, self.cache)
        stages = fine_tuning(
            learner.task,
            training.epochs,
            training.base_lr,
            training.freeze_epochs,
            training.lr_mult,
            features=training.features,
        )
        state = TrainState(learner.task, stages, training.best_by, training.patience)
        if self.document:
            try:
                state.restore(self.tensors, self.document)
            except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
                reason = " ".join(str(error).split())[:150]  # torch lists every name, a line each
                raise BadInput(
                    f"The checkpoint does not fit this run's recipe in this version of the program ({reason}); "
                    "train its recipe.json anew."
                ) from error
        state.finish = state.finish or self.finish
        if world.rank:  # else dropout would be the same in all processes
            torch.manual_seed(training.seed + world.rank)
        return learner, state


def make_plan(run: Run, signals: StopSignals, accept_changes: bool, cache: Path | None) -> Generator[Event, None, Plan]:
    """What to train and from where; raises BadInput where the photos are not those that the run began with."""
    recipe = run.recipe
    finishes = [Finish(e.stage, e.step, e.steps) for e in run.events() if isinstance(e, FinishingEarly)]
    examined = yield from examined_photos(run, recipe, signals, cache)
    if not (run.folder / PHOTOS).exists():
        remember(run, examined)
        yield from (Notice(f"warning: {warning}") for warning in examined.report.warnings)
        if skipped := len(examined.report.skipped):
            files = "1 file is" if skipped == 1 else f"{skipped} files are"
            yield Notice(f"{files} left out; `python -m core check` says which and why")
        return Plan(recipe, examined.split, cache=cache)
    split, changes = recall(run, examined)
    if changes and not accept_changes:
        raise BadInput(
            f"The photos are not those that this run began with: {changes}. Go on with those it began with, as far as "
            "they are there, by `resume --accept-changes`; or train anew."
        )
    if changes:
        yield Notice(f"warning: going on with photos that have changed: {changes}")
    checkpoints = Checkpoints(run.folder)
    tensors, document, damaged = checkpoints.newest()
    for file in damaged:
        other = "the one before it is used" if document else "there is no other, so the run begins again"
        yield Notice(f"warning: the checkpoint {file.name} is damaged; {other}")
    checkpoints.set_aside(damaged)
    return Plan(recipe, split, True, tensors, document, finishes[-1] if finishes else None, cache)


def examined_photos(
    run: Run, recipe: Recipe, signals: StopSignals, cache: Path | None
) -> Generator[Event, None, Examined]:
    """The checked photos of a recipe that trains at least one epoch; raises BadInput, and Stopped on request."""
    training = recipe.training
    if not training.epochs + training.freeze_epochs:
        raise BadInput("training.epochs and training.freeze_epochs are both 0, so nothing would be trained.")
    check = WithResult(examine(recipe, run.workspace, cache=cache))
    for event in check:
        yield event
        signals.raise_if_stopped()
    return check.result


def learner_of(recipe: Recipe, split: Split, world: World = ALONE, cache: Path | None = None) -> Learner:
    """The learner that a recipe describes, on photos that were checked and split; sets the recipe's seed."""
    training = recipe.training
    item_tfms = [transforms.build(choice) for choice in recipe.item_tfms]
    batch_tfms = [transforms.build(choice) for choice in recipe.batch_tfms]
    share = (world.rank, world.size)
    dls = loaders_of(split, item_tfms, batch_tfms, training.batch_size, training.seed, cache=cache, share=share)
    torch.manual_seed(training.seed)
    architecture = build_architecture(recipe.architecture, dls.c, dls.valid.pipeline.size)
    return Learner(
        dls,
        architecture,
        recipe.architecture,
        losses.build(training.loss, dls.class_counts),
        [metrics.bind(choice) for choice in training.metrics],
        train_bn=training.train_bn,
        micro_batch=training.micro_batch,
        ema=training.ema,
        world=world,
        opt_func=optimizers.bind(training.optimizer),
    )
