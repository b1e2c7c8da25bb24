"""From a recipe to a trained run: the check, the training, the model, the card; all of it as events."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from core.data.block import Split, loaders_of
from core.data.check import Examined, examine
from core.errors import BadInput
from core.events import (
    CheckpointSaved,
    EpochEnded,
    Event,
    FinishingEarly,
    Notice,
    RunEnded,
    RunResumed,
    RunStarted,
    StepEnded,
    Validated,
)
from core.model.architecture import Architecture
from core.publish.card import card
from core.recipe import Recipe
from core.registry import architectures, transforms
from core.runs.checkpoint import Checkpoints
from core.runs.photos import PHOTOS, recall, remember
from core.runs.queue import Queue
from core.runs.record import Log, held, record
from core.runs.requests import FINISH, STOP, Requests, Stopped
from core.runs.run import Run
from core.training.fine_tune import fine_tuning
from core.training.learner import Learner
from core.training.loop import Diverged, fit
from core.training.losses import loss_for
from core.training.lr_finder import lr_find
from core.training.memory import keep_freed_memory
from core.training.metrics import metric
from core.training.parallel import ALONE, World
from core.training.state import LAST, VALID_LOSS, Finish, TrainState

POINTS = (StepEnded, Validated, EpochEnded)  # after these every process does what the first one is asked


@dataclass(frozen=True)
class Options:
    """How a run is carried out; none of it changes what comes out of it."""

    queue: bool = True  # wait until no other run of the workspace trains
    accept_changes: bool = False  # go on although the photos have changed
    world: World = ALONE


def train(run: Run, requests: Requests | None = None, options: Options | None = None) -> Iterator[Event]:
    """Do what the run's recipe says, in this process; goes on where an earlier process left it. Raises BadInput."""
    requests, options = requests or Requests(run.folder), options or Options()
    with held(run, requests) as log:
        yield from record(log, _in_turn(run, requests, options, _train(run, log, requests, options)))


def find_rate(run: Run, requests: Requests | None = None, options: Options | None = None) -> Iterator[Event]:
    """The learning-rate test of the run's recipe, head alone, in this process; always from its beginning."""
    requests, options = requests or Requests(run.folder), options or Options()
    with held(run, requests) as log:
        yield from record(log, _in_turn(run, requests, options, _find_rate(run, requests)))


def assist(world: World) -> None:
    """What the other processes of a run do: they take their share of each batch, and what the first one decides."""
    plan: Plan | None = world.share(None)
    if plan is None:  # it did not come to training
        return
    _, state = plan.state(world)
    with _together(world):
        for event in fit(state):
            if isinstance(event, POINTS):
                wish = world.share(None)
                if wish == STOP:
                    return
                if wish == FINISH:
                    state.finish_early()


def learner_of(recipe: Recipe, split: Split, world: World = ALONE) -> Learner:
    """The learner that a recipe describes, on photos that were checked and divided; its seed is set."""
    knobs = recipe.training
    scores = [metric(name) for name in knobs.metrics]
    item_tfms = [transforms.build(choice) for choice in recipe.item_tfms]
    batch_tfms = [transforms.build(choice) for choice in recipe.batch_tfms]
    share = (world.rank, world.size)
    dls = loaders_of(split, item_tfms, batch_tfms, knobs.batch_size, knobs.seed, share=share)
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
        world,
    )


@dataclass(frozen=True)
class Plan:
    """What every process of a run must know before its first step."""

    recipe: Recipe
    split: Split
    resumed: bool = False
    tensors: dict[str, Tensor] = field(default_factory=dict)  # of the checkpoint, if there is one
    document: dict[str, Any] = field(default_factory=dict)
    finish: Finish | None = None  # as it was asked for in an earlier life of the run

    def state(self, world: World) -> tuple[Learner, TrainState]:
        """The learner, and its training where it was left."""
        knobs = self.recipe.training
        learner = learner_of(self.recipe, self.split, world)
        stages = fine_tuning(learner.task, knobs.epochs, knobs.base_lr, knobs.freeze_epochs, knobs.lr_mult)
        state = TrainState(learner.task, stages, knobs.best_by, knobs.patience)
        if self.document:
            state.restore(self.tensors, self.document)
        state.finish = state.finish or self.finish
        if world.rank:  # else all would drop the same features
            torch.manual_seed(knobs.seed + world.rank)
        return learner, state


def _in_turn(run: Run, requests: Requests, options: Options, events: Iterator[Event]) -> Iterator[Event]:
    """The events, once no other run of the workspace trains."""
    queue = Queue(run.folder.resolve())
    try:
        for place in queue.wait() if options.queue else ():
            requests.obey()
            if place is not None:
                yield place
        yield from events
    finally:
        queue.leave()


def _train(run: Run, log: Log, requests: Requests, options: Options) -> Iterator[Event]:
    plan: Plan | None = None
    try:
        plan = yield from _plan(run, requests, options.accept_changes)
    finally:
        options.world.share(plan)  # or nothing, so that no other process waits for it
    learner, state = plan.state(options.world)
    if plan.resumed:
        at = ("", 0, 0) if state.done else (state.now.name, state.step, state.steps)
        yield RunResumed(plan.document.get("events", 0), *at)
    yield _started(plan.recipe, learner)
    checkpoints = Checkpoints(run.folder)
    try:
        with _together(options.world):
            yield from _fit(state, checkpoints, log, requests)
    except (Stopped, GeneratorExit):
        checkpoints.save(state, log.count)
        if state.best is not None:
            _keep_best(run, learner, state, plan)
        raise
    except Diverged:
        if state.best is not None:
            _keep_best(run, learner, state, plan)
            yield Notice(f"the model of epoch {state.best.epoch} of the stage {state.best.stage!r} is kept")
        raise
    yield CheckpointSaved(0, checkpoints.save(state, log.count))
    metrics = _keep_best(run, learner, state, plan)
    checkpoints.keep_last()
    yield RunEnded("completed", metrics=metrics)


def _fit(state: TrainState, checkpoints: Checkpoints, log: Log, requests: Requests) -> Iterator[Event]:
    """Train, save what is due, and do what is asked."""
    events = fit(state)
    try:
        for event in events:
            yield event
            if not isinstance(event, POINTS):
                continue
            wish = STOP if requests.stop else FINISH if requests.finish and not state.finish else ""
            wish = state.task.world.share(wish)
            if wish == STOP:
                raise Stopped
            if wish == FINISH:
                finish = state.finish_early()
                yield FinishingEarly(finish.stage, finish.step, finish.steps)
            if isinstance(event, StepEnded) and checkpoints.due:
                yield CheckpointSaved(state.step, checkpoints.save(state, log.count))
    finally:
        events.close()  # which puts the weights back that were exchanged for a validation


@contextmanager
def _together(world: World) -> Iterator[None]:
    """Say in a sentence that another process was lost, which torch says in the words of its network."""
    try:
        yield
    except RuntimeError as error:
        if world.size == 1:
            raise
        what = str(error).splitlines()[0][:150]
        raise BadInput(f"One of {world.size} processes that train together failed ({what}); resume the run.") from error


def _keep_best(run: Run, learner: Learner, state: TrainState, plan: Plan) -> dict[str, float]:
    """Make the model of the best epoch that of the run, with its card; returns its metrics."""
    best = state.restore_best()
    learner.save(run.folder)
    results = learner.interpretation(best.outputs, learner.dls.valid)
    run.write("README.md", card(plan.recipe, results, len(plan.split.train), best))
    low, high = results.interval
    metrics = {name: score(results.logits, results.targets) for name, score in learner.task.metrics.items()}
    return metrics | {"accuracy": results.accuracy, "low": low, "high": high}


def _find_rate(run: Run, requests: Requests) -> Iterator[Event]:
    recipe = run.recipe
    examined = yield from _examined(run, recipe, requests)
    learner = learner_of(recipe, examined.split)
    yield _started(recipe, learner)
    learner.freeze()
    for event in lr_find(learner.task):
        yield event
        requests.obey()
    yield RunEnded("completed")


def _examined(run: Run, recipe: Recipe, requests: Requests) -> Generator[Event, None, Examined]:
    """The photos, checked."""
    keep_freed_memory()
    knobs = recipe.training
    for name in knobs.metrics:  # before the photos are read, which takes longer
        metric(name)
    if not knobs.epochs + knobs.freeze_epochs:
        raise BadInput("training.epochs and training.freeze_epochs are both 0, so nothing would be trained.")
    if knobs.best_by not in (VALID_LOSS, LAST, *knobs.metrics):
        raise BadInput(
            f"training.best_by is {knobs.best_by!r}, but must be {VALID_LOSS}, {LAST} or one of training.metrics: "
            f"{', '.join(knobs.metrics)}."
        )
    check = examine(recipe, run.workspace)
    while True:
        try:
            event = next(check)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield event
        requests.obey()


def _plan(run: Run, requests: Requests, accept_changes: bool) -> Generator[Event, None, Plan]:
    """What to train and from where; raises BadInput where the photos are not those that the run began with."""
    recipe = run.recipe
    asked = [Finish(e.stage, e.step, e.steps) for e in run.events() if isinstance(e, FinishingEarly)]
    examined = yield from _examined(run, recipe, requests)
    if not (run.folder / PHOTOS).exists():
        remember(run, examined)
        yield from (Notice(f"warning: {warning}") for warning in examined.report.warnings)
        if skipped := len(examined.report.skipped):
            files = "1 file is" if skipped == 1 else f"{skipped} files are"
            yield Notice(f"{files} left out; `python -m core check` says which and why")
        return Plan(recipe, examined.split)
    split, changes = recall(run, examined)
    if changes and not accept_changes:
        raise BadInput(
            f"The photos are not those that this run began with: {changes}. Go on with those it began with, as far as "
            "they are there, by `resume --accept-changes`; or train anew."
        )
    if changes:
        yield Notice(f"warning: going on with photos that have changed: {changes}")
    tensors, document, damaged = Checkpoints(run.folder).newest()
    for file in damaged:
        other = "the one before it is used" if document else "there is no other, so the run begins again"
        yield Notice(f"warning: the checkpoint {file.name} is damaged; {other}")
    return Plan(recipe, split, True, tensors, document, asked[-1] if asked else None)


def _started(recipe: Recipe, learner: Learner) -> RunStarted:
    dls = learner.dls
    cuda = dls.device.type == "cuda"
    where = torch.cuda.get_device_name(dls.device) if cuda else f"CPU, {torch.get_num_threads()} threads"
    if (size := learner.task.world.size) > 1:
        where = f"{size} x {where}"
    shown = recipe.architecture.get("model", recipe.architecture["name"])
    return RunStarted(str(shown), dls.c, len(dls.train.items), len(dls.valid.items), where)
