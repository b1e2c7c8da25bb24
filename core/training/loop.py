"""The loop: training as a generator of events. It never yields while gradients are switched off."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator

from torch import Tensor

from core.data.loaders import Loader
from core.errors import BadInput
from core.events import EpochEnded, Event, PhotoSkipped, StageStarted, StepEnded
from core.recipe import VALID_LOSS
from core.registry import metrics
from core.training.features import FeatureLoader, extract_features
from core.training.parallel import World
from core.training.state import TrainState
from core.training.step import retry_on_oom, step
from core.training.validate import gathered, outputs, scores


class Diverged(BadInput):
    """A loss is no longer a finite number."""


def fit(state: TrainState) -> Generator[Event, None, None]:
    """Train from where `state` is to the end of its stages; the model ends as the mean of its weights.

    Where this generator is closed, `state` can be put away and taken up again; and after a step or an epoch at once.
    """
    while not state.done:
        if state.optimizer is None:
            began = time.perf_counter()
            if state.now.head_epochs:
                yield from _keep_features(state)
            state.begin_stage()
            state.began = began
            yield StageStarted(state.now.name, state.now.epochs, state.steps, list(state.now.rates))
        while not state.stage_over:
            yield from _train(state)
            yield from _validate(state)
        state.end_stage()


def _keep_features(state: TrainState) -> Iterator[Event]:
    """What the frozen body makes of the photos, on which the stage is then trained."""
    task, stage = state.task, state.now
    task.architecture.freeze()
    task.connect()
    yield StageStarted("features", stage.epochs, stage.epochs * len(task.dls.train) + len(task.dls.valid), [])
    state.features = yield from extract_features(
        task, stage.epochs, stage.head_epochs, lambda: state.finish is not None
    )
    for loader in (task.dls.train, task.dls.valid):
        yield from skipped(loader, task.world)


def _train(state: TrainState) -> Iterator[Event]:
    """The batches that are left of this epoch."""
    task, loader = state.task, state.train
    for images, targets, _ in loader.batches(task.epochs_seen, state.batch):
        if state.finished:
            break
        if task.world.size == 1:  # at once, as a resumed run does not read these photos again
            yield from skipped(loader, task.world)
        if photos := int(task.world.sum(len(targets))):
            loss, rate = yield from _step(state, images, targets)
            state.loss_sum += loss * photos
            state.photos += photos
        state.batch += 1
        if photos:
            yield StepEnded(state.step, state.steps, loss, rate)
    yield from skipped(loader, task.world)
    if not state.photos:
        raise BadInput("None of the training photos could be read; see the list of skipped files.")


def _step(state: TrainState, images: Tensor, targets: Tensor) -> Generator[Event, None, tuple[float, float]]:
    """One step: its loss and the head's rate; with fewer photos at once for as long as there is no memory for them."""
    assert state.optimizer is not None and state.average is not None  # begin_stage made them
    rates, momentum = state.schedule()
    optimizer = state.optimizer
    loss = yield from retry_on_oom(
        state.task, len(targets), lambda: step(state.task, optimizer, images, targets, rates, momentum)
    )
    if not math.isfinite(loss):
        where = f"step {state.step + 1} of {state.steps} of the stage {state.now.name!r}"
        raise Diverged(f"The loss became {loss} at {where}; lower the learning rate.")
    state.average.update()
    return loss, rates[-1]


def _validate(state: TrainState) -> Iterator[Event]:
    """Score the mean of the weights on the validation photos, and end the epoch."""
    task, average = state.task, state.average
    assert average is not None  # begin_stage made it
    with average.applied():
        task.world.broadcast_buffers(task.architecture.model)
        own = yield from outputs(task, state.valid)
    yield from skipped(state.valid, task.world)
    found = gathered(task, own)
    valid_loss, figures = scores(task, found)
    where = f"epoch {state.epoch} of the stage {state.now.name!r}"
    if not math.isfinite(valid_loss):
        raise Diverged(f"The validation loss became {valid_loss} in {where}; lower the learning rate.")
    value = {VALID_LOSS: valid_loss, **figures}.get(state.best_by)
    if value is None:  # it need not be among those that are shown
        shown = state.best_by in metrics
        value = float(metrics.create(state.best_by, found.logits, found.targets)) if shown else valid_loss
    ended = (state.epoch, state.loss_sum / state.photos, valid_loss, figures, time.perf_counter() - state.began)
    with average.applied():
        best = state.end_epoch(value, valid_loss, found)
    yield EpochEnded(*ended, best)


def skipped(loader: Loader | FeatureLoader, world: World) -> Iterator[PhotoSkipped]:
    """The files that no process could read since this was last asked."""
    found = {str(path): reason for part in world.gather(loader.skipped) for path, reason in part.items()}
    loader.skipped.clear()
    yield from (PhotoSkipped(path, reason) for path, reason in found.items())
