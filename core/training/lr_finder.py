"""The learning-rate finder (Smith 2015): train with growing rates, and suggest rates from the losses."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch

from core.data.loaders import Loader
from core.errors import BadInput
from core.events import Event, LearningRateTried, Notice, StageStarted, Suggestion
from core.recipe import Training
from core.training.features import FeatureLoader, extract, unsupported_reason
from core.training.out_of_memory import batches_on_oom, retry_on_oom
from core.training.step import step
from core.training.task import Task, make_optimizer

Suggest = Callable[[Sequence[float], Sequence[float]], float]


def lr_find(
    task: Task,
    start_lr: float = 1e-7,
    end_lr: float = 10.0,
    num_it: int = 100,
    suggest_funcs: Sequence[Suggest] = (),
    features: bool = Training.features,
) -> Generator[Event, None, None]:
    """Train for `num_it` steps at rates growing from `start_lr` to `end_lr`, then restore weights and random state.

    With `features`, those of a frozen backbone are extracted once, for as many photos as the steps need. Raises
    BadInput unless 0 < start_lr < end_lr and the micro-batch suits the norm layers.
    """
    if not 0 < start_lr < end_lr:
        raise BadInput(f"The learning rates must grow from above zero, not from {start_lr!r} to {end_lr!r}.")
    task.check_micro_batch(task.architecture.frozen)
    model = task.architecture.model
    before = copy.deepcopy(model.state_dict())
    groups = len(task.architecture.groups)
    optimizer = make_optimizer(task, [start_lr] * groups)
    rates: list[float] = []
    losses: list[float] = []
    average, best = 0.0, math.inf
    with torch.random.fork_rng():
        try:
            task.connect()
            loader: Loader | FeatureLoader = task.dls.train
            if features and task.architecture.frozen and not unsupported_reason(task, 1):
                some = _first_batches(task.dls.train, num_it)
                yield StageStarted("features", 1, len(some), [])
                loader = yield from extract(task, some, 1, 1, len(some))
            task.connect(on_features=isinstance(loader, FeatureLoader))
            yield StageStarted("lr_find", 1, num_it, [end_lr] * groups)
            scaler, batches, i = task.device.scaler(task.precision), _endless(task, loader), 0
            while i < num_it:
                batch = next(batches)
                if isinstance(batch, Notice):
                    yield batch
                    continue
                images, targets = batch
                lr = start_lr * (end_lr / start_lr) ** (i / num_it)
                take_step = partial(step, task, optimizer, images, targets, [lr] * groups, 0.9, scaler)
                loss = yield from retry_on_oom(task, len(targets), take_step)
                average = 0.98 * average + 0.02 * loss.value
                i += 1
                smooth = average / (1 - 0.98**i)
                rates.append(lr)
                losses.append(smooth)
                yield LearningRateTried(i, num_it, lr, smooth)
                best = min(best, smooth)
                if not math.isfinite(smooth) or smooth > 4 * best:
                    break
            yield suggest(rates, losses, num_it, suggest_funcs or (valley, steep, minimum))
        finally:
            model.load_state_dict(before)
            model.zero_grad()
            task.connect()


def suggest(rates: Sequence[float], losses: Sequence[float], num_it: int, functions: Sequence[Suggest]) -> Suggestion:
    """The suggestion of each function for the smoothed curve without its first tenth and last five points."""
    rates, losses = rates[num_it // 10 : -5], losses[num_it // 10 : -5]
    names = [f.__name__ for f in functions]
    reason = ""
    if len(losses) < 15:
        reason = f"only {len(losses)} points of the curve are usable; try more steps or lower rates"
    elif not all(map(math.isfinite, losses)):
        reason = "the loss was not a finite number; look at the data"
    elif min(losses) > losses[0] - 0.02 * abs(losses[0]):
        reason = "the loss never fell below its start, so the model learns at none of these rates; look at the data"
    if reason:
        return Suggestion(dict.fromkeys(names), f"No suggestion: {reason}.")
    return Suggestion({f.__name__: f(rates, losses) for f in functions})


def valley(rates: Sequence[float], losses: Sequence[float]) -> float:
    """The rate about half-way down the longest decreasing subsequence of the losses (fastai's `valley`)."""
    length = [1] * len(losses)
    end = 0
    for i in range(1, len(losses)):
        length[i] = 1 + max((length[j] for j in range(i) if losses[j] > losses[i]), default=0)
        if length[i] > length[end]:
            end = i
    third = length[end] / 3
    start = end - length[end]
    return rates[max(0, start + int(third) + int(third / 2))]


def steep(rates: Sequence[float], losses: Sequence[float]) -> float:
    """The rate where the loss falls most steeply over the logarithm of the rate."""
    slopes = [
        (losses[i + 1] - losses[i]) / (math.log(rates[i + 1]) - math.log(rates[i])) for i in range(len(losses) - 1)
    ]
    return rates[slopes.index(min(slopes))]


def minimum(rates: Sequence[float], losses: Sequence[float]) -> float:
    """A tenth of the rate with the lowest loss."""
    return rates[losses.index(min(losses))] / 10


def _first_batches(loader: Loader, batches: int) -> Loader:
    """A loader of the photos in the first `batches` of the first epoch, or of all if there are no more."""
    if len(loader) <= batches:
        return loader
    chosen = [i for batch in loader.order(0)[:batches] for i in batch]
    return replace(loader, items=[loader.items[i] for i in chosen], targets=[loader.targets[i] for i in chosen])


def _endless(task: Task, loader: Loader | FeatureLoader) -> Iterator[tuple[torch.Tensor, torch.Tensor] | Notice]:
    epoch = 0
    while True:
        read = False
        for batch in batches_on_oom(task, task.full_batch, partial(loader.batches, epoch)):
            if isinstance(batch, Notice):
                yield batch
                continue
            images, targets, indices = batch
            if indices:
                read = True
                yield images, targets
        if not read:
            raise BadInput("None of the training photos could be read.")
        epoch += 1
