"""The training loop as a generator of events, which never yields inside `no_grad`."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from functools import partial

from core.data.loaders import Loader
from core.errors import BadInput
from core.events import EpochEnded, Event, Notice, PhotoSkipped, StageStarted, StepEnded
from core.recipe import VALID_LOSS
from core.registry import metrics
from core.training.features import FeatureCache, FeatureLoader, extract
from core.training.out_of_memory import batches_on_oom, retry_on_oom
from core.training.parallel import World
from core.training.state import TrainState
from core.training.step import StepLoss, step
from core.training.validate import gathered, outputs, scores


class Diverged(BadInput):
    """Raised when a loss is no longer a finite number."""


def fit(state: TrainState) -> Generator[Event, None, None]:
    """Train from the position of `state` to the end of its stages; the model ends as the mean of its weights.

    The state can be saved, and training resumed from it, whenever this generator is closed or yields a step or an
    epoch. Raises BadInput, and Diverged if a loss is not finite.
    """
    task = state.task
    while not state.done:
        if state.optimizer is None:  # else the state was restored within a stage
            yield from _begin_stage(state)
        while not state.stage_over:
            for batch in batches_on_oom(task, task.full_batch, state.train_batches, state.batch):
                if isinstance(batch, Notice):
                    yield batch
                    continue
                if state.finished:
                    break
                images, targets, _ = batch
                if task.world.size == 1:  # before the step: a run resumed after it does not read these photos again
                    yield from skipped(state.train_loader, task.world)
                if photos := int(task.world.sum(len(targets))):
                    assert state.optimizer is not None  # begin_stage made it
                    rates, momentum = state.schedule()
                    take_step = partial(step, task, state.optimizer, images, targets, rates, momentum, state.scaler)
                    loss = yield from retry_on_oom(task, len(targets), take_step)
                    if task.device.host:
                        _check(state, state.step + 1, loss)
                    state.end_step(loss, photos, rates[-1])
                    yield from _reported(state, task.unread_losses)
                else:  # no photo of the batch could be read
                    state.batch += 1
            yield from _reported(state)
            yield from skipped(state.train_loader, task.world)
            if not state.photos:
                raise BadInput("None of the training photos could be read; see the list of skipped files.")
            yield from _validate(state)
        state.end_stage()


def _reported(state: TrainState, unread: int = 0) -> Iterator[StepEnded]:
    """The steps taken but the last `unread`, whose loss an accelerator computes while the next step is launched."""
    while len(state.taken) > unread:
        _check(state, state.taken[0].step, state.taken[0].loss)
        taken = state.report()
        yield StepEnded(taken.step, state.steps, taken.loss.value, taken.rate)


def _check(state: TrainState, number: int, loss: StepLoss) -> None:
    if not math.isfinite(loss.value):
        where = f"step {number} of {state.steps} of the stage {state.now.name!r}"
        raise Diverged(f"The loss became {loss.value} at {where}; lower the learning rate.")


def _begin_stage(state: TrainState) -> Iterator[Event]:
    """Start a stage, after extracting the features that it trains on, if it does."""
    task, stage, began = state.task, state.now, time.perf_counter()
    if stage.head_epochs:
        task.architecture.freeze()
        task.connect()
        train_batches, valid_batches = stage.epochs * len(task.dls.train), len(task.dls.valid)
        total = train_batches + valid_batches
        yield StageStarted("features", stage.epochs, total, [])
        train = yield from extract(
            task, task.dls.train, stage.epochs, stage.head_epochs, total, hurry=lambda: state.finish is not None
        )
        valid = yield from extract(task, task.dls.valid, 1, 1, total, train_batches)
        state.features = FeatureCache(train, valid)
        for loader in (train, valid):
            yield from skipped(loader, task.world)
    state.begin_stage()
    state.began = began
    yield StageStarted(stage.name, stage.epochs, state.steps, list(stage.rates))


def _validate(state: TrainState) -> Iterator[Event]:
    """Validate the mean of the weights, and end the epoch."""
    task, average = state.task, state.average
    assert average is not None  # begin_stage made it
    with average.applied():
        task.world.broadcast_buffers(task.architecture.model)
        own = yield from outputs(task, state.valid_loader)
    yield from skipped(state.valid_loader, task.world)
    found = gathered(task, own)
    valid_loss, figures = scores(task, found)
    where = f"epoch {state.epoch} of the stage {state.now.name!r}"
    if not math.isfinite(valid_loss):
        raise Diverged(f"The validation loss became {valid_loss} in {where}; lower the learning rate.")
    value = {VALID_LOSS: valid_loss, **figures}.get(state.best_by)
    if value is None:  # it need not be among the reported metrics
        named = state.best_by in metrics
        value = float(metrics.create(state.best_by, found.logits, found.targets)) if named else valid_loss
    ended = (state.epoch, state.loss_sum / state.photos, valid_loss, figures, time.perf_counter() - state.began)
    with average.applied():
        best = state.end_epoch(value, valid_loss, found)
    yield EpochEnded(*ended, best)


def skipped(loader: Loader | FeatureLoader, world: World) -> list[PhotoSkipped]:
    """The files that the processes could not read since the last call."""
    found = {str(path): reason for part in world.gather(loader.skipped) for path, reason in part.items()}
    loader.skipped.clear()
    return [PhotoSkipped(path, reason) for path, reason in found.items()]
