"""Carrying out a run: check the photos, train, and save model and card, as a generator of events."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.atomic import write_atomic
from core.data.draws import DRAWS_VERSION
from core.device import choose
from core.events import (
    CheckpointSaved,
    EpochEnded,
    Event,
    FeaturesMade,
    FinishingEarly,
    LearningRateTried,
    Notice,
    RunEnded,
    RunResumed,
    RunStarted,
    StepEnded,
    Validated,
    replayed,
)
from core.insight.calibration import calibrate
from core.recipe import Recipe
from core.registry import sources
from core.runs.card import Trained, card
from core.runs.checkpoint import Checkpoints
from core.runs.plan import Plan, examined_photos, learner_of, make_plan
from core.runs.predictions import keep_predictions
from core.runs.record import Log, record
from core.runs.run import PRESIZED, Run
from core.runs.stop_signals import FINISH, KEEP, STOP, Stopped, StopSignals
from core.runs.strangers import keep_strangers
from core.training.features import unsupported_reason
from core.training.learner import Learner
from core.training.loop import Diverged, fit
from core.training.lr_finder import lr_find
from core.training.parallel import ALONE, World, together
from core.training.state import TrainState

STOP_POINTS = (FeaturesMade, StepEnded, Validated, EpochEnded)  # after these, all processes handle requests together


@dataclass(frozen=True)
class RunOptions:
    """Options of carrying out a run, none of which changes its result."""

    queue: bool = True  # wait until no other run of the workspace is training
    accept_changes: bool = False  # resume although the photos have changed
    cache: Path | bool = True  # keep presized photos in this folder, in the workspace (True) or nowhere (False)
    world: World = ALONE

    def folder(self, run: Run) -> Path | None:
        """The folder in which presized photos are kept, or None."""
        if isinstance(self.cache, Path):
            return self.cache.resolve()  # links in a path that the user chose are followed
        return run.workspace / PRESIZED if self.cache else None


def train(
    run: Run, signals: StopSignals | None = None, options: RunOptions | None = None
) -> Generator[Event, None, None]:
    """Train the run's recipe in this process, from its checkpoint if it has one; raises BadInput."""
    signals, options = signals or StopSignals(run.folder), options or RunOptions()
    return record(run, signals, partial(_train, run, signals, options), options.queue)


def find_rate(
    run: Run, signals: StopSignals | None = None, options: RunOptions | None = None
) -> Generator[Event, None, None]:
    """Run the learning-rate finder on the run's frozen network in this process, always from its first step."""
    signals, options = signals or StopSignals(run.folder), options or RunOptions()
    return record(run, signals, partial(_find_rate, run, signals, options), options.queue)


def run_worker(world: World) -> None:
    """Train the share of a process of rank > 0 in each batch; stops or finishes early when rank 0 does."""
    with together(world):
        plan: Plan | None = world.broadcast_once(None)
        if plan is None:  # rank 0 failed before training
            return
        _, state = plan.state(world)
        for event in fit(state):
            if isinstance(event, STOP_POINTS):
                request = world.broadcast(None)
                if request in (STOP, KEEP):
                    return
                if request == FINISH:
                    state.finish_early()


def _train(run: Run, signals: StopSignals, options: RunOptions, log: Log) -> Generator[Event, None, None]:
    plan = yield from make_plan(run, signals, options.accept_changes, options.folder(run))
    root = Path(
        sources.build(plan.recipe.source, run.workspace).root
    )  # before training, as a zip may be gone afterwards
    options.world.broadcast_once(plan)
    learner, state = plan.state(options.world)
    if plan.resumed:
        at = ("", 0, 0) if state.done else (state.now.name, state.step, state.steps)
        yield RunResumed(plan.document.get("events", 0), *at)
        if plan.document and not state.done and plan.document.get("draws", 1) != DRAWS_VERSION:
            yield Notice(
                "this run began in an earlier version, which drew augmentation otherwise: it goes on as it would have, "
                "but not with the same random crops"
            )
    yield _started(plan.recipe, learner)
    yield from _slow_paths(plan.recipe, learner)
    checkpoints = Checkpoints(run.folder)
    try:
        with together(options.world), closing(fit(state)) as events:
            for event in events:
                yield event
                request = _request(state, signals) if isinstance(event, STOP_POINTS) else ""
                if request == KEEP:
                    state.end()
                    break
                if request == FINISH:
                    finish = state.finish_early()
                    yield FinishingEarly(finish.stage, finish.step, finish.steps)
                if isinstance(event, StepEnded) and checkpoints.due:
                    yield CheckpointSaved(state.step, checkpoints.save(state, log.count))
    except (Stopped, GeneratorExit) as end:
        seconds = checkpoints.save(state, log.count)
        if state.best is not None:
            _keep_best(run, learner, state, plan, root)
        if isinstance(end, Stopped):
            yield CheckpointSaved(0 if state.done else state.step, seconds)
        raise
    except Diverged:
        if state.best is not None:
            _keep_best(run, learner, state, plan, root)
            yield Notice(f"The model of epoch {state.best.epoch} of the stage {state.best.stage!r} is kept.")
        raise
    yield CheckpointSaved(0, checkpoints.save(state, log.count))
    metrics = _keep_best(run, learner, state, plan, root, ended=True)
    checkpoints.keep_last()
    yield RunEnded("completed", metrics=metrics)


def _slow_paths(recipe: Recipe, learner: Learner) -> list[Notice]:
    """Notices about optimisations that this recipe rules out, with the reasons."""
    pipeline, training = learner.dls.train.pipeline, recipe.training
    found = []
    if not pipeline.cacheable:
        first = (pipeline.on_photo or pipeline.geometric)[0]
        name = getattr(first, "__name__", type(first).__name__)
        found.append(
            Notice(f"photos are decoded again in each epoch, as {name} may need all of their pixels each time")
        )
    if (
        training.features
        and training.freeze_epochs
        and (reason := unsupported_reason(learner.task, training.freeze_epochs))
    ):
        found.append(Notice(f"the frozen epochs train on photos instead of extracted features: {reason}"))
    return found


def _request(state: TrainState, signals: StopSignals) -> str:
    """What was requested and can be done now, told to every process; raises Stopped if a stop was requested."""
    keeps, finishes = signals.keep and state.best is not None, signals.finish and not state.finish
    request = STOP if signals.stop else KEEP if keeps else FINISH if finishes else ""
    state.task.world.broadcast(request)
    if request == STOP:
        raise signals.stopped()
    return request


def _keep_best(
    run: Run, learner: Learner, state: TrainState, plan: Plan, root: Path, ended: bool = False
) -> dict[str, float]:
    """Save the model of the best epoch with its predictions and card in the run's folder; returns its metrics.

    How to recognise strangers is only saved when the run has `ended`, as it takes seconds that a stop does not have.
    """
    best = state.restore_best()
    raw = learner.interpretation(best.outputs, learner.dls.valid)
    calibration = calibrate(raw.logits, raw.targets)
    learner.save(run.folder, calibration)
    results = raw.calibrated(calibration.temperature)
    keep_predictions(run, results, root)
    strangers = keep_strangers(run.folder, learner) if ended else None
    epochs = [event for event in replayed(run.events()) if isinstance(event, EpochEnded)]
    parent = plan.parent.name if plan.parent else ""
    trained = Trained(plan.recipe, learner, best, epochs, results, calibration, strangers, plan.corrected, parent)
    for name, content in card(trained).items():
        write_atomic(run.folder / name, content)
    low, high = results.interval
    metrics = {name: score(raw.logits, raw.targets) for name, score in learner.task.metrics.items()}
    return metrics | {"accuracy": results.accuracy, "low": low, "high": high}


def _find_rate(run: Run, signals: StopSignals, options: RunOptions, log: Log) -> Generator[Event, None, None]:
    recipe = run.recipe
    again = any(isinstance(event, LearningRateTried) for event in run.events())
    cache = options.folder(run)
    examined = yield from examined_photos(run, recipe, signals, cache)
    learner = learner_of(recipe, examined.split, cache=cache)
    if again:
        yield RunResumed(0, "", 0, 0)  # from the first step
    yield _started(recipe, learner)
    learner.freeze()
    for event in lr_find(learner.task, features=recipe.training.features):
        yield event
        if signals.finish:  # stop, as part of a curve suggests no rate
            raise signals.stopped()
        signals.raise_if_stopped()
    yield RunEnded("completed")


def _started(recipe: Recipe, learner: Learner) -> RunStarted:
    dls = learner.dls
    where = choose(dls.device).name
    if (size := learner.task.world.size) > 1:
        where = f"{size} x {where}"
    shown = recipe.architecture.get("model", recipe.architecture["name"])
    return RunStarted(str(shown), dls.c, len(dls.train.items), len(dls.valid.items), where)
