"""The plan of a run: its checked and split photos, and the checkpoint from which it resumes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor

from core.data.block import loaders_of
from core.data.check import Examined, examine
from core.data.corrections import Corrected
from core.data.split import Split
from core.device import check_compiler, choose, wanted
from core.errors import BadInput
from core.events import Event, FinishingEarly, Notice, WithResult
from core.model.architecture import build_architecture
from core.model.folder import load_weights
from core.recipe import Recipe
from core.registry import losses, metrics, optimizers, transforms
from core.runs.checkpoint import Checkpoints
from core.runs.longer import parent_of
from core.runs.photos import PHOTOS, recall, remember
from core.runs.run import Run
from core.runs.stop_signals import StopSignals
from core.training.fine_tune import fine_tuning
from core.training.learner import Learner
from core.training.parallel import ALONE, World
from core.training.state import Finish, TrainState


@dataclass(frozen=True)
class Plan:
    """Everything that a process of a run needs before its first step."""

    recipe: Recipe
    split: Split
    resumed: bool = False
    tensors: dict[str, Tensor] = field(default_factory=dict)  # of the checkpoint; empty without one
    document: dict[str, Any] = field(default_factory=dict)
    finish: Finish | None = None  # requested in an earlier process
    cache: Path | None = None  # the folder of presized photos
    corrected: Corrected = field(default_factory=Corrected)
    parent: Path | None = None  # the folder of the model that is trained further

    def state(self, world: World) -> tuple[Learner, TrainState]:
        """The learner and its state, restored from the checkpoint; raises BadInput if this does not fit the recipe."""
        training = self.recipe.training
        learner = learner_of(self.recipe, self.split, world, self.cache)
        if self.parent and not self.document:
            load_weights(self.parent, learner.task.architecture, self.recipe.architecture["name"])
        stages = fine_tuning(
            learner.task,
            training.epochs,
            training.base_lr,
            training.freeze_epochs,
            training.lr_mult,
            features=training.features,
            frozen_stages=training.frozen_stages,
        )
        state = TrainState(learner.task, stages, training.best_by, training.patience)
        if self.document:
            try:
                state.restore(self.tensors, self.document)
            except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
                reason = " ".join(str(error).split())[:150]  # torch's message has a line per name
                raise BadInput(
                    f"The checkpoint does not fit this run's recipe in this version of the program ({reason}); "
                    "train its recipe.json in a new run."
                ) from error
        state.finish = state.finish or self.finish
        if world.rank:  # so that dropout differs between processes, and from what it was before a resume
            where = f"{training.seed}/{world.rank}/{state.stage}/{0 if state.done else state.step}"
            torch.manual_seed(Random(where).getrandbits(63))
        return learner, state


def make_plan(run: Run, signals: StopSignals, accept_changes: bool, cache: Path | None) -> Generator[Event, None, Plan]:
    """Check the photos and read the checkpoint of a run; raises BadInput if its photos have changed."""
    recipe = run.recipe
    finishes = [Finish(e.stage, e.step, e.steps) for e in run.events() if isinstance(e, FinishingEarly)]
    examined = yield from examined_photos(run, recipe, signals, cache)
    if not (run.folder / PHOTOS).exists():
        remember(run, examined)
        yield from (Notice(f"warning: {warning}") for warning in examined.report.warnings)
        if skipped := len(examined.report.skipped):
            files = "1 file is" if skipped == 1 else f"{skipped} files are"
            yield Notice(f"{files} left out; `python -m core check` says which and why")
        return Plan(recipe, examined.split, cache=cache, corrected=examined.report.corrected)
    split, changes = recall(run, examined)
    if changes and not accept_changes:
        raise BadInput(
            f"The photos have changed since this run started: {changes}. Continue with those that are left of the "
            "original photos by `resume --accept-changes`, or train a new run."
        )
    if changes:
        yield Notice(f"warning: continuing with photos that have changed: {changes}")
    checkpoints = Checkpoints(run.folder)
    tensors, document, damaged = checkpoints.newest()
    for file in damaged:
        other = "the one before it is used" if document else "there is no other, so the run starts again"
        yield Notice(f"warning: the checkpoint {file.name} is damaged; {other}")
    checkpoints.set_aside(damaged)
    finish = finishes[-1] if finishes else None
    parent = parent_of(run)
    resumed = parent is None or bool(document)  # a child has its photos before it begins
    corrected, model = examined.report.corrected, parent.folder if parent else None
    return Plan(recipe, split, resumed, tensors, document, finish, cache, corrected, model)


def examined_photos(
    run: Run, recipe: Recipe, signals: StopSignals, cache: Path | None
) -> Generator[Event, None, Examined]:
    """Check the photos of a run; raises BadInput, also if the recipe has no epochs, and Stopped on request."""
    training = recipe.training
    if not training.epochs + training.freeze_epochs:
        raise BadInput("training.epochs and training.freeze_epochs are both 0, so nothing would be trained.")
    choose(wanted(training.device)).precision(training.precision)  # refused before all photos are read
    if training.compile:
        check_compiler()
    check = WithResult(examine(recipe, run.workspace, cache=cache, corrections=run.corrections))
    for event in check:
        yield event
        signals.raise_if_stopped()
    found = check.result
    if found.unready:
        why = found.unready
        if not found.split.items and found.report.skipped:
            path, reason = next(iter(found.report.skipped.items()))
            why = f"None of the {len(found.unlabelled)} photos has a label; the first is {path}: {reason}."
        raise BadInput(f"{why} Label more photos in the app, or with `python -m core labels`.")
    return found


def learner_of(recipe: Recipe, split: Split, world: World = ALONE, cache: Path | None = None) -> Learner:
    """The learner of a recipe on checked and split photos; seeds torch's random state with the recipe's seed."""
    training = recipe.training
    item_tfms = [transforms.build(choice) for choice in recipe.item_tfms]
    batch_tfms = [transforms.build(choice) for choice in recipe.batch_tfms]
    share, on = (world.rank, world.size), wanted(training.device)
    loading: dict[str, Any] = {"cache": cache, "share": share, "resident": training.resident}
    dls = loaders_of(split, item_tfms, batch_tfms, training.batch_size, training.seed, on, **loading)
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
        precision=training.precision,
        compile=training.compile,
    )
